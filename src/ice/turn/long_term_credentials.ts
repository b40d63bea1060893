/** Long-term credentials (RFC 8489, section 9.2): the server's challenge, and what answers it. */
import type { StunAttributes } from "../stun/attributes.ts";
import { longTermKey } from "../stun/integrity.ts";

/** What a request is signed with. */
export interface Signature {
  readonly key: Uint8Array;
  readonly realm: string;
  readonly attributes: Pick<StunAttributes, "username" | "realm" | "nonce">;
}

/**
 * A user, and what the server has told of its realm. Departs from RFC 8489 section 9.2.5: of the
 * algorithms that a server may offer MD5 alone is used, which section 9.2.4 has every server take
 * from those that name none.
 */
export class LongTermCredentials {
  readonly #username: string;
  readonly #password: string;
  #signature: Signature | undefined;

  constructor({ username, password }: { readonly username: string; readonly password: string }) {
    this.#username = username.normalize("NFC");
    this.#password = password;
  }

  /** Undefined until the server has asked for one: the first request is sent without. */
  get signature(): Signature | undefined {
    return this.#signature;
  }

  /**
   * Takes the realm and nonce of a 401 or 438, for all requests from now on (section 9.2.5). Without
   * a realm the one before stands. False where it is no challenge.
   */
  handleChallenge({ realm = this.#signature?.realm, nonce }: StunAttributes): boolean {
    if (realm === undefined || nonce === undefined) return false;
    const username = this.#username;
    const key = realm === this.#signature?.realm
      ? this.#signature.key
      : longTermKey({ username, realm, password: this.#password });
    this.#signature = { key, realm, attributes: { username, realm, nonce } };
    return true;
  }
}
