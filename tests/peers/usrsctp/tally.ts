/**
 * What went over each stream, counted as usrsctp_peer counts it: two ends that count the same have
 * carried every byte of every message.
 *
 * @module
 */

/** One stream's count. */
export interface Tally {
  readonly id: number;
  /** Of messages. */
  readonly count: number;
  /** In bytes. */
  readonly length: number;
  /** Over the digests of the messages, in their order. */
  readonly chain: string;
  /** Over the digests of the messages, in whatever order. */
  readonly sum: string;
}

/** FNV-1a, 64 bits, in two halves: numbers are fast, and a bigint a byte is not. */
const basis = [0xcbf29ce4, 0x84222325] as const;
/** The prime is 2^40 and this. */
const primeRest = 0x1b3;
const prime = 2n ** 40n + BigInt(primeRest);

/** Counts messages. */
export class Tallies {
  readonly #tallies = new Map<
    number,
    { count: number; length: number; chain: bigint; sum: bigint }
  >();
  #length = 0;

  /** Of all streams since the beginning, in bytes. */
  get length(): number {
    return this.#length;
  }

  /** Counts a message. */
  add(streamId: number, ppid: number, bytes: Uint8Array, start: number, end: number): void {
    const tally = this.#tallies.get(streamId) ?? { count: 0, length: 0, chain: 0n, sum: 0n };
    this.#tallies.set(streamId, tally);
    const digest = digestOf(ppid, bytes, start, end);
    tally.count++;
    tally.length += end - start;
    tally.chain = BigInt.asUintN(64, (tally.chain ^ digest) * prime);
    tally.sum = BigInt.asUintN(64, tally.sum + digest);
    this.#length += end - start;
  }

  /** The tallies, by stream, which start anew. */
  take(): Tally[] {
    const tallies = [...this.#tallies].map(([id, { count, length, chain, sum }]) => (
      { id, count, length, chain: hexadecimal(chain), sum: hexadecimal(sum) }
    ));
    this.#tallies.clear();
    return tallies.sort((one, other) => one.id - other.id);
  }
}

function digestOf(ppid: number, bytes: Uint8Array, start: number, end: number): bigint {
  let [high, low]: [number, number] = [...basis];
  const add = (byte: number) => {
    low = (low ^ byte) >>> 0;
    const product = low * primeRest;
    high = (Math.imul(high, primeRest) + (low << 8) + Math.floor(product / 2 ** 32)) >>> 0;
    low = product >>> 0;
  };
  for (const shift of [24, 16, 8, 0]) add((ppid >>> shift) & 0xff);
  for (let at = start; at < end; at++) add(bytes[at] ?? 0);
  return (BigInt(high) << 32n) | BigInt(low);
}

function hexadecimal(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}
