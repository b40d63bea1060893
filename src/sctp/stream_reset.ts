/**
 * Streams that begin anew: RFC 6525, as data channels close by it (RFC 8831, section 6.7). One
 * request of ours is under way at a time, and one of the peer's is remembered.
 */
import type { Instant } from "../sans_io.ts";
import {
  type IncomingSsnResetRequest,
  type OutgoingSsnResetRequest,
  parseReConfig,
  type ReConfigParameter,
  type ReConfigResponse,
  reConfigResults,
  writeReConfig,
} from "./packet/re_config_chunk.ts";
import { add32, distance32 } from "./serial.ts";

/** What it needs of the association. */
export interface StreamResetContext {
  /** Streams that may be reset now, as all their messages have TSNs; at most so many. */
  takeResets(maxCount: number): number[];
  /** The last TSN that was given. */
  lastAssignedTsn(): number;
  /** Whether the peer has acknowledged all up to this TSN. */
  isAcknowledged(tsn: number): boolean;
  /** Our request is answered. */
  finishReset(streamIds: readonly number[], isPerformed: boolean): void;
  /** Streams of ours are to be reset, as the peer asks. False where nothing was sent on any. */
  prepareResets(streamIds: readonly number[]): boolean;
  /** Whether all has come up to this TSN. */
  hasReceivedAllTo(tsn: number): boolean;
  /** The peer's streams begin anew; undefined for all. */
  resetIncoming(streamIds: readonly number[] | undefined, now: Instant): void;
  /** Sends a chunk. */
  send(chunk: Uint8Array): void;
}

/** What makes it. */
export interface StreamResetOptions {
  readonly context: StreamResetContext;
  /** RFC 6525 section 5.1.1: request numbers begin with the initial TSN of their sender. */
  readonly localInitialTsn: number;
  readonly peerInitialTsn: number;
}

/** Streams in one request: they are to fit a packet on any path. */
const maxStreamCount = 128;

/** It is asked for again after no longer than this, in ms. */
const maxTimeout = 2_500;

interface Request {
  readonly sequenceNumber: number;
  readonly streamIds: readonly number[];
  readonly lastAssignedTsn: number;
  /** How long an answer is waited for, in ms: longer each time. */
  timeout: number;
  /** Undefined until it is sent. */
  retryAt: Instant | undefined;
}

/** The peer's request that waits for data to come before it. */
interface DeferredRequest {
  readonly sequenceNumber: number;
  readonly lastAssignedTsn: number;
  readonly streamIds: readonly number[] | undefined;
}

/** Both directions of one association. */
export class StreamReset {
  readonly #context: StreamResetContext;
  #nextSequenceNumber: number;
  /** The number that the peer's next request has. */
  #expectedSequenceNumber: number;
  #lastResult: number = reConfigResults.errorBadSequenceNumber;
  #request: Request | undefined;
  #deferred: DeferredRequest | undefined;

  constructor({ context, localInitialTsn, peerInitialTsn }: StreamResetOptions) {
    this.#context = context;
    this.#nextSequenceNumber = localInitialTsn;
    this.#expectedSequenceNumber = peerInitialTsn;
  }

