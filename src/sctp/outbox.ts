/** Control chunks on their way into a packet, in order and bounded. */

/** A chunk that travels alone, to somebody who is no peer yet or no more. */
export interface Reply {
  readonly verificationTag: number;
  readonly chunk: Uint8Array;
}

/** Who asks faster than we can send asks in vain. */
const maxReplyCount = 8;
const maxControlCount = 32;

/** What waits to be sent besides data. */
export class Outbox {
  readonly #replies: Reply[] = [];
  readonly #control: Uint8Array[] = [];

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#control.length === 0 && this.#replies.length === 0;
  }

  /** Queues a chunk for a packet of its own. */
  reply(verificationTag: number, chunk: Uint8Array): void {
    if (this.#replies.length < maxReplyCount) this.#replies.push({ verificationTag, chunk });
  }

  takeReply(): Reply | undefined {
    return this.#replies.shift();
  }

  /** Queues a chunk for the peer; it shares a packet with others. */
  add(chunk: Uint8Array): void {
    if (this.#control.length < maxControlCount) this.#control.push(chunk);
  }

  /** Forgets what is queued for the peer. */
  clear(): void {
    this.#control.length = 0;
  }

  /** Writes to `out[at..end)` what fits; a chunk that fits no packet goes alone all the same. */
  write(out: Uint8Array, at: number, end: number): number {
    const first = at;
    for (let chunk = this.#control[0]; chunk !== undefined; chunk = this.#control[0]) {
      if (at > first && at + chunk.length > end) break;
      out.set(chunk, at);
      at += chunk.length;
      this.#control.shift();
    }
    return at;
  }
}
