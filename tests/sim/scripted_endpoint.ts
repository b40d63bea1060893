/** A protocol core that does nothing of its own: what a test overrides, and a log of its calls. */
import type { Instant, SansIo, Transmit } from "../../src/sans_io.ts";

export class ScriptedEndpoint<Event = string> implements SansIo<Event> {
  /** What was called, in order; polls that brought nothing are left out. */
  readonly calls: string[] = [];
  /** Copies of what came in. */
  readonly received: Uint8Array[] = [];
  /** What is to be sent, each as one batch of segments of `segmentSize`. */
  readonly batches: { readonly bytes: Uint8Array; readonly segmentSize?: number }[] = [];
  readonly events: Event[] = [];
  timeout: Instant | undefined;

  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.calls.push(`datagram at ${now}`);
    this.received.push(bytes.slice());
  }

  /** A timer that fires once. */
  handleTimeout(now: Instant): void {
    this.calls.push(`timeout at ${now}`);
    this.timeout = undefined;
  }

  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
    const batch = this.batches.shift();
    if (batch === undefined) return undefined;
    this.calls.push(`transmit at ${now}`);
    out.set(batch.bytes);
    return { length: batch.bytes.length, segmentSize: batch.segmentSize ?? batch.bytes.length };
  }

  pollEvent(): Event | undefined {
    const event = this.events.shift();
    if (event !== undefined) this.calls.push("event");
    return event;
  }

  nextTimeout(): Instant | undefined {
    return this.timeout;
  }
}
