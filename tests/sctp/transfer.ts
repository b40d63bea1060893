/**
 * Two associations that send each other messages over a bad network, and what must hold all the
 * while.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32c } from "../../src/sctp/packet/crc32c.ts";
import type { End } from "../sim/pair.ts";
import { Random } from "../sim/random.ts";
import {
  connectBoth,
  createPair,
  type SctpPair,
  type SctpPairOptions,
} from "./association_pair.ts";

/** One transfer. */
export interface Transfer extends Omit<SctpPairOptions, "isKeepingEvents"> {
  /** Each way, in bytes. */
  readonly length: number;
  readonly maxMessageLength?: number;
  /** Those of odd numbers are without order, every fourth carries runs of bytes. */
  readonly streamCount?: number;
  readonly maxVirtualMs?: number;
  /** For paths with outages: how long nothing may arrive, in ms. */
  readonly patience?: number;
  /** Called once both are up. */
  readonly onUp?: (pair: SctpPair) => void;
}

/** What was sent is cut out of this. */
const block = new Random("what is sent").bytes(262_144);

/** What an end has queued is kept between these, in bytes. */
const [lowLevel, highLevel] = [16_384, 65_536];

/** What passes in one direction. */
interface Flow {
  readonly sent: Tally;
  readonly received: Tally;
  /** What the receiver holds of messages that are not complete, or not in turn. */
  heldLength: number;
  lastProgressAt: number;
  /** The longest RTO since then. */
  timeout: number;
}

/** Messages by stream: in order, or where they are without order, as a set. */
class Tally {
  length = 0;
  readonly #hashes = new Map<number, ReturnType<typeof createHash>>();
  readonly #sums = new Map<number, number>();

  add(streamId: number, bytes: Uint8Array, start: number, end: number): void {
    this.length += end - start;
    if (isUnordered(streamId)) {
      const sum = this.#sums.get(streamId) ?? 0;
      this.#sums.set(streamId, (sum + crc32c(bytes, start, end) + end - start) % 2 ** 40);
      return;
    }
    const hash = this.#hashes.get(streamId) ?? createHash("sha256");
    this.#hashes.set(streamId, hash);
    if (!isRun(streamId)) hash.update(`${end - start}:`);
    hash.update(bytes.subarray(start, end));
  }

  /** What it comes to. */
  summary(): string {
    const ordered = [...this.#hashes].map(([id, hash]) => `${id} ${hash.copy().digest("hex")}`);
    const unordered = [...this.#sums].map(([id, sum]) => `${id} ${sum}`);
    return [...ordered, ...unordered].sort((one, other) => one < other ? -1 : 1).join("\n");
  }
}

function isUnordered(streamId: number): boolean {
  return streamId % 2 === 1;
}

/** Bytes that are cut as packets take them: only they must be the same, not where they are cut. */
function isRun(streamId: number): boolean {
  return streamId % 4 === 0;
}

/** Sends both ways until all has come; returns how long it took, in virtual ms. */
export function runTransfer(transfer: Transfer): number {
  const { length, maxVirtualMs = 600_000 } = transfer;
  const flows: Record<End, Flow> = { a: createFlow(), z: createFlow() };
  let isChecking = false;
  const pair = createPair({
    ...transfer,
    isKeepingEvents: false,
    invariant: (running) => {
      transfer.invariant?.(running);
      if (isChecking) checkProgress(running, flows, transfer);
    },
  });
  connectBoth(pair);
  const start = pair.now;
  for (const end of ["a", "z"] as const) listen(pair, end, flows[end]);
  transfer.onUp?.(pair);
  isChecking = true;
  const random = new Random(`transfer ${transfer.seed}`);
  while (!isDone(flows, length)) {
    for (const end of ["a", "z"] as const) refill(pair, end, flows[end], transfer, random);
    const left = maxVirtualMs - (pair.now - start);
    pair.run({
      until: () => isDone(flows, length) || isHungry(pair, flows, length),
      maxVirtualMs: Math.max(0, left),
    });
  }
  isChecking = false;
  for (const end of ["a", "z"] as const) {
    if (flows[end].received.summary() !== flows[end].sent.summary()) {
      pair.explain(() => {
        throw new Error(`what ${end} sent did not come as it was sent`);
      });
    }
  }
  return pair.now - start;
}

function createFlow(): Flow {
  return { sent: new Tally(), received: new Tally(), heldLength: 0, lastProgressAt: 0, timeout: 0 };
}

function listen(pair: SctpPair, from: End, flow: Flow): void {
  const receiver = from === "a" ? pair.z : pair.a;
  flow.lastProgressAt = pair.now;
  receiver.onMessage = (streamId, _ppid, bytes, start, end) => {
    flow.received.add(streamId, bytes, start, end);
    flow.lastProgressAt = pair.now;
  };
}

/** G2: no stall over max(2 s, 3 RTO), and a round trip in which what was sent comes and is told. */
function checkProgress(
  { a, z, now }: SctpPair,
  flows: Record<End, Flow>,
  { length, patience, impairments }: Transfer,
): void {
  for (const from of ["a", "z"] as const) {
    const flow = flows[from];
    const { heldLength } = (from === "a" ? z : a).association;
    if (heldLength !== flow.heldLength) flow.lastProgressAt = now;
    if (flow.lastProgressAt === now) flow.timeout = 0;
    flow.heldLength = heldLength;
    if (flow.received.length === length) continue;
    const { timeout } = (from === "a" ? a : z).association.figures;
    flow.timeout = Math.max(flow.timeout, timeout);
    const limit = (patience ?? Math.max(2_000, 3 * flow.timeout)) +
      2 * (impairments?.delayMs ?? 0);
    if (now - flow.lastProgressAt <= limit) continue;
    throw new Error(`what ${from} sends has not moved for ${now - flow.lastProgressAt} ms`);
  }
}

function refill(
  pair: SctpPair,
  end: End,
  { sent }: Flow,
  { length, streamCount = 4, maxMessageLength = 1_100 }: Transfer,
  random: Random,
): void {
  if (sent.length === length) return;
  pair.call(end, ({ association }, now) => {
    while (sent.length < length && association.figures.queuedLength < highLevel) {
      const size = Math.min(1 + random.below(maxMessageLength), length - sent.length);
      const start = random.below(block.length - size);
      const streamId = random.below(streamCount);
      if (isRun(streamId)) {
        const run = { start, end: start + size, maxMessageLength: Infinity };
        association.sendRun(streamId, 53, block, run);
      } else {
        const options = { isUnordered: isUnordered(streamId) };
        association.send(streamId, 51, block.subarray(start, start + size), options, now);
      }
      sent.add(streamId, block, start, start + size);
    }
  });
}

function isDone(flows: Record<End, Flow>, length: number): boolean {
  return flows.a.received.length >= length && flows.z.received.length >= length;
}

function isHungry(pair: SctpPair, flows: Record<End, Flow>, length: number): boolean {
  return (["a", "z"] as const).some((end) =>
    flows[end].sent.length < length && pair[end].association.figures.queuedLength < lowLevel
  );
}
