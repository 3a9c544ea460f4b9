/**
 * Listens in on a Socket.IO manager and tells every Engine.IO packet in its text form, without the
 * credentials in it: what is told may end on a screen or in a report.
 */
import type { Manager } from "socket.io-client";
import type { PacketRecord } from "./events.ts";

/** The digit that begins a packet of each type (Engine.IO protocol 4). */
const TYPE_DIGITS: Record<string, string> = {
  open: "0",
  close: "1",
  ping: "2",
  pong: "3",
  message: "4",
  upgrade: "5",
  noop: "6",
};

/** The packets with credentials: the connect packet, and the event `authenticate`. */
const CREDENTIALS = /^4(?:0\{|2\d*\["authenticate")/;

const SECRET = /"(token|sessionId)":"[^"]*"/g;

interface Packet {
  type: string;
  data?: unknown;
}

/** Tells of every packet of this manager's connections, those to come included. */
export function tapPackets(manager: Manager, tell: (record: PacketRecord) => void): void {
  const record = (direction: "in" | "out", { type, data }: Packet) => {
    const text = typeof data === "string" ? data : data === undefined ? "" : "(binary)";
    const whole = (TYPE_DIGITS[type] ?? "") + text;
    const isSecret = CREDENTIALS.test(whole);
    tell({
      direction,
      at: Date.now(),
      text: isSecret ? whole.replace(SECRET, '"$1":"..."') : whole,
    });
  };
  // Each attempt has an engine of its own.
  manager.on("open", () => {
    manager.engine.on("packet", (packet: Packet) => record("in", packet));
    manager.engine.on("packetCreate", (packet: Packet) => record("out", packet));
  });
}
