/** Who may use a proxy's listener: names and passwords (RFC 1929, RFC 7617). */
import { Buffer } from "node:buffer";
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { BadInput } from "../../bad_input.ts";

/** Of a name, and of a password, in bytes (RFC 1929, section 2). */
const maxLength = 255;
/** Of this process alone: what is made with it tells nobody else anything of a password. */
const comparisonKey = randomBytes(32);

/** Names and passwords, of which only digests are kept. */
export class ProxyCredentials {
  readonly #digests: readonly Buffer[];

  constructor(pairs: readonly { readonly user: Uint8Array; readonly password: Uint8Array }[]) {
    this.#digests = pairs.map(({ user, password }) => digestOf(user, password));
  }

  /** To be compared with that of others in this process: the same for the same pairs. */
  toJSON(): string {
    const hash = createHmac("sha256", comparisonKey);
    for (const digest of this.#digests) hash.update(digest);
    return hash.digest("base64");
  }

  /** Whether it is one of the pairs; the time it takes says nothing of what they are. */
  verify(user: Uint8Array, password: Uint8Array): boolean {
    const digest = digestOf(user, password);
    const matches = this.#digests.map((one) => timingSafeEqual(one, digest));
    return matches.includes(true);
  }

  /** The same of `user:password`, as HTTP has it: the name ends at the first colon. */
  verifyPair(pair: Uint8Array | undefined): boolean {
    if (pair === undefined) return false;
    const colon = pair.indexOf(0x3a);
    return colon > 0 && this.verify(pair.subarray(0, colon), pair.subarray(colon + 1));
  }
}

/**
 * Reads `user:password` lines; empty ones are left out. `source` is what they are from, for the
 * message. Throws {@link BadInput}, which quotes none of them.
 */
export function parseProxyCredentials(text: string, source: string): ProxyCredentials {
  const lines = text.split(/\r?\n/);
  const pairs = lines.flatMap((line, at) => {
    if (line === "") return [];
    const [, user = "", password = ""] = /^([^:]*):(.*)$/s.exec(line) ?? [];
    const pair = { user: Buffer.from(user), password: Buffer.from(password) };
    const isUsable = [pair.user, pair.password].every(({ length }) =>
      length > 0 && length <= maxLength
    );
    if (isUsable) return [pair];
    throw new BadInput(
      `${source}, line ${at + 1} is not user:password, of 1 to ${maxLength} bytes each`,
    );
  });
  if (pairs.length === 0) throw new BadInput(`${source} holds no user:password`);
  return new ProxyCredentials(pairs);
}

/** The length keeps "a" and "b:c" apart from "a:b" and "c". */
function digestOf(user: Uint8Array, password: Uint8Array): Buffer {
  const hash = createHash("sha256").update(Uint8Array.of(user.length >> 8, user.length & 255));
  return hash.update(user).update(password).digest();
}
