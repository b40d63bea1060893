/** A candidate: an address that one side may be reached at (RFC 8445, section 5.1). */

/** How a candidate was found. */
export type CandidateType = "host" | "srflx" | "prflx" | "relay";

/** One candidate over UDP (RFC 8839, section 5.1). */
export interface Candidate {
  readonly foundation: string;
  /** There is only one: a data channel session has one stream of one component. */
  readonly component: 1;
  readonly transport: "udp";
  /** 1 to 2^31 - 1. */
  readonly priority: number;
  /** IPv4 or IPv6, in canonical spelling. */
  readonly address: string;
  readonly port: number;
  readonly type: CandidateType;
  /** What a candidate that is not of type host was derived from. For the log. */
  readonly relatedAddress?: string;
  readonly relatedPort?: number;
}

/** RFC 8445, section 5.1.2.2. */
const typePreferences = { host: 126, prflx: 110, srflx: 100, relay: 0 } as const;

/** The highest local preference (section 5.1.2.1). */
export const maxLocalPreference = 65_535;

/**
 * Section 5.1.2.1: priority = 2^24 (type preference) + 2^8 (local preference) + 2^0 (256 -
 * component ID).
 */
export function candidatePriority(type: CandidateType, localPreference: number): number {
  return typePreferences[type] * 2 ** 24 + localPreference * 2 ** 8 + 255;
}

/** Departs from RFC 8445: loopback ranks below all else, since it proves nothing of the network. */
export function loopbackPriority(localPreference: number): number {
  return Math.min(localPreference, 254) * 2 ** 8 + 255;
}

/** Section 5.1.1.3: the same for candidates of one type, base address and server. */
export class Foundations {
  readonly #numbers = new Map<string, number>();

  of(type: CandidateType, baseAddress: string, serverAddress = ""): string {
    const key = `${type} ${baseAddress} ${serverAddress}`;
    const number = this.#numbers.get(key) ?? this.#numbers.size + 1;
    this.#numbers.set(key, number);
    return String(number);
  }
}