  /**
   * Asks for the resets that can be asked for, unless a request is under way. It waits until all
   * that was sent before is acknowledged, so that the peer need not put it off (RFC 6525 section
   * 5.2.2, E2): usrsctp forgets what it has put off until more data comes, and repeats "in progress"
   * meanwhile.
   */
  start(now: Instant, timeout: number): void {
    this.#request ??= this.#takeRequest();
    const request = this.#request;
    if (request === undefined || request.retryAt !== undefined) return;
    if (!this.#context.isAcknowledged(request.lastAssignedTsn)) return;
    request.timeout = timeout;
    request.retryAt = now + timeout;
    this.#sendRequest(request);
  }

  nextTimeout(): Instant | undefined {
    return this.#request?.retryAt;
  }

  /** Asks again; true where the peer has not answered in time: that counts as a failure. */
  handleTimeout(now: Instant): boolean {
    const request = this.#request;
    if (request?.retryAt === undefined || request.retryAt > now) return false;
    request.timeout = Math.min(request.timeout * 2, maxTimeout);
    request.retryAt = now + request.timeout;
    this.#sendRequest(request);
    return true;
  }

  /** Takes the RE-CONFIG chunk in `bytes[start..end)`; false where it is malformed. */
  handleReConfig(bytes: Uint8Array, start: number, end: number, now: Instant): boolean {
    const parameters = parseReConfig(bytes, start, end);
    if (parameters === undefined) return false;
    for (const parameter of parameters) this.#handleParameter(parameter, now);
    return true;
  }

  /** Data has come: a request that waited for it may be performed. */
  handleProgress(now: Instant): void {
    const deferred = this.#deferred;
    if (deferred === undefined) return;
    if (!this.#context.hasReceivedAllTo(deferred.lastAssignedTsn)) return;
    this.#deferred = undefined;
    this.#context.resetIncoming(deferred.streamIds, now);
    this.#lastResult = reConfigResults.successPerformed;
    this.#respond(deferred.sequenceNumber, this.#lastResult);
  }

  #takeRequest(): Request | undefined {
    const streamIds = this.#context.takeResets(maxStreamCount);
    if (streamIds.length === 0) return undefined;
    const sequenceNumber = this.#nextSequenceNumber;
    this.#nextSequenceNumber = add32(sequenceNumber, 1);
    const lastAssignedTsn = this.#context.lastAssignedTsn();
    return { sequenceNumber, streamIds, lastAssignedTsn, timeout: 0, retryAt: undefined };
  }

  #handleParameter(parameter: ReConfigParameter, now: Instant): void {
    if (parameter.type === "response") return this.#handleResponse(parameter);
    const sequenceNumber = parameter.requestSequenceNumber;
    const distance = distance32(this.#expectedSequenceNumber, sequenceNumber);
    // RFC 6525 section 5.2.1: a request that came again is answered again, and not done again.
    if (distance === -1) return this.#respond(sequenceNumber, this.#lastResult);
    if (distance !== 0) {
      return this.#respond(sequenceNumber, reConfigResults.errorBadSequenceNumber);
    }
    this.#expectedSequenceNumber = add32(sequenceNumber, 1);
    this.#lastResult = this.#perform(parameter, now);
    this.#respond(sequenceNumber, this.#lastResult);
  }

  #perform(request: Exclude<ReConfigParameter, ReConfigResponse>, now: Instant): number {
    switch (request.type) {
      case "outgoing-ssn-reset-request":
        return this.#handleOutgoingRequest(request, now);
      case "incoming-ssn-reset-request":
        return this.#handleIncomingRequest(request);
      case "ssn-tsn-reset-request":
      case "add-outgoing-streams-request":
      case "add-incoming-streams-request":
        // Data channels need none of it: all streams there can be are there.
        return reConfigResults.denied;
      default:
        return request satisfies never;
    }
  }

  /** RFC 6525 section 5.2.2. */
  #handleOutgoingRequest(
    { requestSequenceNumber, lastAssignedTsn, streamIds }: OutgoingSsnResetRequest,
    now: Instant,
  ): number {
    const resetIds = streamIds.length === 0 ? undefined : streamIds;
    if (!this.#context.hasReceivedAllTo(lastAssignedTsn)) {
      // E3: "If the Sender's Last Assigned TSN is greater than the cumulative acknowledgement
      // point", it is in progress; the peer asks again, and hears sooner from us.
      this.#deferred = {
        sequenceNumber: requestSequenceNumber,
        lastAssignedTsn,
        streamIds: resetIds,
      };
      return reConfigResults.inProgress;
    }
    this.#deferred = undefined;
    this.#context.resetIncoming(resetIds, now);
    return reConfigResults.successPerformed;
  }

  /** RFC 6525 section 5.2.3. That all streams be reset is not granted: nobody asks for it. */
  #handleIncomingRequest({ streamIds }: IncomingSsnResetRequest): number {
    if (streamIds.length === 0) return reConfigResults.denied;
    return this.#context.prepareResets(streamIds)
      ? reConfigResults.successPerformed
      : reConfigResults.successNothingToDo;
  }

  #handleResponse({ responseSequenceNumber, result }: ReConfigResponse): void {
    const request = this.#request;
    if (request?.sequenceNumber !== responseSequenceNumber) return;
    // RFC 6525 section 5.2.7, P3: it is not the last word, and the timer runs on.
    if (result === reConfigResults.inProgress) return;
    this.#request = undefined;
    const isPerformed = result === reConfigResults.successPerformed ||
      result === reConfigResults.successNothingToDo;
    this.#context.finishReset(request.streamIds, isPerformed);
  }

  #respond(responseSequenceNumber: number, result: number): void {
    this.#context.send(writeReConfig([{ type: "response", responseSequenceNumber, result }]));
  }

  #sendRequest({ sequenceNumber, streamIds, lastAssignedTsn }: Request): void {
    this.#context.send(writeReConfig([{
      type: "outgoing-ssn-reset-request",
      requestSequenceNumber: sequenceNumber,
      responseSequenceNumber: add32(this.#expectedSequenceNumber, -1),
      lastAssignedTsn,
      streamIds,
    }]));
  }
}
