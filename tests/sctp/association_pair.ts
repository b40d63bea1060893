/**
 * Two associations over a simulated network, what must hold of them after everything that happens,
 * and somebody on the path who knows their tags.
 *
 * @module
 */
import type { AssociationConfig, AssociationEndCode } from "../../src/sctp/association.ts";
import type { Impairments } from "../sim/impairments.ts";
import { type End, Pair, type PathDatagram } from "../sim/pair.ts";
import type { Verdict } from "../sim/verdict.ts";
import { readPacket, writePacket } from "./packets.ts";
import { SctpEndpoint, type SctpEvent } from "./sctp_endpoint.ts";

export type SctpPair = Pair<SctpEndpoint, SctpEndpoint>;

/** What makes a pair. */
export interface SctpPairOptions {
  readonly seed: number;
  readonly impairments?: Impairments;
  readonly aToZ?: Impairments;
  readonly zToA?: Impairments;
  readonly verdict?: (datagram: PathDatagram) => Verdict;
  /** Of both ends. */
  readonly config?: Partial<AssociationConfig>;
  readonly configOfA?: Partial<AssociationConfig>;
  readonly configOfZ?: Partial<AssociationConfig>;
  /** TSN, SSN and MID begin just below where they wrap. */
  readonly isWrapping?: boolean;
  readonly invariant?: (pair: SctpPair) => void;
  readonly isKeepingEvents?: boolean;
}

/** Packets are no longer than this, unless a test says otherwise: no probes disturb. */
export const packetLength = 1_188;

/** All numbers wrap within a few messages. */
export const wrapping = { initialTsn: 2 ** 32 - 5, initialMessageNumber: 2 ** 32 - 2 } as const;

/** S5: outstanding data has a timer, and what waits is not forgotten. */
export function checkSending({ association }: SctpEndpoint, name: string): void {
  const { state, figures } = association;
  if (state === "ended") return;
  if (figures.isInFlight && figures.retransmitAt === undefined) {
    throw new Error(`${name}: data is in flight, and T3-rtx does not run`);
  }
  if (!figures.isInFlight && figures.retransmitAt !== undefined) {
    throw new Error(`${name}: nothing is in flight, and T3-rtx runs`);
  }
  if (state !== "established") return;
  if ((figures.hasLost || figures.hasQueued) && figures.nextTimeout === undefined) {
    throw new Error(`${name}: data waits, and no timer runs`);
  }
}

/** S5: an end that was drained has sent all that it may. */
export function checkDrained({ association }: SctpEndpoint, name: string): void {
  if (association.state === "established" && association.figures.canSend) {
    throw new Error(`${name}: what may be sent was not sent`);
  }
}

/** What must hold of both ends after everything that happens. */
export function checkBoth({ a, z }: SctpPair): void {
  checkSending(a, "A");
  checkSending(z, "Z");
  checkDrained(a, "A");
  checkDrained(z, "Z");
}

/** Two ends that are not connected yet. */
export function createPair(options: SctpPairOptions): SctpPair {
  const { seed, config, configOfA, configOfZ, isWrapping = false, invariant } = options;
  const { impairments, aToZ, zToA, verdict, isKeepingEvents = true } = options;
  const own = { maxPacketLength: packetLength, ...(isWrapping ? wrapping : {}), ...config };
  return new Pair({
    seed,
    a: new SctpEndpoint(seed * 2 + 1, { ...own, ...configOfA }),
    z: new SctpEndpoint(seed * 2 + 2, { ...own, ...configOfZ }),
    impairments,
    aToZ,
    zToA,
    verdict,
    invariant: (pair) => {
      checkBoth(pair);
      invariant?.(pair);
    },
    describe: (bytes) => readPacket(bytes).chunks.map(({ type }) => type).join(" "),
    isKeepingEvents,
  });
}

/** Connects both ends, as data channels do; returns how long that took. */
export function connectBoth(pair: SctpPair, maxVirtualMs = 60_000): number {
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.call("z", ({ association }, now) => association.connect(now));
  return pair.run({ until: isUp, maxVirtualMs });
}

/** Two ends that are up. */
export function connectedPair(options: SctpPairOptions): SctpPair {
  const pair = createPair(options);
  connectBoth(pair);
  return pair;
}

/** Whether both are up. */
export function isUp({ a, z }: SctpPair): boolean {
  return a.association.state === "established" && z.association.state === "established";
}

/** Whether both have ended. */
export function isOver({ a, z }: SctpPair): boolean {
  return a.association.state === "ended" && z.association.state === "ended";
}

/** The messages that an end was given, as text. */
export function textsOf(pair: SctpPair, end: End): string[] {
  return pair.events[end].flatMap((event) =>
    event.type === "message" ? [new TextDecoder().decode(event.bytes)] : []
  );
}

/** How an end ended: undefined where it has not; it must not have ended twice. */
export function endingOf(pair: SctpPair, end: End): AssociationEndCode | undefined {
  const closed = pair.events[end].filter((event) => event.type === "closed");
  if (closed.length > 1) throw new Error(`${end} has ended ${closed.length} times`);
  return closed[0]?.code;
}

/** The events of one type. */
export function eventsOf<Type extends SctpEvent["type"]>(
  pair: SctpPair,
  end: End,
  type: Type,
): Extract<SctpEvent, { type: Type }>[] {
  return pair.events[end].filter((event): event is Extract<SctpEvent, { type: Type }> =>
    event.type === type
  );
}

/** Sends a text. */
export function sendText(pair: SctpPair, from: End, text: string, streamId = 0): void {
  pair.call(from, ({ association }, now) => {
    association.send(streamId, 51, new TextEncoder().encode(text), undefined, now);
  });
}

/** Somebody on the path: knows the tags, and puts packets before an end. */
export class OnPath {
  /** What packets to an end carry. */
  readonly tags: Record<End, number> = { a: 0, z: 0 };
  readonly #pair: SctpPair;

  constructor(pair: SctpPair) {
    this.#pair = pair;
    pair.tap(({ stage, from, bytes }) => {
      const { tag } = readPacket(bytes);
      if (stage === "sent" && tag !== 0) this.tags[from === "a" ? "z" : "a"] = tag;
    });
  }

  /** Puts a packet with these chunks before an end, which takes it at once. */
  inject(to: End, ...chunks: readonly Uint8Array[]): void {
    this.#pair.inject(to, writePacket({ tag: this.tags[to], chunks }));
    this.#pair.runFor(0);
  }
}
