/**
 * A chunk that is sent until it is answered: INIT, COOKIE ECHO, SHUTDOWN, SHUTDOWN ACK. Its timer is
 * T1-init, T1-cookie or T2-shutdown (RFC 9260, sections 5.1 and 9.2).
 */
import type { Instant } from "../sans_io.ts";

/** What makes a request. */
export interface RequestOptions {
  /** Made anew each time it is sent. */
  readonly chunk: () => Uint8Array;
  /** What is said of it when nobody answers. */
  readonly name: string;
  /** It is sent again so often. */
  readonly maxRetransmissions: number;
  /** When it is sent again for the first time, in ms; that doubles each time. */
  readonly timeout: number;
  readonly maxTimeout: number;
}

/** One request under way. */
export class Request {
  readonly name: string;
  readonly #options: RequestOptions;
  #timeout: number;
  #retryAt: Instant;
  #retransmissionCount = 0;
  #isDue = true;

  /** It is due at once. */
  constructor(options: RequestOptions, now: Instant) {
    this.name = options.name;
    this.#options = options;
    this.#timeout = options.timeout;
    this.#retryAt = now + options.timeout;
  }

  /** Whether `take` would give the chunk. */
  get isDue(): boolean {
    return this.#isDue;
  }

  nextTimeout(): Instant {
    return this.#retryAt;
  }

  /** False where it was sent often enough, and is given up. */
  handleTimeout(now: Instant): boolean {
    if (now < this.#retryAt) return true;
    if (++this.#retransmissionCount > this.#options.maxRetransmissions) return false;
    this.#timeout = Math.min(this.#timeout * 2, this.#options.maxTimeout);
    this.#retryAt = now + this.#timeout;
    this.#isDue = true;
    return true;
  }

  /** It is to be sent again now. */
  repeat(): void {
    this.#isDue = true;
  }

  /** It is to be sent again now, and the peer is given as long for an answer as at first. */
  restart(now: Instant): void {
    this.#isDue = true;
    this.#retransmissionCount = 0;
    this.#timeout = this.#options.timeout;
    this.#retryAt = now + this.#timeout;
  }

  /** The chunk, when it is to be sent. */
  take(): Uint8Array | undefined {
    if (!this.#isDue) return undefined;
    this.#isDue = false;
    return this.#options.chunk();
  }
}
