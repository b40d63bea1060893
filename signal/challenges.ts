/**
 * Challenges that need no memory: a time and a nonce, with an HMAC over them and the ingress id
 * they were issued for. Which server the answer is meant for is in what the node signs.
 */
import { fromBase64Url, toBase64Url } from "../src/signaling/wire.ts";
import type { Secrets } from "./secrets.ts";

const TIME_LENGTH = 8;
const HEAD_LENGTH = TIME_LENGTH + 16;
const LENGTH = HEAD_LENGTH + 32;

/** Issues challenges and knows them again. */
export class Challenges {
  readonly #secrets: Secrets;
  readonly #lifetime: number;

  /** The lifetime is in ms. */
  constructor(secrets: Secrets, lifetime: number) {
    this.#secrets = secrets;
    this.#lifetime = lifetime;
  }

  /** A new challenge for an ingress, at a time in ms since 1970. */
  async issue(id: string, now: number): Promise<string> {
    const challenge = crypto.getRandomValues(new Uint8Array(LENGTH));
    new DataView(challenge.buffer).setFloat64(0, now);
    const head = challenge.subarray(0, HEAD_LENGTH);
    const key = await this.#secrets.keyAt(now);
    challenge.set(
      new Uint8Array(await crypto.subtle.sign("HMAC", key, authenticated(id, head))),
      HEAD_LENGTH,
    );
    return toBase64Url(challenge);
  }

  /**
   * The time (ms since 1970) at which a challenge was issued; undefined where this server did not
   * issue it for this ingress, or not lately.
   */
  async verifyIssued(
    challenge: string,
    { id, now }: { readonly id: string; readonly now: number },
  ): Promise<number | undefined> {
    const bytes = fromBase64Url(challenge, LENGTH);
    if (bytes === undefined) return undefined;
    const issuedAt = new DataView(bytes.buffer).getFloat64(0);
    // Instances' clocks differ: one from the near future is as good as one from the near past.
    if (!(Math.abs(now - issuedAt) <= this.#lifetime)) return undefined;
    const isOurs = await crypto.subtle.verify(
      "HMAC",
      await this.#secrets.keyAt(issuedAt),
      bytes.subarray(HEAD_LENGTH),
      authenticated(id, bytes.subarray(0, HEAD_LENGTH)),
    );
    return isOurs ? issuedAt : undefined;
  }
}

function authenticated(id: string, head: Uint8Array): Uint8Array<ArrayBuffer> {
  const label = new TextEncoder().encode(`aetherlight-challenge-v1\n${id}\n`);
  const bytes = new Uint8Array(label.length + head.length);
  bytes.set(label);
  bytes.set(head, label.length);
  return bytes;
}
