/** The user fragment and password that each side's checks are authenticated by. */

/** RFC 8445, section 5.3. Never logged. */
export interface Credentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** RFC 8839 section 5.4: "ice-char = ALPHA / DIGIT / "+" / "/"", which are 6 bits each. */
const iceCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** 48 and 144 bits: RFC 8445 section 5.3 has "at least 24 bits" and "at least 128 bits". */
const ufragLength = 8;
const pwdLength = 24;

/** Credentials that nobody can guess. CHECK I3 */
export function createCredentials(random: (length: number) => Uint8Array): Credentials {
  return { ufrag: randomText(random(ufragLength)), pwd: randomText(random(pwdLength)) };
}

function randomText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => iceCharacters[byte & 63]).join("");
}

/** True where both are the same. */
export function isSameCredentials(one: Credentials, other: Credentials): boolean {
  return one.ufrag === other.ufrag && one.pwd === other.pwd;
}

/** True where they are long enough to be used (RFC 8839, section 5.4). CHECK I3 */
export function isWellFormed({ ufrag, pwd }: Credentials): boolean {
  return /^[\w+/=-]{4,256}$/.test(ufrag) && /^[\w+/=-]{22,256}$/.test(pwd);
}
