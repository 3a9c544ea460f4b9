/** The React parts of documents 000 and 002. They run on Preact too, through its `compat`. */
export {
  SessionStatusMonitor,
  default,
  type SessionStatusMonitorProps,
} from "./session-status-monitor.tsx";
export * from "./use-connection-status.ts";
