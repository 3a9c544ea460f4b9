/** Listens in on a Socket.IO manager and tells every Engine.IO packet in its text form. */
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

interface Packet {
  type: string;
  data?: unknown;
}

/** Tells of every packet of this manager's connections, those to come included. */
export function tapPackets(manager: Manager, tell: (record: PacketRecord) => void): void {
  const record = (direction: "in" | "out", { type, data }: Packet) => {
    const text = typeof data === "string" ? data : data === undefined ? "" : "(binary)";
    tell({ direction, at: Date.now(), text: (TYPE_DIGITS[type] ?? "") + text });
  };
  // Each attempt has an engine of its own.
  manager.on("open", () => {
    manager.engine.on("packet", (packet: Packet) => record("in", packet));
    manager.engine.on("packetCreate", (packet: Packet) => record("out", packet));
  });
}
