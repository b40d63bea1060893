/**
 * Server-reflexive candidates (RFC 8445, section 5.1.1.2): every host base asks every STUN server
 * where it is seen, and asks again while nothing is connected, so that NATs keep what they told.
 */
import type { Instant } from "../sans_io.ts";
import type { Base } from "./local_candidates.ts";
import { familyOf, isSameAddress, type TransportAddress } from "./stun/address.ts";
import { type StunMessage, writeStunMessage } from "./stun/message.ts";
import { methods, transactionIdLength, transactionKey } from "./stun/message_header.ts";

/** RFC 8489 section 6.2.1: "greater than or equal to 500 ms", "doubling after each retransmission". */
const initialTimeout = 500;
/** A server that does not answer within so long is given up. */
const patience = 3_000;
/** RFC 8445 section 11: "Agents SHOULD use a Tr value of 15 seconds." */
const keepaliveInterval = 15_000;
/** A server that has not answered is asked again. */
const retryInterval = 5_000;

/** One base asking one server. */
interface Query {
  readonly base: Base;
  readonly server: TransportAddress;
  key: string;
  bytes: Uint8Array;
  /** When its present transaction began. */
  startedAt: Instant;
  sentCount: number;
  nextAt: Instant;
  state: "asking" | "answered" | "given-up";
  hasEnded: boolean;
}

/** What a server has said. */
export interface Reflection {
  readonly base: Base;
  readonly server: TransportAddress;
  /** Undefined where the server does not say. */
  readonly mapped: TransportAddress | undefined;
}

/** A request to be sent. */
export interface GatheringRequest {
  readonly baseId: number;
  readonly destination: TransportAddress;
  readonly bytes: Uint8Array;
}

/** All queries. */
export class Gathering {
  readonly #random: (length: number) => Uint8Array;
  readonly #servers: TransportAddress[] = [];
  readonly #bases: Base[] = [];
  #queries: Query[] = [];
  /** Whether what was told is kept alive: not where a path is there already. */
  #isKeptAlive = true;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  addServer(server: TransportAddress, now: Instant): void {
    if (this.#servers.some((one) => isSameAddress(one, server))) return;
    this.#servers.push(server);
    for (const base of this.#bases) this.#ask(base, server, now);
  }

  addBase(base: Base, now: Instant): void {
    // What is relayed or on loopback looks to everybody as it is.
    if (base.candidate.type !== "host" || base.isLoopback) return;
    this.#bases.push(base);
    for (const server of this.#servers) this.#ask(base, server, now);
  }

  removeBase(baseId: number): void {
    this.#queries = this.#queries.filter(({ base }) => base.baseId !== baseId);
    const at = this.#bases.findIndex((base) => base.baseId === baseId);
    if (at >= 0) this.#bases.splice(at, 1);
  }

  /** All are asked anew: where we are may have changed. */
  restart(now: Instant): void {
    for (const query of this.#queries) {
      query.hasEnded = false;
      this.#begin(query, now);
    }
  }

  setKeptAlive(isKeptAlive: boolean): void {
    this.#isKeptAlive = isKeptAlive;
  }

  /** Whether every query was answered or given up. */
  isFinished(): boolean {
    return this.#queries.every(({ hasEnded }) => hasEnded);
  }

  /** Gives up who did not answer. */
  handleTimeout(now: Instant): void {
    for (const query of this.#queries) {
      if (now >= givenUpAt(query)) this.#giveUp(query, now);
    }
  }

  nextTimeout(): Instant {
    return this.#queries.reduce((next, query) => Math.min(next, givenUpAt(query)), Infinity);
  }

  /** When the next request is due, pacing apart. */
  nextRequestAt(): Instant {
    return this.#nextQuery()?.nextAt ?? Infinity;
  }

  /** The request that is due. */
  takeRequest(now: Instant): GatheringRequest | undefined {
    const query = this.#nextQuery();
    if (query === undefined || query.nextAt > now) return undefined;
    if (query.state !== "asking") this.#begin(query, now);
    if (query.sentCount === 0) query.startedAt = now;
    query.nextAt = now + initialTimeout * 2 ** query.sentCount++;
    return { baseId: query.base.baseId, destination: query.server, bytes: query.bytes };
  }

  /** What a response says; undefined where it answers nothing that was asked. */
  handleResponse(
    message: StunMessage,
    { baseId, source, now }: {
      readonly baseId: number;
      readonly source: TransportAddress;
      readonly now: Instant;
    },
  ): Reflection | undefined {
    const key = transactionKey(message.transactionId);
    const query = this.#queries.find((one) => one.key === key && one.state === "asking");
    if (query === undefined) return undefined;
    // CHECK I2
    if (query.base.baseId !== baseId || !isSameAddress(query.server, source)) return undefined;
    const { xorMappedAddress, mappedAddress } = message.attributes;
    const mapped = xorMappedAddress ?? mappedAddress;
    const isRefused = message.messageClass === "error" || message.unknownRequired.length > 0;
    if (isRefused || mapped === undefined) {
      this.#giveUp(query, now);
      return { base: query.base, server: query.server, mapped: undefined };
    }
    query.state = "answered";
    query.hasEnded = true;
    query.nextAt = now + keepaliveInterval;
    return { base: query.base, server: query.server, mapped };
  }

  #ask(base: Base, server: TransportAddress, now: Instant): void {
    // Of the same family: an answer across families would say nothing of this base.
    if (familyOf(base.candidate.address) !== familyOf(server.address)) return;
    const query: Query = {
      base,
      server,
      key: "",
      bytes: new Uint8Array(0),
      startedAt: now,
      sentCount: 0,
      nextAt: now,
      state: "asking",
      hasEnded: false,
    };
    this.#queries.push(query);
    this.#begin(query, now);
  }

  #begin(query: Query, now: Instant): void {
    const transactionId = this.#random(transactionIdLength);
    query.key = transactionKey(transactionId);
    query.bytes = writeStunMessage({
      messageClass: "request",
      method: methods.binding,
      transactionId,
      attributes: {},
    });
    query.startedAt = now;
    query.sentCount = 0;
    query.nextAt = now;
    query.state = "asking";
  }

  #giveUp(query: Query, now: Instant): void {
    query.state = "given-up";
    query.hasEnded = true;
    query.nextAt = now + retryInterval;
  }

  #nextQuery(): Query | undefined {
    let next: Query | undefined;
    for (const query of this.#queries) {
      if (query.state !== "asking" && !this.#isKeptAlive) continue;
      if (query.nextAt < (next?.nextAt ?? Infinity)) next = query;
    }
    return next;
  }
}

/** The time in which it waits for its first turn is not the server's. */
function givenUpAt({ state, sentCount, startedAt }: Query): Instant {
  return state === "asking" && sentCount > 0 ? startedAt + patience : Infinity;
}
