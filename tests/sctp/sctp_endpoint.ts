/**
 * An association as a core of the simulated network: what its handler is told becomes events, one
 * packet a datagram. Packets of a run are written at once, as a link does.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { BufferPool } from "../../src/buffer_pool.ts";
import type { Instant, SansIo, Transmit } from "../../src/sans_io.ts";
import {
  Association,
  type AssociationConfig,
  type AssociationEndCode,
} from "../../src/sctp/association.ts";
import { PayloadStore } from "../../src/sctp/payload_store.ts";
import { Random } from "../sim/random.ts";

/** What an association told its handler. */
export type SctpEvent =
  | { readonly type: "up" }
  | {
    readonly type: "message";
    readonly streamId: number;
    readonly ppid: number;
    readonly bytes: Uint8Array;
  }
  | { readonly type: "low"; readonly streamId: number }
  | { readonly type: "incoming-reset"; readonly streamIds: readonly number[] | undefined }
  | { readonly type: "outgoing-reset"; readonly streamIds: readonly number[] }
  | { readonly type: "closed"; readonly code: AssociationEndCode; readonly reason: string };

/** Takes a message, lent. */
export type OnMessage = (
  streamId: number,
  ppid: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

/** One end, to be put into a `Pair`. */
export class SctpEndpoint implements SansIo<SctpEvent> {
  readonly association: Association;
  readonly store: PayloadStore;
  /** Called with each message as it comes, instead of an event. */
  onMessage: OnMessage | undefined;
  /** Called with every event, from within the call that brought it about. */
  onEventNow: ((event: SctpEvent) => void) | undefined;
  readonly #events: SctpEvent[] = [];

  constructor(seed: number, config: Partial<AssociationConfig> = {}) {
    const random = new Random(seed);
    const key = random.bytes(32);
    this.store = new PayloadStore(new BufferPool());
    this.association = new Association({
      handler: {
        handleUp: () => this.#tell({ type: "up" }),
        handleMessage: (streamId, ppid, bytes, start, end) => {
          if (this.onMessage !== undefined) this.onMessage(streamId, ppid, bytes, start, end);
          else this.#tell({ type: "message", streamId, ppid, bytes: bytes.slice(start, end) });
        },
        handleBufferedAmountLow: (streamId) => this.#tell({ type: "low", streamId }),
        handleIncomingReset: (streamIds) => this.#tell({ type: "incoming-reset", streamIds }),
        handleOutgoingReset: (streamIds) => this.#tell({ type: "outgoing-reset", streamIds }),
        handleClosed: (code, reason) => this.#tell({ type: "closed", code, reason }),
      },
      random: (length) => random.bytes(length),
      mac: (bytes) => createHmac("sha256", key).update(bytes).digest(),
      store: this.store,
      ...config,
    });
  }

  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.association.handlePacket(bytes, 0, bytes.length, now);
  }

  handleTimeout(now: Instant): void {
    this.association.handleTimeout(now);
  }

  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
    const length = this.association.writePacket(out, 0, now);
    if (length === 0) return undefined;
    const count = this.association.writeRun(out, length, { length, stride: length, now });
    return { length: (1 + count) * length, segmentSize: length };
  }

  pollEvent(): SctpEvent | undefined {
    return this.#events.shift();
  }

  nextTimeout(): Instant | undefined {
    return this.association.nextTimeout();
  }

  #tell(event: SctpEvent): void {
    this.#events.push(event);
    this.onEventNow?.(event);
  }
}
