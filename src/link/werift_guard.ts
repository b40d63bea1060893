/**
 * Mends what werift 0.25.2 gets wrong in DTLS, SCTP and memory, by reaching into it. It goes when werift
 * does.
 */
import { randomInt } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The parts of werift's SCTP that are reached into; its types call most of them private. */
interface SctpInternals {
  advertisedRwnd: number;
  localTsn: number;
  reconfigRequestSeq: number;
  lastSackedTsn: number;
  advancedPeerAckTsn: number;
  /** In seconds. */
  readonly srtt?: number;
  readonly rttvar?: number;
  readonly outboundQueue: readonly unknown[];
  readonly sentQueue: readonly unknown[];
  readonly flush: { asPromise: () => Promise<unknown> };
  getInboundStream(streamId: number): InboundStream;
}

interface InboundStream {
  addChunk(chunk: unknown): void;
  popMessages(): Iterable<unknown>;
}

/**
 * What a node lets the other have under way, in bytes. werift recovers from loss slowly, and loses
 * on a fast path what a socket's buffer of 208 KB (as the kernel counts) does not hold.
 */
const receiveWindow = 98_304;
/**
 * werift leaves several buffers behind for every packet, and V8 lets 100 MB of them gather before
 * it looks. A young collection after so much payload keeps them at a tenth of that. Bytes.
 */
const collectionInterval = 4_194_304;

let untilCollection = collectionInterval;
let collect: ((options: { type: "minor" }) => void) | undefined;

/** Mends an association that has not begun. */
export function guardSctp(sctp: object): void {
  const internals = sctp as SctpInternals;
  internals.advertisedRwnd = receiveWindow;
  // Every message waits here for an empty queue, and looks at it after every packet: with the
  // queue kept full that grows without end. Nobody needs to know, so nobody is told.
  internals.flush.asPromise = () => new Promise(() => {});
  // It sorts TSNs as text and cannot wrap them: ten digits, and far from 2^32.
  const initialTsn = 1_100_000_000 + randomInt(1_000_000_000);
  internals.localTsn = initialTsn;
  internals.reconfigRequestSeq = initialTsn;
  internals.lastSackedTsn = initialTsn - 1;
  internals.advancedPeerAckTsn = initialTsn - 1;
  // It waits a second at least, often three, for an acknowledgement before it sends again.
  Object.defineProperty(sctp, "rto", { get: () => retransmissionTimeout(internals), set() {} });
  // Of several messages that a late chunk completes it delivers the first, and forgets the others.
  const getInboundStream = internals.getInboundStream.bind(sctp);
  internals.getInboundStream = (streamId) => {
    const stream = getInboundStream(streamId);
    return {
      addChunk: (chunk) => stream.addChunk(chunk),
      popMessages: () => popAllMessages(stream),
    };
  };
}

/** The parts of werift's ICE connection that are reached into. */
interface ConnectionInternals {
  readonly onData: { execute: (datagram: Uint8Array) => void };
}

const recordHeaderLength = 13;
const recordType = { changeCipherSpec: 20, handshake: 22, applicationData: 23 } as const;

/**
 * Keeps from werift's DTLS what anybody could send to end or confuse a connection: it obeys alerts
 * of any kind unauthenticated, takes unknown records for alerts, and a handshake for a new one. A
 * node that ends is noticed by its SCTP ABORT, or by its silence.
 */
export function guardDtls(connection: object): void {
  const { onData } = connection as ConnectionInternals;
  const { execute } = onData;
  let isEstablished = false;
  const isWanted = (type: number, epoch: number): boolean => {
    if (type === recordType.applicationData && epoch === 1) isEstablished = true;
    const isHandshake = type === recordType.handshake || type === recordType.changeCipherSpec;
    return type === recordType.applicationData || (isHandshake && !isEstablished);
  };
  onData.execute = (datagram) => {
    if (hasOnly(datagram, isWanted)) execute(datagram);
  };
}

/** Whether a datagram consists of records (RFC 6347, section 4.1) that are all wanted. */
function hasOnly(
  datagram: Uint8Array,
  isWanted: (type: number, epoch: number) => boolean,
): boolean {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let at = 0;
  while (at + recordHeaderLength <= datagram.length) {
    if (!isWanted(view.getUint8(at), view.getUint16(at + 3))) return false;
    at += recordHeaderLength + view.getUint16(at + 11);
  }
  return at === datagram.length;
}

/** RFC 9260, section 6.3.1, in seconds, with a lower minimum as other WebRTC stacks have it. */
function retransmissionTimeout({ srtt, rttvar }: SctpInternals): number {
  if (srtt === undefined || rttvar === undefined) return 1;
  return Math.min(Math.max(srtt + 4 * rttvar, 0.3), 10);
}

function* popAllMessages(stream: InboundStream): Iterable<unknown> {
  let hasMore = true;
  while (hasMore) {
    hasMore = false;
    for (const message of stream.popMessages()) {
      hasMore = true;
      yield message;
    }
  }
}

/** The chunks that an association holds, sent or not. */
export function heldChunkCount(sctp: object): number {
  const { outboundQueue, sentQueue } = sctp as SctpInternals;
  return outboundQueue.length + sentQueue.length;
}

/** The TSN of the last chunk that an association was given. */
export function lastTsn(sctp: object): number {
  return (sctp as SctpInternals).localTsn - 1;
}

/** True when the other side has acknowledged a TSN and all before it. */
export function isAcknowledged(sctp: object, tsn: number): boolean {
  return (sctp as SctpInternals).lastSackedTsn >= tsn;
}

/** Counts payload, and has its remains collected from time to time. */
export function countPayload(length: number): void {
  untilCollection -= length;
  if (untilCollection > 0) return;
  untilCollection = collectionInterval;
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc");
  }
  collect?.({ type: "minor" });
}
