/**
 * What a client can say about its own connection: how long it was up, what share of its messages
 * arrived, how often it had to come back, how many errors it met (003: acceptance 268).
 */

const HOUR_MS = 3_600_000;

export interface ClientMetrics {
  /** Milliseconds since the first attempt to connect. */
  observedMs: number;
  /** Milliseconds of that with a working connection. */
  connectedMs: number;
  /** The share of the two, 0 to 1. */
  uptime: number;
  /** Messages the user has sent. */
  sent: number;
  /** Messages the server has confirmed. */
  delivered: number;
  /** Messages the server has refused. */
  failed: number;
  /** The confirmed share of those that have an answer, 0 to 1; 1 while there is none. */
  deliveryRate: number;
  /** How often the connection came back. */
  reconnects: number;
  /** The same for each hour of the observed time. */
  reconnectsPerHour: number;
  /** Failed attempts to connect, and errors told by the server. */
  errors: number;
}

export class Meter {
  #startedAt: number | undefined;
  #connectedAt: number | undefined;
  #connectedMs = 0;
  #counts = { sent: 0, delivered: 0, failed: 0, reconnects: 0, errors: 0 };

  /** Begins to observe; later calls change nothing. */
  start(): void {
    this.#startedAt ??= Date.now();
  }

  up(): void {
    this.start();
    this.#connectedAt ??= Date.now();
  }

  down(): void {
    this.#connectedMs += Date.now() - (this.#connectedAt ?? Date.now());
    this.#connectedAt = undefined;
  }

  count(what: "sent" | "delivered" | "failed" | "reconnects" | "errors"): void {
    this.#counts[what] += 1;
  }

  read(): ClientMetrics {
    const now = Date.now();
    const observedMs = now - (this.#startedAt ?? now);
    const connectedMs = this.#connectedMs + now - (this.#connectedAt ?? now);
    const { delivered, failed, reconnects } = this.#counts;
    return {
      ...this.#counts,
      observedMs,
      connectedMs,
      uptime: observedMs > 0 ? connectedMs / observedMs : 0,
      deliveryRate: delivered + failed > 0 ? delivered / (delivered + failed) : 1,
      reconnectsPerHour: observedMs > 0 ? (reconnects * HOUR_MS) / observedMs : 0,
    };
  }
}
