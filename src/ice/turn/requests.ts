/**
 * Requests to the server that wait for their response: retransmitted (RFC 8489, section 6.2), signed
 * (section 9.2), and asked again where the server wants other credentials.
 */
import type { Instant } from "../../sans_io.ts";
import type { StunAttributes } from "../stun/attributes.ts";
import { verifyIntegrity } from "../stun/integrity.ts";
import { type StunMessage, writeStunMessage } from "../stun/message.ts";
import { transactionIdLength, transactionKey } from "../stun/message_header.ts";
import { LongTermCredentials, type Signature } from "./long_term_credentials.ts";
import { explain, turnErrorCodes, type TurnFailure, type TurnFailureCode } from "./turn_failure.ts";

/** Requests under way at once; more wait. */
const maxRequestCount = 32;
/** Section 6.2.1: the RTO is 500 ms at first, and doubles. In ms. */
const initialTimeout = 500;
/** Rc: so many requests in all. */
const maxSendCount = 7;
/** Rm: so many times the first RTO after the last of them it has failed. */
const lastWait = 16;
/** Ti (section 6.2.2), for a stream, which retransmits by itself. In ms. */
const streamTimeout = 39_500;
/** So often one request is written anew because of its credentials. */
const maxAttemptCount = 8;

/** What is asked for, and who wants to know the answer. */
export interface TurnRequest {
  readonly method: number;
  readonly attributes: StunAttributes;
  /** The server has done it. The attributes are lent. */
  handleSuccess(attributes: StunAttributes, now: Instant): void;
  handleFailure(failure: TurnFailure, now: Instant): void;
}

interface Transaction {
  readonly request: TurnRequest;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly signature: Signature | undefined;
  /** How many times it was written before. */
  readonly attempt: number;
  sentCount: number;
  /** When it is to be sent, or sent again. */
  sendAt: Instant;
  /** When it has failed. */
  failsAt: Instant;
  /** Whether a response was not signed. */
  hasUnauthenticResponse: boolean;
}

/** What they are sent with. */
export interface RequestsOptions {
  readonly username: string;
  readonly password: string;
  /** Unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Whether the server is reached over TCP or TLS. */
  readonly isStream: boolean;
}

