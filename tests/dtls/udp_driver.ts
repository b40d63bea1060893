/**
 * An endpoint under a real UDP socket on loopback, for interoperation.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import type { DtlsEndpoint, DtlsEvent } from "../../src/dtls/dtls_endpoint.ts";

/** Drives one endpoint. */
export class UdpDriver {
  readonly events: DtlsEvent[] = [];
  readonly #socket: Socket = createSocket("udp4");
  readonly #out = new Uint8Array(65_536);
  #endpoint: DtlsEndpoint | undefined;
  #peerPort: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake: (() => void) | undefined;

  /** Binds a free port. */
  async bind(): Promise<number> {
    await new Promise<void>((resolve) => this.#socket.bind(0, "127.0.0.1", resolve));
    this.#socket.on("message", (message, { port }) => {
      this.#peerPort ??= port;
      this.#endpoint?.handleDatagram(Uint8Array.from(message), performance.now());
      this.pump();
    });
    this.#socket.on("error", () => {});
    return this.#socket.address().port;
  }

  /** Starts; a server learns its peer's port by itself. */
  start(endpoint: DtlsEndpoint, peerPort?: number): void {
    this.#endpoint = endpoint;
    this.#peerPort = peerPort;
    this.pump();
  }

  /** Sends what there is to send, collects events, sets the timer. */
  pump(): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    for (;;) {
      const transmit = endpoint.pollTransmit(this.#out, performance.now());
      if (transmit === undefined) break;
      this.#sendRaw(this.#out.slice(0, transmit.length));
    }
    for (;;) {
      const event = endpoint.pollEvent();
      if (event === undefined) break;
      this.events.push(event);
    }
    this.#wake?.();
    clearTimeout(this.#timer);
    const due = endpoint.nextTimeout();
    if (due === undefined) return;
    this.#timer = setTimeout(() => {
      endpoint.handleTimeout(performance.now());
      this.pump();
    }, Math.max(0, due - performance.now()) + 1);
  }

  /** Sends one record of application data. */
  send(payload: Uint8Array): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    const record = new Uint8Array(endpoint.recordOverhead() + payload.length);
    record.set(payload, endpoint.payloadOffset());
    if (endpoint.seal(record, 0, record.length, record.length) === 1) this.#sendRaw(record);
  }

  /** Waits for an event of this type; throws after that many ms. */
  async waitFor<Type extends DtlsEvent["type"]>(
    type: Type,
    timeout = 10_000,
  ): Promise<Extract<DtlsEvent, { readonly type: Type }>> {
    const deadline = performance.now() + timeout;
    for (;;) {
      const event = this.events.find((one) => one.type === type);
      if (event !== undefined) return event as Extract<DtlsEvent, { readonly type: Type }>;
      const rest = deadline - performance.now();
      if (rest <= 0) throw new Error(`no ${type} in time, but ${JSON.stringify(this.events)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, rest);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Stops, and gives the port back. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#endpoint = undefined;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #sendRaw(bytes: Uint8Array): void {
    if (this.#peerPort !== undefined) this.#socket.send(bytes, this.#peerPort, "127.0.0.1");
  }
}
