/**
 * The text messages of a tunnel stream: its control. JSON, one object a message, told apart by
 * `type`. docs/protocol.md describes them for other implementations.
 */
import { parseObject } from "../parse_object.ts";

/** Why an ingress refuses a stream. */
export type RefusalCode =
  /** No rule allows the target. */
  | "denied"
  /** The label names no target, or the protocol is unknown. */
  | "malformed"
  /** The target's name does not resolve. */
  | "unresolved"
  /** Nothing accepts connections there. */
  | "unreachable"
  /** The target did not answer in time. */
  | "timeout"
  /** The ingress has no descriptors, memory or channels left. */
  | "exhausted";

/** One control message. */
export type ControlMessage =
  /** The ingress has dialled the target. */
  | { readonly type: "opened" }
  /** The ingress has not, and the stream is over. */
  | { readonly type: "refused"; readonly code: RefusalCode; readonly reason: string }
  /**
   * The receiver of this may send so many more bytes of payload. The opener's first may name the
   * client that it asks for, as `address:port`.
   */
  | { readonly type: "credit"; readonly bytes: number; readonly client?: string }
  /** No more payload comes: the half-close. */
  | { readonly type: "end" }
  /** All payload up to the other side's end was handed over. */
  | { readonly type: "ended" }
  /** The stream is broken off; nothing that was under way counts. */
  | { readonly type: "reset"; readonly reason: string };

/** Longer texts are a fault of the peer, in characters. */
const maxControlLength = 2_048;
/** Longer reasons are cut, in characters. */
const maxReasonLength = 512;
/** More credit at once is a fault of the peer, in bytes. */
export const maxCreditLength = 2 ** 30;
/** The longest is an IPv6 address in brackets, and a port. */
const clientPattern = /^[\d.:a-f[\]]{1,64}$/;
const refusalCodes: ReadonlySet<string> = new Set<RefusalCode>([
  "denied",
  "malformed",
  "unresolved",
  "unreachable",
  "timeout",
  "exhausted",
]);

/** Writes one control message. */
export function writeControlMessage(message: ControlMessage): string {
  return "reason" in message
    ? JSON.stringify({ ...message, reason: cleanReason(message.reason) })
    : JSON.stringify(message);
}

/** Reads one control message; undefined where it is none. Never throws. */
export function parseControlMessage(text: string): ControlMessage | undefined {
  if (text.length > maxControlLength) return undefined;
  const value = parseObject(text);
  switch (value.type) {
    case "opened":
    case "end":
    case "ended":
      return { type: value.type };
    case "credit":
      return isCredit(value.bytes)
        ? { type: "credit", bytes: value.bytes, ...readClient(value.client) }
        : undefined;
    case "reset":
      return { type: "reset", reason: cleanReason(value.reason) };
    case "refused":
      return {
        type: "refused",
        code: isRefusalCode(value.code) ? value.code : "unreachable",
        reason: cleanReason(value.reason),
      };
    default:
      return undefined;
  }
}

function isCredit(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 &&
    value <= maxCreditLength;
}

/** What is no address in decimal or hexadecimal digits is left out. */
function readClient(value: unknown): { client?: string } {
  return typeof value === "string" && clientPattern.test(value) ? { client: value } : {};
}

function isRefusalCode(value: unknown): value is RefusalCode {
  return typeof value === "string" && refusalCodes.has(value);
}

/** Reasons go into logs and terminals: bounded, one line, nothing that a terminal would obey. */
function cleanReason(value: unknown): string {
  if (typeof value !== "string") return "no reason given";
  const oneLine = value.slice(0, maxReasonLength).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, " ");
  return oneLine.toWellFormed();
}
