/**
 * One end of an SCTP association over DTLS (RFC 9260, RFC 8261), without I/O: what comes is judged
 * and handed to the part that it is for, and what is to be sent is put into packets. Of data
 * channels it knows nothing.
 */
import type { Instant } from "../sans_io.ts";
import type { OfferedCapabilities } from "./capabilities.ts";
import { Context, type Peer } from "./context.ts";
import { writeAbort } from "./packet/abort_chunk.ts";
import { ChunkCursor } from "./packet/chunk_cursor.ts";
import { tagReflectedFlag } from "./packet/chunk_header.ts";
import { chunkTypes, unknownAction } from "./packet/chunk_type.ts";
import {
  causeCodes,
  describeErrorCauses,
  unrecognizedChunkType,
  userInitiatedAbort,
} from "./packet/error_cause.ts";
import { maxErrorLength, writeError } from "./packet/error_chunk.ts";
import type { InitFields } from "./packet/init_chunk.ts";
import { parseHeartbeatInfo, writeHeartbeatAck } from "./packet/heartbeat_chunk.ts";
import {
  hasValidChecksum,
  hasZeroChecksum,
  packetHeaderLength,
  parsePacketHeader,
  writeChecksum,
  writePacketHeader,
} from "./packet/packet_header.ts";
import { writePad } from "./packet/pad_chunk.ts";
import { createSackFields, parseSack } from "./packet/sack_chunk.ts";
import { parseShutdown, writeShutdownComplete } from "./packet/shutdown_chunk.ts";
import { readUint16 } from "../network_order.ts";
import type { PayloadStore } from "./payload_store.ts";
import { connect, handleCookieAck, handleCookieEcho, handleInit, handleInitAck } from "./setup.ts";
import {
  advanceShutdown,
  handleShutdown,
  handleShutdownAck,
  handleShutdownComplete,
  shutdown,
} from "./shutdown.ts";
import { type Mac, type StateCookie, verifyStateCookie } from "./state_cookie.ts";
import type { CongestionControl } from "./tx/congestion_control.ts";
import type { ByteRun, SendOptions } from "./tx/send_queue.ts";
import type { TransmitterFigures } from "./tx/transmitter.ts";

export type { ByteRun, SendOptions } from "./tx/send_queue.ts";

/** What an association tells its user: in order, from within the call that brought it about. */
export interface AssociationHandler {
  /** Data may be sent, and will come. Called once at most. */
  handleUp(): void;
  /** A whole message; its bytes are lent until this returns. */
  handleMessage(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** What is buffered of a stream has fallen to its threshold, after it was above. */
  handleBufferedAmountLow(streamId: number): void;
  /** The peer's streams (undefined: all) begin anew, and all that was sent on them has come. */
  handleIncomingReset(streamIds: readonly number[] | undefined): void;
  /** Our streams begin anew, or cannot: the peer has answered. */
  handleOutgoingReset(streamIds: readonly number[]): void;
  /** It has ended. The last call, and it comes once. */
  handleClosed(code: AssociationEndCode, reason: string): void;
}

/** Why an association ended. */
export type AssociationEndCode =
  /** In order, by either side. */
  | "shutdown"
  /** By `abort`. */
  | "aborted"
  | "peer-aborted"
  /** The peer began anew. */
  | "restarted"
  /** The peer does not answer. */
  | "timeout"
  /** The peer broke the protocol. */
  | "protocol";

/** How far an association has come: RFC 9260, section 4. */
export type AssociationState =
  | "closed"
  | "cookie-wait"
  | "cookie-echoed"
  | "established"
  | "shutdown-pending"
  | "shutdown-sent"
  | "shutdown-received"
  | "shutdown-ack-sent"
  /** It is over, and there will be no other. */
  | "ended";

/** What makes an association. Times in ms, lengths in bytes. */
export interface AssociationConfig extends Partial<OfferedCapabilities> {
  readonly handler: AssociationHandler;
  /** Unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Seals state cookies. */
  readonly mac: Mac;
  readonly store: PayloadStore;
  readonly localPort?: number;
  readonly remotePort?: number;
  /** What may be held of the peer's data, and be unread. */
  readonly receiveWindow?: number;
  /** Longer messages of the peer end the association. */
  readonly maxMessageLength?: number;
  readonly heartbeatInterval?: number;
  /** No packet is to be longer, whatever the path might take. */
  readonly maxPacketLength?: number;
  readonly congestionControl?: (pieceLength: number) => CongestionControl;
  /** The INIT that the peer was told beforehand, of these same options; else one is made. */
  readonly ownInit?: InitFields;
  /** The INIT that the peer told beforehand, in answer to `ownInit`: there is no handshake then. */
  readonly peerInit?: InitFields | undefined;
  /** For tests: random otherwise. */
  readonly initialTsn?: number;
  /** For tests: the first SSN and MID of every stream, at both ends. */
  readonly initialMessageNumber?: number;
}

/** RFC 8841 section 5.1 leaves it to the session description; 5000 is what all say. */
const defaultPort = 5_000;

/** A SACK without gap ack blocks, in bytes. */
const minSackLength = 16;

/** One end of an association. */
export class Association {
  readonly #context: Context;
  readonly #cursor = new ChunkCursor();
  readonly #sack = createSackFields();
  /** Of the packet being read. */
  readonly #header = { sourcePort: 0, destinationPort: 0, verificationTag: 0 };
  /** Of the packet being written. */
  readonly #ownHeader: { sourcePort: number; destinationPort: number; verificationTag: number };
  #droppedPacketCount = 0;
  #isOversize = false;

