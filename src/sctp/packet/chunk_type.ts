/** Chunk types (RFC 9260, section 3.2, and its extensions), and what to do with one unknown. */

/** The chunk types we know. */
export const chunkTypes = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  /** RFC 8260. */
  iData: 64,
  /** RFC 6525. */
  reConfig: 130,
  /** RFC 4820. */
  pad: 132,
  /** RFC 3758. */
  forwardTsn: 192,
  /** RFC 8260. */
  iForwardTsn: 194,
} as const;

/**
 * What a receiver does with a chunk or parameter of a type it does not know: `stop` reads no
 * further (the packet, or the chunk the parameter is in), `skip` goes on with the next; the
 * sender is told, or not.
 */
export type UnknownAction = "stop" | "stop-and-report" | "skip" | "skip-and-report";

const actions: readonly UnknownAction[] = ["stop", "stop-and-report", "skip", "skip-and-report"];

/** What the highest two bits of an unknown type ask for: RFC 9260 sections 3.2 and 3.2.1. */
export function unknownAction(type: number, kind: "chunk" | "parameter"): UnknownAction {
  const bits = kind === "chunk" ? type >>> 6 : type >>> 14;
  return actions[bits & 3] ?? "stop";
}
