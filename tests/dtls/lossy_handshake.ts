/**
 * Handshakes over bad paths: what a seed makes of one.
 *
 * @module
 */
import { bytesOf, Pair, type PairOptions, type TappedDatagram } from "./pair.ts";
import { seededRandom } from "./seeded_random.ts";

/** How a handshake went. */
export interface HandshakeResult {
  readonly pair: Pair;
  /** When both were connected; undefined if they never were. */
  readonly connectedAt: number | undefined;
}

/** Runs until both ends are connected, or have ended. */
export function runHandshake(options: PairOptions): HandshakeResult {
  const pair = new Pair(options);
  while (!pair.isConnected() && pair.now < 60_000) {
    const before = pair.now;
    pair.run(pair.now + 25);
    pair.now = Math.max(pair.now, before + 25);
  }
  return { pair, connectedAt: pair.isConnected() ? pair.now : undefined };
}

/** Whether data passes both ways, over a path that is good again. */
export function talks(pair: Pair): boolean {
  pair.tap = undefined;
  pair.send("client", bytesOf("ping"));
  pair.send("server", bytesOf("pong"));
  pair.run(pair.now + 100);
  return pair.texts("server").includes("ping") && pair.texts("client").includes("pong");
}

/** Loses datagrams at this rate, delays and doubles some. */
export function losing(seed: number, rate: number): NonNullable<PairOptions["tap"]> {
  const random = seededRandom(seed);
  return ({ bytes }: TappedDatagram) => {
    if (random() < rate) return [];
    const delay = random() < 0.2 ? random() * 100 : 0;
    const once = { bytes, delay };
    return random() < 0.1 ? [once, { bytes, delay: random() * 50 }] : [once];
  };
}

/** Flips a bit in some datagrams. */
export function flipping(seed: number, rate: number): NonNullable<PairOptions["tap"]> {
  const random = seededRandom(seed);
  return ({ bytes }: TappedDatagram) => {
    if (random() >= rate) return undefined;
    const flipped = bytes.slice();
    const at = Math.floor(random() * flipped.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    return [flipped];
  };
}