  constructor(config: AssociationConfig) {
    const { localPort = defaultPort, remotePort = defaultPort } = config;
    this.#context = new Context(config);
    this.#ownHeader = { sourcePort: localPort, destinationPort: remotePort, verificationTag: 0 };
  }

  get state(): AssociationState {
    return this.#context.state;
  }

  /** No packet is longer now, but probes of the path and what was sent when it took more. */
  get maxPacketLength(): number {
    return this.#context.pathMtu.packetLength;
  }

  /**
   * Whether the packet that was written last holds what was cut when the path took more: fragments of
   * it may still come through.
   */
  get isOversize(): boolean {
    return this.#isOversize;
  }

  /** The user data of a message that fits one packet now, in bytes. */
  get maxPieceLength(): number {
    return this.#context.transmitter.pieceLength;
  }

  /** The length of a packet that is full of data and nothing else, in bytes. */
  get fullPacketLength(): number {
    return packetHeaderLength + this.#context.transmitter.fullChunkLength;
  }

  /** The round trip, smoothed, in ms; undefined before one was measured. */
  get srtt(): number | undefined {
    return this.#context.timeout.srtt;
  }

  /** Packets that were dropped: no SCTP, not for us, or not from our peer. */
  get droppedPacketCount(): number {
    return this.#droppedPacketCount;
  }

  /** Figures of the sending side, for invariants and reports. */
  get figures(): TransmitterFigures {
    return this.#context.transmitter.figures;
  }

  /** The peer's user data that has come, each piece counted once, in bytes. */
  get receivedLength(): number {
    return this.#context.peer?.receiver.receivedLength ?? 0;
  }

  /** What is held of the peer's data, with its overhead, in bytes. */
  get heldLength(): number {
    return this.#context.peer?.receiver.heldLength ?? 0;
  }

