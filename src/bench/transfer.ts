/** The bulk of a measurement: the pattern, up or down one stream until a deadline. */
import type { StreamPort } from "../forward/stream_port.ts";
import type { Instant } from "../sans_io.ts";
import { countLength, readCount } from "./bench_protocol.ts";
import type { Meter } from "./meter.ts";
import { PatternReader, PatternWriter } from "./pattern.ts";
import { readAll } from "./stream_work.ts";

/** One stream's share of a transfer. */
export interface Transfer {
  readonly port: StreamPort;
  /** Counts the arrivals of all streams. */
  readonly meter: Meter;
  /** Then no more is sent. */
  readonly deadline: Instant;
}

/**
 * Sends until the deadline; what came is counted by the other node. Resolves when it has counted
 * all. Throws where it counts wrongly, or says that what came is not what was sent.
 */
export async function upload({ port, meter, deadline }: Transfer): Promise<void> {
  const writer = new PatternWriter();
  const send = async () => {
    while (performance.now() < deadline) {
      await port.untilSendable();
      writer.sendTo(port.stream);
    }
    port.stream.end();
  };
  const receiveCounts = async () => {
    const counts = new CountReader();
    await readAll(port, (bytes) => {
      const before = counts.latest;
      counts.push(bytes);
      if (counts.latest < before || counts.latest > writer.position) {
        throw new Error("the other node counts what was not sent");
      }
      meter.add(counts.latest - before, performance.now());
    });
    if (performance.now() < deadline) throw new Error("the other node ended the upload too early");
    return counts.latest;
  };
  const [counted] = await Promise.all([receiveCounts(), send()]);
  if (counted !== writer.position) {
    throw new Error(`of ${writer.position} bytes that were sent up, ${counted} came`);
  }
}

/**
 * Receives until the deadline, and then what is still under way. Throws where it is not the pattern.
 */
export async function download({ port, meter, deadline }: Transfer): Promise<void> {
  const reader = new PatternReader();
  await readAll(port, (bytes) => {
    const now = performance.now();
    reader.check(bytes);
    meter.add(bytes.length, now);
    if (now >= deadline) port.stream.end();
  });
  if (performance.now() < deadline) throw new Error("the other node ended the download too early");
}

/** Puts counts together, however they are cut. */
class CountReader {
  /** The last that was whole. */
  latest = 0;
  readonly #bytes = new Uint8Array(countLength);
  #length = 0;

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#bytes[this.#length++] = byte;
      if (this.#length < countLength) continue;
      this.latest = readCount(this.#bytes);
      this.#length = 0;
    }
  }
}