/** All requests of one client. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #credentials: LongTermCredentials;
  readonly #transactions = new Map<string, Transaction>();

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#credentials = new LongTermCredentials(options);
  }

  /** Whether a request has to wait until another is answered. */
  get isFull(): boolean {
    return this.#transactions.size >= maxRequestCount; // CHECK T1
  }

  get isEmpty(): boolean {
    return this.#transactions.size === 0;
  }

  /** Whether requests are signed already: until then no allocation can have been made. */
  get isSigned(): boolean {
    return this.#credentials.signature !== undefined;
  }

  send(request: TurnRequest, now: Instant): void {
    this.#write(request, 0, now);
  }

  /** Forgets them all, and nobody hears of that. */
  clear(): void {
    this.#transactions.clear();
  }

  /** Takes a response, or what looks like one. */
  handleResponse(message: StunMessage, now: Instant): void {
    const transaction = this.#transactions.get(transactionKey(message.transactionId)); // CHECK T1
    if (transaction === undefined || transaction.request.method !== message.method) return;
    const code = errorCodeOf(message);
    if (code === turnErrorCodes.unauthenticated || code === turnErrorCodes.staleNonce) {
      return this.#handleChallenge(transaction, message, code, now);
    }
    if (!isAuthentic(transaction, message)) return this.#handleUnauthentic(transaction, now);
    this.#transactions.delete(transaction.key);
    this.#settle(transaction, message, code, now);
  }

  handleTimeout(now: Instant): void {
    for (const transaction of this.#transactions.values()) {
      if (now < transaction.failsAt) continue;
      this.#fail(transaction, transaction.hasUnauthenticResponse ? "unauthentic" : "timeout", now);
    }
  }

  nextTimeout(): Instant {
    let next = Infinity;
    for (const { sendAt, failsAt } of this.#transactions.values()) {
      next = Math.min(next, sendAt, failsAt);
    }
    return next;
  }

  /** The length of the request that was written to `out`, if one is due. */
  pollTransmit(out: Uint8Array, now: Instant): number | undefined {
    for (const transaction of this.#transactions.values()) {
      if (now < transaction.sendAt) continue;
      this.#handleSent(transaction, now);
      out.set(transaction.bytes);
      return transaction.bytes.length;
    }
    return undefined;
  }

  #write(request: TurnRequest, attempt: number, now: Instant): void {
    const transactionId = this.#options.random(transactionIdLength);
    const { signature } = this.#credentials;
    const bytes = writeStunMessage({
      messageClass: "request",
      method: request.method,
      transactionId,
      attributes: { ...request.attributes, ...signature?.attributes },
    }, { key: signature?.key });
    const key = transactionKey(transactionId);
    this.#transactions.set(key, {
      request,
      key,
      bytes,
      signature,
      attempt,
      sentCount: 0,
      sendAt: now,
      failsAt: Infinity,
      hasUnauthenticResponse: false,
    });
  }

  #handleSent(transaction: Transaction, now: Instant): void {
    const sentCount = ++transaction.sentCount;
    // Section 6.2.2: "Reliability of STUN over TCP and TLS-over-TCP is handled by TCP itself, and
    // there are no retransmissions at the STUN protocol level."
    const isLast = this.#options.isStream || sentCount === maxSendCount;
    transaction.sendAt = isLast ? Infinity : now + initialTimeout * 2 ** (sentCount - 1);
    if (!isLast) return;
    transaction.failsAt = now +
      (this.#options.isStream ? streamTimeout : lastWait * initialTimeout);
  }

  /**
   * Section 9.2.5: a 401 or 438 cannot be signed, and is an answer all the same: the request is
   * written anew, in a new transaction.
   */
  #handleChallenge(
    transaction: Transaction,
    { attributes }: StunMessage,
    code: number,
    now: Instant,
  ): void {
    const { request, attempt, signature } = transaction;
    // It is not to be written anew with the very same user, realm and secret: they are wrong.
    const isRefused = code === turnErrorCodes.unauthenticated && signature !== undefined &&
      (attributes.realm ?? signature.realm) === signature.realm;
    if (isRefused || attempt + 1 >= maxAttemptCount) {
      return this.#fail(transaction, code, now, attributes.errorCode?.reason);
    }
    if (!this.#credentials.handleChallenge(attributes)) {
      return this.#fail(transaction, "malformed", now);
    }
    this.#transactions.delete(transaction.key);
    this.#write(request, attempt + 1, now);
  }

  /**
   * Section 9.2.5: over an unreliable transport the response counts as never received; over a
   * reliable one there will not be another, and the transaction ends.
   */
  #handleUnauthentic(transaction: Transaction, now: Instant): void {
    transaction.hasUnauthenticResponse = true;
    if (this.#options.isStream) this.#fail(transaction, "unauthentic", now);
  }

  #settle(
    { request }: Transaction,
    { attributes, unknownRequired }: StunMessage,
    code: number | undefined,
    now: Instant,
  ): void {
    if (code !== undefined) {
      const reason = explain(code, request.method, attributes.errorCode?.reason);
      return request.handleFailure({ code, reason, ...alternateOf(code, attributes) }, now);
    }
    // Section 6.3.3: "If the success response contains unknown comprehension-required attributes,
    // the response is discarded and the transaction is considered to have failed."
    if (unknownRequired.length > 0) {
      return request.handleFailure(failureOf("malformed", request.method), now);
    }
    request.handleSuccess(attributes, now);
  }

  #fail(transaction: Transaction, code: TurnFailureCode, now: Instant, phrase?: string): void {
    this.#transactions.delete(transaction.key);
    const { request } = transaction;
    request.handleFailure(failureOf(code, request.method, phrase), now);
  }
}

/** The code of an error response; one that has none is a bad one. */
function errorCodeOf({ messageClass, attributes }: StunMessage): number | undefined {
  return messageClass === "error" ? attributes.errorCode?.code ?? 400 : undefined;
}

/** A request that was not signed cannot have a signed answer. */
function isAuthentic({ signature }: Transaction, message: StunMessage): boolean {
  return signature === undefined || verifyIntegrity(message, signature.key); // CHECK T1
}

function failureOf(code: TurnFailureCode, method: number, phrase?: string): TurnFailure {
  return { code, reason: explain(code, method, phrase) };
}

function alternateOf(
  code: number,
  { alternateServer }: StunAttributes,
): Pick<TurnFailure, "alternateServer"> {
  const isAlternate = code === turnErrorCodes.tryAlternate && alternateServer !== undefined;
  return isAlternate ? { alternateServer } : {};
}