  /**
   * Sends INIT, where the INITs were not exchanged beforehand. Both ends may do so, and with INITs
   * exchanged both have to (RFC 8831, section 6.2). Does nothing but in "closed".
   */
  connect(now: Instant): void {
    if (this.#context.state === "closed") connect(this.#context, now);
  }

  /** Queues a message of one byte or more, copied. Ignored once the association is closing. */
  send(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    options: SendOptions | undefined,
    now: Instant,
  ): void {
    const { isOpen, transmitter } = this.#context;
    if (isOpen) transmitter.queue.add(streamId, ppid, bytes, options, now);
  }

  /**
   * Queues bytes, copied, as messages each of which fits a packet: reliably and in order. Ignored once
   * the association is closing.
   */
  sendRun(streamId: number, ppid: number, bytes: Uint8Array, run: ByteRun): void {
    const { isOpen, transmitter } = this.#context;
    if (isOpen && run.end > run.start) transmitter.queue.addRun(streamId, ppid, bytes, run);
  }

  /** Bytes of a stream that were never sent yet. */
  bufferedAmount(streamId: number): number {
    return this.#context.transmitter.queue.bufferedAmount(streamId);
  }

  /** `handleBufferedAmountLow` is called when a stream's buffer has fallen to so many bytes. */
  setBufferedAmountLowThreshold(streamId: number, threshold: number): void {
    this.#context.transmitter.queue.setBufferedAmountLowThreshold(streamId, threshold);
  }

  /** Has our stream begin anew after all that is queued of it (RFC 6525). */
  resetStream(streamId: number): void {
    const { isOpen, transmitter } = this.#context;
    if (isOpen) transmitter.queue.prepareReset(streamId);
  }

  /** What the user holds of the messages it was given narrows the receive window. */
  setUnreadLength(length: number): void {
    this.#context.peer?.receiver.setUnreadLength(length);
  }

  /** The path has changed, and may take packets of this length. */
  setPath(maxPacketLength: number, now: Instant): void {
    this.#context.setPath(maxPacketLength, now);
  }

  /**
   * Whether the peer is heard at all, which the user finds out by other means. A peer that is not is
   * waited for without end; once it is heard again, what it may have missed is sent at once.
   */
  setReachable(isReachable: boolean, now: Instant): void {
    this.#context.setReachable(isReachable, now);
  }

  /** The path leads somewhere again: what may have been lost is sent at once. */
  retry(now: Instant): void {
    this.#context.retry(now);
  }

  /** Ends in order, once all was delivered (RFC 9260, section 9.2). */
  shutdown(now: Instant): void {
    shutdown(this.#context, now);
  }

  /** Ends at once, and tells the peer (RFC 9260, section 9.1). */
  abort(reason: string, now: Instant): void {
    if (this.#context.isEnded) return;
    this.#context.abort(userInitiatedAbort(reason));
    this.#context.end("aborted", reason, now);
  }

  /** Takes the packet in `bytes[start..end)`, lent. What is no packet of our peer's is dropped. */
  handlePacket(bytes: Uint8Array, start: number, end: number, now: Instant): void {
    const context = this.#context;
    const cursor = this.#cursor;
    cursor.reset(bytes, start + packetHeaderLength, end);
    const isOurs = this.#isForUs(bytes, start, end) && cursor.next() && this.#isTagValid(bytes);
    if (!isOurs || context.isEnded) {
      this.#droppedPacketCount++;
      if (isOurs) this.#answerOutOfTheBlue();
      return;
    }
    while (this.#handleChunk(bytes, now) && !context.isEnded && cursor.next());
    const { peer } = context;
    if (peer === undefined || context.isEnded) return;
    peer.receiver.endPacket(now);
    peer.reset.handleProgress(now);
    advanceShutdown(context, now);
  }

  /** Lets timers expire; harmless when nothing is due. */
  handleTimeout(now: Instant): void {
    const context = this.#context;
    const { request, peer, transmitter, heartbeat, pathMtu } = context;
    if (request?.handleTimeout(now) === false) {
      context.end("timeout", `the peer does not answer ${request.name}`, now);
    }
    if (peer === undefined || context.isEnded) return;
    peer.receiver.handleTimeout(now);
    if (transmitter.handleTimeout(now)) {
      if (pathMtu.handleRetransmissionTimeout(now)) context.applyPacketLength();
      // What is sent again measures no round trip (RFC 9260 section 6.3.1, C5), and RTO would stay
      // doubled; the answer to a heartbeat is unambiguous.
      heartbeat.hasten(now);
      context.countError("the peer does not acknowledge data", now);
    }
    if (peer.reset.handleTimeout(now)) {
      context.countError("the peer does not answer RE-CONFIG", now);
    }
    if (heartbeat.handleTimeout(now)) {
      context.countError("the peer does not answer heartbeats", now);
    }
    context.checkForBlackHole(now);
    pathMtu.handleTimeout(now);
  }

  /** When `handleTimeout` is to be called next, if nothing happens before. */
  nextTimeout(): Instant | undefined {
    const { request, peer, transmitter, heartbeat, pathMtu, isEnded } = this.#context;
    if (isEnded) return undefined;
    const next = Math.min(
      request?.nextTimeout() ?? Infinity,
      transmitter.nextTimeout() ?? Infinity,
      peer?.receiver.nextTimeout() ?? Infinity,
      peer?.reset.nextTimeout() ?? Infinity,
      heartbeat.nextTimeout() ?? Infinity,
      pathMtu.nextTimeout() ?? Infinity,
    );
    return next === Infinity ? undefined : next;
  }

  /**
   * Writes the next packet to `out[start..)` and returns its length: 0 where nothing is to be sent
   * now. A packet is longer than `maxPacketLength` where the path is probed, and where what it
   * carries was sent when the path took more; what `out` has no room for is not sent.
   */
  writePacket(out: Uint8Array, start: number, now: Instant): number {
    const context = this.#context;
    const { outbox, peer } = context;
    this.#isOversize = false;
    const reply = outbox.takeReply();
    const first = start + packetHeaderLength;
    if (reply !== undefined) {
      out.set(reply.chunk, first);
      return this.#finish(out, start, first + reply.chunk.length, reply.verificationTag, true);
    }
    if (context.isEnded) return 0;
    const requested = context.request?.take();
    if (requested !== undefined) out.set(requested, first);
    let at = first + (requested?.length ?? 0);
    // RFC 9260 section 6.10: INIT travels alone.
    if (peer === undefined) return at === first ? 0 : this.#finish(out, start, at, 0, true);
    if (at === first) {
      const length = this.#writeProbe(peer, out, start, now);
      if (length > 0) return length;
    }
    const end = Math.min(out.length, start + (context.pathMtu.packetLength & ~3));
    at = this.#writeChunks(peer, out, at, end, now);
    if (at === first) {
      // What was given up just now is to be told, or was the last that a shutdown waited for.
      advanceShutdown(context, now);
      const isMoreDue = context.request?.isDue === true || context.transmitter.isForwardTsnDue(now);
      return isMoreDue && !context.isEnded ? this.writePacket(out, start, now) : 0;
    }
    this.#isOversize = at > end;
    // RFC 9653 section 5.2: a COOKIE ECHO has a checksum in any case.
    const isChecked = context.state === "cookie-echoed" || !peer.capabilities.isZeroChecksum;
    return this.#finish(out, start, at, peer.tag, isChecked);
  }

  /**
   * Writes packets that are due after one of `length` bytes and are as long: each has one chunk of new
   * data and nothing else. The first goes to `out[start..)`, the next `stride` bytes behind it, and so
   * on. Returns how many there are, which may be none where others are due.
   */
  writeRun(
    out: Uint8Array,
    start: number,
    { length, stride, now }: {
      readonly length: number;
      readonly stride: number;
      readonly now: Instant;
    },
  ): number {
    const { outbox, peer, isTransferring, transmitter } = this.#context;
    if (peer === undefined || !isTransferring || !outbox.isEmpty) return 0;
    const chunkLength = length - packetHeaderLength;
    const run = { chunkLength, stride, now };
    const count = transmitter.writeRun(out, start + packetHeaderLength, run);
    const isChecked = !peer.capabilities.isZeroChecksum;
    for (let at = start; at < start + count * stride; at += stride) {
      this.#finish(out, at, at + length, peer.tag, isChecked);
    }
    return count;
  }

  /** What is due besides requests and probes: control, SACK, data, in the order they are read. */
  #writeChunks(peer: Peer, out: Uint8Array, at: number, end: number, now: Instant): number {
    const first = at;
    const { isTransferring, transmitter, timeout, heartbeat, outbox } = this.#context;
    if (!isTransferring) return outbox.write(out, at, end);
    const heartbeatChunk = heartbeat.take(now, timeout.timeout);
    if (heartbeatChunk !== undefined) {
      outbox.add(heartbeatChunk);
      transmitter.trim();
    }
    const forwardTsn = transmitter.takeForwardTsn(now);
    if (forwardTsn !== undefined) outbox.add(forwardTsn);
    if (peer.capabilities.isStreamReset) peer.reset.start(now, timeout.timeout);
    at = outbox.write(out, at, end);
    if (peer.receiver.isSackDue(transmitter.canSend()) && at + minSackLength <= end) {
      at = peer.receiver.writeSack(out, at, end);
    }
    return transmitter.writeChunks(out, at, { end, isPacketEmpty: at === first, now });
  }

  /** RFC 8899: a HEARTBEAT with PAD as long as the path might take, alone. */
  #writeProbe(peer: Peer, out: Uint8Array, start: number, now: Instant): number {
    const { isTransferring, pathMtu, timeout } = this.#context;
    const probe = isTransferring ? pathMtu.take(now, timeout.timeout) : undefined;
    if (probe === undefined || start + probe.length > out.length) return 0;
    const padAt = start + packetHeaderLength + probe.heartbeat.length;
    out.set(probe.heartbeat, start + packetHeaderLength);
    writePad(out, padAt, start + probe.length - padAt);
    const isChecked = !peer.capabilities.isZeroChecksum;
    return this.#finish(out, start, start + probe.length, peer.tag, isChecked);
  }

  #finish(
    out: Uint8Array,
    start: number,
    end: number,
    verificationTag: number,
    isChecked: boolean,
  ): number {
    this.#ownHeader.verificationTag = verificationTag;
    writePacketHeader(out, start, this.#ownHeader);
    if (isChecked) writeChecksum(out, start, end);
    return end - start;
  }

  /** Ports and checksum: RFC 9260 section 6.8, and RFC 9653 section 5.3. */
  #isForUs(bytes: Uint8Array, start: number, end: number): boolean {
    const header = this.#header;
    if (!parsePacketHeader(bytes, start, end, header)) return false;
    const { sourcePort, destinationPort } = this.#ownHeader;
    if (header.sourcePort !== destinationPort || header.destinationPort !== sourcePort) {
      return false;
    }
    if (this.#context.offered.isZeroChecksumAcceptable && hasZeroChecksum(bytes, start)) {
      return true;
    }
    return hasValidChecksum(bytes, start, end); // CHECK S17
  }

  /** RFC 9260 section 8.5: whether the packet, which begins with this chunk, is our peer's. */
  #isTagValid(bytes: Uint8Array): boolean {
    const { type, flags, isLast } = this.#cursor;
    const { verificationTag } = this.#header;
    const { localTag, peer } = this.#context;
    switch (type) {
      case chunkTypes.init:
        // Section 8.5.1, A, and 6.10: it has the tag 0, and is alone. CHECK S1
        return verificationTag === 0 && isLast;
      case chunkTypes.abort:
      case chunkTypes.shutdownComplete:
        // Section 8.5.1, B and C: the T bit says that it is the tag of what is answered. CHECK S1
        if ((flags & tagReflectedFlag) === 0) return verificationTag === localTag;
        return peer !== undefined && verificationTag === peer.tag;
      case chunkTypes.cookieEcho:
        // Section 8.5.1, D: it has the tag of the cookie, which may be of a restart. CHECK S1
        return verificationTag === this.#verifyCookie(bytes)?.localTag;
      default:
        return verificationTag === localTag; // CHECK S1
    }
  }

