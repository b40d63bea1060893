/** Round trips of small messages on an open stream. */
import type { StreamPort } from "../forward/stream_port.ts";
import { readSome, sendAll } from "./stream_work.ts";

/** Its first four bytes are a number, so that no echo is taken for another. Bytes. */
const echoLength = 16;

/** What some round trips took. */
export interface RoundTripFigures {
  /** How many there were. */
  readonly count: number;
  /** Half of them took no longer, in ms. */
  readonly p50: number;
  /** 99 of 100 took no longer, in ms. */
  readonly p99: number;
}

/** How many round trips are made, and when. */
export interface EchoPlan {
  /** Whether there were enough, after so many; one is made in any case. */
  readonly isDone: (count: number) => boolean;
  /** The pause between two, in ms. */
  readonly interval: number;
}

/** An "echo" stream that the other node serves. */
export class EchoStream {
  readonly #port: StreamPort;
  #sequence = 0;

  constructor(port: StreamPort) {
    this.#port = port;
  }

  /** Makes round trips one after another; how long each took, in ms. */
  async sample({ isDone, interval }: EchoPlan): Promise<number[]> {
    const times: number[] = [];
    while (true) {
      times.push(await this.#roundTrip());
      if (isDone(times.length)) return times;
      await pause(interval);
    }
  }

  async #roundTrip(): Promise<number> {
    const message = new Uint8Array(echoLength);
    new DataView(message.buffer).setUint32(0, this.#sequence++);
    const begunAt = performance.now();
    await sendAll(this.#port, message);
    const echoed: number[] = [];
    while (echoed.length < echoLength && await readSome(this.#port, (b) => echoed.push(...b)));
    if (echoed.length !== echoLength || message.some((byte, at) => byte !== echoed[at])) {
      throw new Error("an echo is not what was sent");
    }
    return performance.now() - begunAt;
  }
}

/** Puts round trips, in ms, together. */
export function figuresOf(times: readonly number[]): RoundTripFigures {
  const sorted = times.toSorted((one, other) => one - other);
  return { count: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

/** What the given part, of 0 to 1, of the values does not exceed (nearest rank); NaN of none. */
function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
