/**
 * Our own candidates, and the bases they were found from (RFC 8445, section 5.1.1). A base is what
 * datagrams are sent from: a socket, or an allocation on a TURN server.
 */
import { addressDefect, type AddressPolicy, scopeOf } from "./address_policy.ts";
import {
  type Candidate,
  candidatePriority,
  type CandidateType,
  Foundations,
  loopbackPriority,
  maxLocalPreference,
} from "./candidate.ts";
import { isSameAddress, type TransportAddress } from "./stun/address.ts";

/** A base, as the driver names it. */
export interface BaseOptions {
  readonly baseId: number;
  readonly address: string;
  readonly port: number;
  /** "relay": an allocation on a TURN server, with its relayed address. */
  readonly type: "host" | "relay";
  /** 0 to 65535; by default those that are added first are preferred. */
  readonly localPreference?: number;
  readonly relatedAddress?: string;
  readonly relatedPort?: number;
  /** Of the TURN server. */
  readonly serverAddress?: string;
}

/** A base with what was found from it. */
export interface Base {
  readonly baseId: number;
  readonly localPreference: number;
  readonly isLoopback: boolean;
  /** The host or relayed candidate. */
  readonly candidate: Candidate;
  /** What each server sees it as, the latest; servers that see the same share a candidate. */
  readonly reflexive: Map<string, Candidate>;
  /** How many such candidates there ever were. */
  reflexiveCount: number;
}

/** More of one base are not told: a NAT may show another address every time. */
const maxReflexiveCount = 16;

/** All of them, in the order in which they came. */
export class LocalCandidates {
  readonly #bases = new Map<number, Base>();
  readonly #foundations = new Foundations();
  readonly #policy: AddressPolicy;

  /** `policy` says which reflexive addresses are believed. */
  constructor(policy: AddressPolicy) {
    this.#policy = policy;
  }

  bases(): IterableIterator<Base> {
    return this.#bases.values();
  }

  base(baseId: number): Base | undefined {
    return this.#bases.get(baseId);
  }

  /** Throws RangeError where the id is taken or the address is none. */
  addBase(options: BaseOptions): Base {
    const { baseId, address, port, type } = options;
    const scope = scopeOf(address);
    if (this.#bases.has(baseId)) throw new RangeError(`Adding ICE base ${baseId}: it exists`);
    if (scope === undefined || scope === "unspecified" || scope === "multicast") {
      throw new RangeError(`Adding ICE base ${baseId}: "${address}" is no address of a host`);
    }
    const isLoopback = scope === "loopback";
    const localPreference = options.localPreference ??
      Math.max(0, maxLocalPreference - this.#bases.size);
    const { relatedAddress, relatedPort, serverAddress } = options;
    const candidate: Candidate = {
      foundation: this.#foundations.of(type, address, serverAddress),
      component: 1,
      transport: "udp",
      priority: isLoopback
        ? loopbackPriority(localPreference)
        : candidatePriority(type, localPreference),
      address,
      port,
      type,
      ...(relatedAddress === undefined ? {} : { relatedAddress }),
      ...(relatedPort === undefined ? {} : { relatedPort }),
    };
    const base: Base = {
      baseId,
      localPreference,
      isLoopback,
      candidate,
      reflexive: new Map(),
      reflexiveCount: 0,
    };
    this.#bases.set(baseId, base);
    return base;
  }

  removeBase(baseId: number): void {
    this.#bases.delete(baseId);
  }

  /**
   * Takes note of the address that a server sees the base at. RFC 8445 section 5.1.3: "A candidate is
   * redundant if and only if its transport address and base equal those of another candidate."
   */
  addReflexive(base: Base, mapped: TransportAddress, serverAddress: string): void {
    if (addressDefect(mapped, this.#policy) !== undefined) return;
    if (isSameAddress(base.candidate, mapped)) {
      base.reflexive.delete(serverAddress);
      return;
    }
    const known = candidatesOf(base).find((one) => isSameAddress(one, mapped));
    if (known === undefined && base.reflexiveCount++ >= maxReflexiveCount) return;
    base.reflexive.set(
      serverAddress,
      known ?? this.#derive(base, mapped, "srflx", serverAddress),
    );
  }

  /**
   * The candidate that the peer sees us as where a check from this base came from `mapped`: RFC 8445
   * section 7.2.5.3.1, a peer-reflexive one where we did not know of it.
   */
  seenAs(base: Base, mapped: TransportAddress): Candidate {
    return candidatesOf(base).find((one) => isSameAddress(one, mapped)) ??
      this.#derive(base, mapped, "prflx", "");
  }

  /** RFC 8445 section 7.1.1: what PRIORITY says the peer-reflexive candidate would have. */
  reflexivePriority(base: Base): number {
    return base.isLoopback
      ? base.candidate.priority
      : candidatePriority("prflx", base.localPreference);
  }

  /** Whether this is an address of ours that tells this host from others. */
  isOfThisHost(address: string): boolean {
    return [...this.#bases.values()].some(({ candidate, isLoopback }) =>
      candidate.type === "host" && !isLoopback && candidate.address === address
    );
  }

  /** Whether this is one of our own sockets. */
  hasBaseAt(address: TransportAddress): boolean {
    return [...this.#bases.values()].some(({ candidate }) => isSameAddress(candidate, address));
  }

  /** Whether loopback is all there is. */
  isLoopbackOnly(): boolean {
    return [...this.#bases.values()].every(({ isLoopback }) => isLoopback);
  }

  #derive(
    { candidate, localPreference, isLoopback }: Base,
    { address, port }: TransportAddress,
    type: CandidateType,
    serverAddress: string,
  ): Candidate {
    return {
      foundation: this.#foundations.of(type, candidate.address, serverAddress),
      component: 1,
      transport: "udp",
      priority: isLoopback ? candidate.priority : candidatePriority(type, localPreference),
      address,
      port,
      type,
      relatedAddress: candidate.address,
      relatedPort: candidate.port,
    };
  }
}

/** The candidates of a base: its own, and those that servers see in its place. */
export function candidatesOf({ candidate, reflexive }: Base): readonly Candidate[] {
  return [...new Set([candidate, ...reflexive.values()])];
}
