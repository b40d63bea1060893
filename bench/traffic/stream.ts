/** Sends and receives the pattern over a connection, and measures what arrives. */
import { blockLength, isPatternAt, patternAt } from "./pattern.ts";

/** When what arrives is counted. */
export interface Window {
  /** From the first byte on, in ms. */
  readonly warmUp: number;
  /** After that, in ms. */
  readonly duration: number;
}

/** What arrived over a connection, or over several together. */
export interface Receipt {
  /** In the window, in bytes a second. */
  readonly rate: number;
  /** All of them, compared with what they should be. */
  readonly bytes: number;
  /** What was wrong with them; empty where nothing was. */
  readonly fault: string;
  /** Whether it came to its end, rather than being cut off for taking too long. */
  readonly isWhole: boolean;
}

/** Counts bytes from the end of the warm-up to the end of the window. */
class Meter {
  readonly #window: Window;
  #firstAt: number | undefined;
  #begin: { readonly at: number; readonly bytes: number } | undefined;
  #end: { readonly at: number; readonly bytes: number } | undefined;
  #last = { at: 0, bytes: 0 };
  bytes = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  get isComplete(): boolean {
    return this.#end !== undefined;
  }

  /** In bytes a second, as far as it got. */
  get rate(): number {
    const [begin, end] = [this.#begin, this.#end ?? this.#last];
    if (begin === undefined || end.at <= begin.at) return 0;
    return (end.bytes - begin.bytes) / (end.at - begin.at) * 1000;
  }

  add(length: number): void {
    this.bytes += length;
    const reading = { at: performance.now(), bytes: this.bytes };
    this.#last = reading;
    this.#firstAt ??= reading.at;
    const elapsed = reading.at - this.#firstAt;
    if (elapsed >= this.#window.warmUp) this.#begin ??= reading;
    if (elapsed >= this.#window.warmUp + this.#window.duration) this.#end ??= reading;
  }
}

/** Writes all bytes. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Sends whole blocks until it is told to stop, then ends the stream; how many bytes. */
export async function sendPattern(
  connection: Deno.Conn,
  isStopped: () => boolean,
): Promise<number> {
  let sent = 0;
  while (!isStopped()) {
    await writeAll(connection, patternAt(sent));
    sent += blockLength;
  }
  await connection.closeWrite();
  return sent;
}

/** Receives to the end; `onMeasured` is called once, when the window has passed. */
export async function receivePattern(
  connection: Deno.Conn,
  window: Window,
  onMeasured: () => void,
): Promise<Receipt> {
  const meter = new Meter(window);
  const buffer = new Uint8Array(blockLength);
  let fault = "";
  let isWhole = true;
  const take = (length: number) => {
    if (fault === "" && !isPatternAt(meter.bytes, buffer.subarray(0, length))) {
      fault = `other bytes than were sent, after ${meter.bytes}`;
    }
    const wasComplete = meter.isComplete;
    meter.add(length);
    if (meter.isComplete && !wasComplete) onMeasured();
  };
  try {
    for (let length; (length = await connection.read(buffer)) !== null;) take(length);
    if (meter.bytes % blockLength !== 0) fault ||= `an end after ${meter.bytes} bytes`;
  } catch (error) {
    isWhole = false;
    // Who cuts a stream off has measured it.
    if (!meter.isComplete) fault ||= String(error);
  }
  return { rate: meter.rate, bytes: meter.bytes, fault, isWhole };
}

/** What arrived over several connections at once. */
export function sumOf(receipts: readonly Receipt[]): Receipt {
  return {
    rate: receipts.reduce((sum, { rate }) => sum + rate, 0),
    bytes: receipts.reduce((sum, { bytes }) => sum + bytes, 0),
    fault: receipts.map(({ fault }) => fault).find((one) => one !== "") ?? "",
    isWhole: receipts.every((one) => one.isWhole),
  };
}
