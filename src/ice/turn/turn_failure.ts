/** Why a TURN server does not do what it was asked for, in words that say what to do about it. */
import type { TransportAddress } from "../stun/address.ts";
import { methods } from "../stun/message_header.ts";

/**
 * What is wrong: a STUN error code; `timeout` where nothing came, `unauthentic` where what came was
 * not signed with the secret, `malformed` where it does not say what it must.
 */
export type TurnFailureCode = number | "timeout" | "unauthentic" | "malformed";

/** A request that failed. */
export interface TurnFailure {
  readonly code: TurnFailureCode;
  /** For people. */
  readonly reason: string;
  /** Of 300 (Try Alternate). */
  readonly alternateServer?: TransportAddress;
}

/** The codes that are acted upon (RFC 8656 section 19, RFC 8489 section 14.8). */
export const turnErrorCodes = {
  tryAlternate: 300,
  badRequest: 400,
  unauthenticated: 401,
  allocationMismatch: 437,
  staleNonce: 438,
  addressFamilyNotSupported: 440,
  wrongCredentials: 441,
} as const;

/** No request has any hope any more after one of these. */
const fatalCodes: readonly TurnFailureCode[] = [
  turnErrorCodes.unauthenticated,
  turnErrorCodes.allocationMismatch,
  turnErrorCodes.staleNonce,
  turnErrorCodes.wrongCredentials,
];

/** Whether the allocation is lost with the request that failed so. */
export function isFatal(code: TurnFailureCode): boolean {
  return fatalCodes.includes(code);
}

/** Whether the same request may succeed a little later: the server has not refused it. */
export function isTransient(code: TurnFailureCode): boolean {
  return typeof code === "string" || code >= 500;
}

const explanations: ReadonlyMap<TurnFailureCode, string> = new Map<TurnFailureCode, string>([
  ["timeout", "the server does not answer: check its address, port and transport, and firewalls"],
  [
    "unauthentic",
    "the server's answers are not signed with the secret: it is another server, or the secret is wrong",
  ],
  ["malformed", "the server's answer makes no sense: is it a TURN server?"],
  [300, "the server sends its users to another one, but does not say to which"],
  [400, "the server takes the request for a bad one"],
  [401, "the server refuses the user or the secret: check both, and whether they have expired"],
  [403, "the server forbids it: its configuration denies that address, or this user"],
  [420, "the server does not understand the request: it is too old, or no TURN server"],
  [
    437,
    "the server does not know the allocation any more: it was restarted, or took it for expired",
  ],
  [438, "the server calls every nonce of its own stale: its clock or its configuration is wrong"],
  [440, "the server has no relayed address of the family asked for"],
  [441, "the server takes the user or the secret for others than those of the allocation"],
  [442, "the server relays no UDP: take another"],
  [443, "the server's relayed address is not of that peer's family"],
  [
    486,
    "the user has as many allocations as the server permits: end others, or raise its user quota",
  ],
  [500, "the server has failed: try again later, or take another"],
  [508, "the server has no port or memory left: try again later, or take another"],
]);

const taken = "the server has another allocation from the port that this one came from";

/** The words for a code. `method` is what was asked for, `phrase` what the server says to it. */
export function explain(code: TurnFailureCode, method: number, phrase = ""): string {
  const isTaken = code === turnErrorCodes.allocationMismatch && method === methods.allocate;
  const words = isTaken ? taken : explanations.get(code) ?? "the server refuses it";
  return typeof code === "number" ? `${words} (${code}${quote(phrase)})` : words;
}

const maxPhraseLength = 80;

/** It is anybody's text: no control character of it gets into a log. */
function quote(phrase: string): string {
  // deno-lint-ignore no-control-regex
  const clean = phrase.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ").trim();
  return clean === "" ? "" : ` ${JSON.stringify(clean.slice(0, maxPhraseLength))}`;
}
