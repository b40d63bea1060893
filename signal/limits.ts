/** What one client may cost the server. What the wire format itself limits is in wire.ts. */
import { POLL_MILLISECONDS, SESSION_MILLISECONDS } from "../src/signaling/wire.ts";

/** Bounds of one instance, or of what all instances store together. */
export interface SignalLimits {
  /** Requests of one client address: so many a second, … */
  readonly requestsPerSecond: number;
  /** … and so many at once after a pause. */
  readonly requestBurst: number;
  /** Client addresses that an instance remembers. */
  readonly addressCount: number;
  /** WebSockets and long polls that wait at one instance, … */
  readonly waitersPerInstance: number;
  /** … and those of one client address among them. */
  readonly waitersPerAddress: number;
  /** Sessions that an ingress has at one time, … */
  readonly sessionsPerIngress: number;
  /** … and those that one client address opened among them. */
  readonly sessionsPerAddress: number;
  /** Messages of one session in one direction, in its whole life. */
  readonly messagesPerSession: number;
  /** Messages that wait in one mailbox, … */
  readonly queueLength: number;
  /** … and their bytes. */
  readonly queueBytes: number;
  /** A body that is not complete after this time is refused. */
  readonly bodyMilliseconds: number;
  /** A challenge is good for this time. */
  readonly challengeMilliseconds: number;
  /** A registration ends this long after its node was last heard of. */
  readonly registrationMilliseconds: number;
  /** A session ends this long after its first message. */
  readonly sessionMilliseconds: number;
  /** A long poll is answered after this time. */
  readonly pollMilliseconds: number;
}

/** The bounds where none are given. */
export const DEFAULT_LIMITS: SignalLimits = {
  requestsPerSecond: 50,
  requestBurst: 200,
  addressCount: 10_000,
  waitersPerInstance: 4_096,
  waitersPerAddress: 256,
  sessionsPerIngress: 256,
  sessionsPerAddress: 32,
  messagesPerSession: 64,
  queueLength: 128,
  queueBytes: 65_536,
  bodyMilliseconds: 10_000,
  challengeMilliseconds: 30_000,
  registrationMilliseconds: 45_000,
  sessionMilliseconds: SESSION_MILLISECONDS,
  pollMilliseconds: POLL_MILLISECONDS,
};
