/** The pairs of one generation (RFC 8445, section 6.1.2). */
import type { CandidatePair } from "./candidate_pair.ts";
import type { TransportAddress } from "./stun/address.ts";

/** RFC 8445 section 6.1.2.5: "The default limit of candidate pairs for the checklist set is 100". */
const maxPairCount = 100;

/** All pairs, by base, address and port: the lookup is made for each datagram with data. */
export class CheckList {
  readonly #pairs: CandidatePair[] = [];
  readonly #byBase = new Map<number, Map<string, Map<number, CandidatePair>>>();
  /** Section 6.1.4.1: the pairs to be checked before all others, the first first. */
  readonly #triggered: CandidatePair[] = [];

  all(): readonly CandidatePair[] {
    return this.#pairs;
  }

  find(baseId: number, { address, port }: TransportAddress): CandidatePair | undefined {
    return this.#byBase.get(baseId)?.get(address)?.get(port);
  }

  /**
   * Adds a pair; false where it would be one too many. A new pair makes the lowest one that was
   * never tried give way, if that ranks below it.
   */
  add(pair: CandidatePair): boolean {
    if (this.#pairs.length >= maxPairCount && !this.#makeRoom(pair)) return false; // CHECK I4
    this.#pairs.push(pair);
    const { address, port } = pair.remote.candidate;
    const byAddress = entryOf(this.#byBase, pair.base.baseId, () => new Map());
    entryOf(byAddress, address, () => new Map<number, CandidatePair>()).set(port, pair);
    return true;
  }

  remove(pair: CandidatePair): void {
    const at = this.#pairs.indexOf(pair);
    if (at >= 0) this.#pairs.splice(at, 1);
    const { address, port } = pair.remote.candidate;
    const byAddress = this.#byBase.get(pair.base.baseId);
    const byPort = byAddress?.get(address);
    byPort?.delete(port);
    if (byPort?.size === 0) byAddress?.delete(address);
    if (byAddress?.size === 0) this.#byBase.delete(pair.base.baseId);
    this.untrigger(pair);
  }

  /** Puts a pair into the triggered-check queue, once. */
  trigger(pair: CandidatePair): void {
    if (!this.#triggered.includes(pair)) this.#triggered.push(pair);
  }

  untrigger(pair: CandidatePair): void {
    const at = this.#triggered.indexOf(pair);
    if (at >= 0) this.#triggered.splice(at, 1);
  }

  firstTriggered(): CandidatePair | undefined {
    return this.#triggered[0];
  }

  /** Section 6.1.4.2: "the highest-priority candidate pair ... in the Waiting state". */
  firstWaiting(): CandidatePair | undefined {
    return highest(this.#pairs.filter(({ state }) => state === "waiting"));
  }

  #makeRoom(pair: CandidatePair): boolean {
    const spare = this.#pairs.filter(({ state, hasWorked }) =>
      !hasWorked && (state === "waiting" || state === "failed")
    );
    const lowest = spare.reduce<CandidatePair | undefined>(
      (low, one) => low === undefined || one.priority < low.priority ? one : low,
      undefined,
    );
    if (lowest === undefined || lowest.priority >= pair.priority) return false;
    this.remove(lowest);
    return true;
  }
}

/** The pair of the highest priority; of a new generation before all others. */
export function highest(pairs: Iterable<CandidatePair>): CandidatePair | undefined {
  let best: CandidatePair | undefined;
  for (const pair of pairs) {
    if (best === undefined || pair.outranks(best)) best = pair;
  }
  return best;
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const value = create();
  map.set(key, value);
  return value;
}