  #verifyCookie(bytes: Uint8Array): StateCookie | undefined {
    const { valueStart, end } = this.#cursor;
    return verifyStateCookie(bytes.subarray(valueStart, end), this.#context.config.mac);
  }

  /** RFC 9260 section 8.4: the peer has not heard that it is over. */
  #answerOutOfTheBlue(): void {
    const { localTag, outbox } = this.#context;
    switch (this.#cursor.type) {
      case chunkTypes.shutdownAck:
        // 5: its tag goes back, and the T bit says so.
        return outbox.reply(localTag, writeShutdownComplete(true));
      case chunkTypes.init:
      case chunkTypes.cookieEcho:
      case chunkTypes.cookieAck:
      case chunkTypes.abort:
      case chunkTypes.error:
      case chunkTypes.shutdownComplete:
        // 2, 6 and 7: nothing is to be said. An INIT or a cookie is of an association to come.
        return;
      default:
        // 8.
        return outbox.reply(localTag, writeAbort([], true));
    }
  }

  /** Takes the chunk stood on. False where the rest of the packet is not to be read. */
  #handleChunk(bytes: Uint8Array, now: Instant): boolean {
    const { type, start, end } = this.#cursor;
    const context = this.#context;
    switch (type) {
      case chunkTypes.data:
      case chunkTypes.iData:
        return this.#handleData(bytes, now);
      case chunkTypes.sack:
        return this.#handleSack(bytes, now);
      case chunkTypes.forwardTsn:
      case chunkTypes.iForwardTsn:
        return this.#handleForwardTsn(bytes, now);
      case chunkTypes.reConfig:
        return this.#handleReConfig(bytes, now);
      case chunkTypes.heartbeat:
        return this.#handleHeartbeat(bytes);
      case chunkTypes.heartbeatAck:
        return this.#handleHeartbeatAck(bytes, now);
      case chunkTypes.init:
        handleInit(context, bytes, start, end, now);
        return false;
      case chunkTypes.initAck:
        handleInitAck(context, bytes, start, end, now);
        return false;
      case chunkTypes.cookieEcho:
        return this.#handleCookieEcho(bytes, now);
      case chunkTypes.cookieAck:
        handleCookieAck(context, now);
        return true;
      case chunkTypes.abort:
        return this.#handleAbort(bytes, now);
      case chunkTypes.error:
        return this.#handleError(bytes, now);
      case chunkTypes.shutdown:
        return this.#handleShutdown(bytes, now);
      case chunkTypes.shutdownAck:
        handleShutdownAck(context, now);
        return true;
      case chunkTypes.shutdownComplete:
        handleShutdownComplete(context, now);
        return true;
      case chunkTypes.pad:
        return true;
      default:
        return this.#handleUnknownChunk(bytes);
    }
  }

  #handleData(bytes: Uint8Array, now: Instant): boolean {
    const { type, start, end } = this.#cursor;
    const { peer, isTransferring } = this.#context;
    // Data that overtook what establishes the association is sent again.
    if (peer === undefined || !isTransferring) return true;
    const isInterleaved = type === chunkTypes.iData;
    const defect = peer.receiver.handleData(bytes, start, end, isInterleaved, now);
    if (defect !== undefined) this.#context.refuse(defect, now);
    // RFC 9260 section 9.2: in SHUTDOWN-SENT each packet with data is answered "with a SHUTDOWN
    // chunk", and the sender is to "restart the T2-shutdown timer".
    else if (this.#context.state === "shutdown-sent") this.#context.request?.restart(now);
    return true;
  }

  #handleSack(bytes: Uint8Array, now: Instant): boolean {
    const { start, end } = this.#cursor;
    const { isTransferring, transmitter, pathMtu } = this.#context;
    // CHECK S6
    if (!isTransferring || !parseSack(bytes, start, end, this.#sack)) return true;
    const before = transmitter.cumulativeTsn;
    if (transmitter.handleSack(bytes, this.#sack, now) !== "taken") return true;
    this.#context.checkForBlackHole(now);
    // RFC 9260 section 8.1: the counter is cleared by what acknowledges data.
    if (transmitter.cumulativeTsn !== before) {
      this.#context.clearErrors();
      pathMtu.handleProgress();
    }
    return true;
  }

  #handleForwardTsn(bytes: Uint8Array, now: Instant): boolean {
    const { type, start, end } = this.#cursor;
    const { peer, isTransferring } = this.#context;
    if (peer === undefined || !isTransferring) return true;
    const isInterleaved = type === chunkTypes.iForwardTsn;
    const defect = peer.receiver.handleForwardTsn(bytes, start, end, isInterleaved, now);
    if (defect !== undefined) this.#context.refuse(defect, now);
    return true;
  }

  #handleReConfig(bytes: Uint8Array, now: Instant): boolean {
    const { start, end } = this.#cursor;
    const { peer, isTransferring } = this.#context;
    if (peer !== undefined && isTransferring && peer.capabilities.isStreamReset) {
      if (peer.reset.handleReConfig(bytes, start, end, now)) this.#context.clearErrors();
    }
    return true;
  }

  /** RFC 9260 section 8.3: its information goes back as it came. */
  #handleHeartbeat(bytes: Uint8Array): boolean {
    const { peer, outbox } = this.#context;
    const info = parseHeartbeatInfo(bytes, this.#cursor.start, this.#cursor.end);
    if (peer !== undefined && info !== undefined) outbox.add(writeHeartbeatAck(info));
    return true;
  }

  #handleHeartbeatAck(bytes: Uint8Array, now: Instant): boolean {
    const { start, end } = this.#cursor;
    const { heartbeat, pathMtu, timeout, transmitter } = this.#context;
    const rtt = heartbeat.handleAck(bytes, start, end, now);
    if (rtt !== undefined) {
      timeout.observe(rtt);
      transmitter.handleHeard();
      transmitter.shortenTimer(now);
      this.#context.clearErrors();
    } else if (pathMtu.handleAck(bytes, start, end, now)) {
      this.#context.applyPacketLength();
    }
    return true;
  }

  #handleCookieEcho(bytes: Uint8Array, now: Instant): boolean {
    const cookie = this.#verifyCookie(bytes);
    if (cookie === undefined) return false;
    handleCookieEcho(this.#context, cookie, now);
    return cookie.localTag === this.#context.localTag;
  }

  #handleAbort(bytes: Uint8Array, now: Instant): boolean {
    const { valueStart, end } = this.#cursor;
    const causes = describeErrorCauses(bytes, valueStart, end);
    this.#context.end("peer-aborted", `the peer has ended it: ${causes}`, now);
    return false;
  }

  /** RFC 9260 section 5.2.6: the cookie was too long under way. Other errors ask for nothing. */
  #handleError(bytes: Uint8Array, now: Instant): boolean {
    const { valueStart, end } = this.#cursor;
    const context = this.#context;
    const isStale = end - valueStart >= 2 &&
      readUint16(bytes, valueStart) === causeCodes.staleCookie;
    if (context.state === "cookie-echoed" && isStale) {
      const causes = describeErrorCauses(bytes, valueStart, end);
      context.end("timeout", `the peer took too long: ${causes}`, now);
    }
    return true;
  }

  #handleShutdown(bytes: Uint8Array, now: Instant): boolean {
    const { start, end } = this.#cursor;
    const { transmitter } = this.#context;
    const cumulativeTsnAck = parseShutdown(bytes, start, end);
    if (cumulativeTsnAck === undefined) return true;
    if (this.#context.isTransferring) transmitter.handleCumulativeTsnAck(cumulativeTsnAck, now);
    handleShutdown(this.#context, now);
    return true;
  }

  /** RFC 9260 section 3.2: what to do with it, its type says. */
  #handleUnknownChunk(bytes: Uint8Array): boolean {
    const { type, start, end } = this.#cursor;
    const action = unknownAction(type, "chunk");
    if (action.endsWith("report") && this.#context.peer !== undefined) {
      const cause = unrecognizedChunkType(
        bytes.slice(start, Math.min(end, start + maxErrorLength)),
      );
      this.#context.outbox.add(writeError([cause], maxErrorLength));
    }
    return action.startsWith("skip");
  }
}
