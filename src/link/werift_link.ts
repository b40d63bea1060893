/**
 * Links over werift's RTCPeerConnection: the only file that knows it. It serves until the project's
 * own ICE, DTLS and SCTP take its place below the same interface.
 *
 * It hands all messages to SCTP's queue at once, so this file keeps the queues and feeds it in turns;
 * it reuses stream ids too early, so this file chooses them. werift_guard.ts has what else it needs.
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import {
  RTCCertificate,
  type RTCDataChannel,
  RTCDataChannel as WeriftDataChannel,
  RTCDataChannelParameters,
  type RTCIceServer,
  RTCPeerConnection,
  type RTCSctpTransport,
} from "werift";
import type { Judge } from "../identity/judge.ts";
import type { Peer } from "../identity/verify.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { IceServer } from "./ice_server.ts";
import type {
  Channel,
  ChannelHandler,
  ChannelMessage,
  Link,
  LinkFactory,
  LinkHandler,
  LinkOffer,
  LinkOptions,
  LinkPath,
  LinkState,
} from "./link.ts";
import { candidatesToGive, hostAddresses } from "./local_candidates.ts";
import {
  type Candidate,
  parseCandidate,
  parseSessionDescription,
  type SessionDescription,
  writeCandidate,
  writeSessionDescription,
} from "./session_description.ts";
import {
  countPayload,
  guardDtls,
  guardSctp,
  heldChunkCount,
  isAcknowledged,
  lastTsn,
} from "./werift_guard.ts";

const log = getLogger(["aetherport", "link"]);

/** A description that is to hold all candidates waits for them so long, in ms. */
const gatherDeadline = 1_000;
/** A description whose further candidates are trickled waits for those of this host, in ms. */
const hostGatherDeadline = 50;
/** Heartbeats keep an idle link from being silent, in seconds (RFC 9260, section 8.3). */
const heartbeatInterval = 1;
/** A link is dead when nothing at all was heard for so long, in ms. */
const silenceTimeout = 6_000;
/** How often silence is looked for, in ms. */
const silenceInterval = 1_000;
/** A side that knows both descriptions gives up after this, in ms. */
const connectTimeout = 30_000;
/** An answer may be carried by hand: the answerer waits longer, in ms. */
const answererTimeout = 600_000;
/** Longer messages would hold others up; shorter ones cost more. Bytes. */
const messageLength = 16_384;
/** What a channel holds that werift has not taken yet, in bytes. */
const channelBufferLength = 65_536;
/**
 * Chunks that werift's SCTP holds at most, sent or not: enough to keep it busy, few enough to be
 * fair, and for all of them to fit the other side's socket buffer, where small ones count double.
 */
const outboundChunkCount = 192;
const maxChannelCount = 16_384;
/** Trickled candidates beyond these, their end included, are ignored (reliability row I4). */
const maxCandidateCount = 33;
/** RFC 8832, section 6: 65535 is no stream id. */
const maxStreamId = 65_534;
/** TLS's codes (RFC 5246, section 7.4.1.4.1). */
const ecdsaWithSha256 = { hash: 4, signature: 3 } as const;
/** Makes werift describe a data channel session; nothing is ever sent on it. */
const placeholderChannel = { id: maxStreamId, negotiated: true };

/** A node's key and certificate, in PEM (PKCS#8). */
export interface LinkCertificate {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

/** Makes links over werift. */
export class WeriftLinkFactory implements LinkFactory {
  readonly #iceServers: readonly IceServer[];
  readonly #certificate: (() => Promise<LinkCertificate>) | undefined;

  /** The certificate is asked for anew for every link; without one, werift makes its own. */
  constructor(
    { iceServers, certificate }: {
      iceServers: readonly IceServer[];
      certificate?: () => Promise<LinkCertificate>;
    },
  ) {
    this.#iceServers = iceServers;
    this.#certificate = certificate;
  }

  async createOffer({ judge, onCandidate }: LinkOptions = {}): Promise<LinkOffer> {
    const peer = await this.#newPeer();
    peer.createDataChannel("", placeholderChannel);
    this.#configureIce(peer);
    await peer.createOffer();
    const otherSide: Candidate[] = [];
    await gather(peer, { otherSide, onCandidate });
    const description = localDescription(peer, { type: "offer", otherSide, onCandidate });
    let isAnswered = false;
    return {
      description,
      accept: (answer) => {
        isAnswered = true;
        otherSide.push(...answer.candidates);
        const link = new WeriftLink(peer, { remote: answer, timeout: connectTimeout, judge });
        link.applyAnswer(writeSessionDescription(answer));
        return link;
      },
      withdraw: () => {
        if (!isAnswered) void closePeer(peer);
      },
    };
  }

  async acceptOffer(
    offer: SessionDescription,
    { judge, onCandidate }: LinkOptions = {},
  ): Promise<{ answer: SessionDescription; link: Link }> {
    const peer = await this.#newPeer();
    try {
      await peer.setRemoteDescription({ type: "offer", sdp: writeSessionDescription(offer) });
    } catch (error) {
      void closePeer(peer);
      throw error;
    }
    this.#configureIce(peer);
    const timeout = onCandidate === undefined ? answererTimeout : connectTimeout;
    const link = new WeriftLink(peer, { remote: offer, timeout, judge });
    await peer.createAnswer();
    const otherSide = offer.candidates;
    await gather(peer, { otherSide, onCandidate });
    const answer = localDescription(peer, { type: "answer", otherSide, onCandidate });
    return { answer: { ...answer, answers: offer.sessionId }, link };
  }

  async #newPeer(): Promise<RTCPeerConnection> {
    const certificate = await this.#certificate?.();
    return new RTCPeerConnection({
      certificates: certificate === undefined ? [] : [toWeriftCertificate(certificate)],
      iceServers: this.#iceServers.map(toWeriftServer),
      iceAdditionalHostAddresses: hostAddresses(),
      iceStunGatherTimeout: gatherDeadline / 1000,
    });
  }

  #configureIce(peer: RTCPeerConnection): void {
    for (const { connection } of peer.iceTransports) {
      // werift asks Google's server where none is configured.
      if (!this.#iceServers.some(({ scheme }) => scheme === "stun")) {
        connection.stunServer = undefined;
      }
      // Its own ufrag has 16 bits of randomness, its password 88 (RFC 8445, section 5.3).
      connection.localUsername = randomBytes(4).toString("hex");
      connection.localPassword = randomBytes(16).toString("hex");
    }
  }
}

function toWeriftServer(
  { scheme, address, transport, username, password }: IceServer,
): RTCIceServer {
  const query = transport === undefined ? "" : `?transport=${transport}`;
  return {
    urls: `${scheme}:${address}${query}`,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { credential: password }),
  };
}

function toWeriftCertificate({ privateKeyPem, certificatePem }: LinkCertificate): RTCCertificate {
  return new RTCCertificate(privateKeyPem, certificatePem, ecdsaWithSha256);
}

interface GatherOptions {
  /** Also grows after the call, with what is learned of the other side. */
  readonly otherSide: readonly Candidate[];
  readonly onCandidate: LinkOptions["onCandidate"];
}

/** Gathers until all is there or the deadline passes; werift goes on by itself after it. */
async function gather(
  peer: RTCPeerConnection,
  { otherSide, onCandidate }: GatherOptions,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, onCandidate === undefined ? gatherDeadline : hostGatherDeadline);
  });
  const gathered = peer.setLocalDescription().then(() => {});
  await Promise.race([gathered, deadline]);
  clearTimeout(timer);
  if (onCandidate === undefined) return;
  const told = new Set(candidatesOf(peer, otherSide).map(writeCandidate));
  void gathered.then(() => {
    for (const candidate of candidatesOf(peer, otherSide)) {
      if (!told.has(writeCandidate(candidate))) onCandidate(candidate);
    }
    onCandidate(undefined);
  });
}

function candidatesOf(peer: RTCPeerConnection, otherSide: readonly Candidate[]): Candidate[] {
  const gathered = (peer.iceTransports[0]?.connection.localCandidates ?? [])
    .map((candidate) => parseCandidate(`candidate:${candidate.toSdp()}`))
    .filter((candidate) => candidate !== undefined);
  return candidatesToGive(gathered, otherSide);
}

function localDescription(
  peer: RTCPeerConnection,
  { type, otherSide, onCandidate }: { type: "offer" | "answer" } & GatherOptions,
): SessionDescription {
  const sdp = peer.localDescription?.sdp;
  if (sdp === undefined) throw new Error(`werift made no ${type}: the link cannot be described`);
  return {
    ...parseSessionDescription(type, sdp),
    sessionId: String(randomBytes(8).readBigUInt64BE() >> 1n),
    candidates: candidatesOf(peer, otherSide),
    hasAllCandidates: onCandidate === undefined,
  };
}

async function closePeer(peer: RTCPeerConnection): Promise<void> {
  try {
    await peer.close();
  } catch {
    // werift rejects where a transport never started: there is nothing to close then.
  }
}

class WeriftLink implements Link {
  readonly peerFingerprint: string;
  handler: LinkHandler | undefined;
  readonly #peer: RTCPeerConnection;
  readonly #judge: Judge | undefined;
  readonly #transport: RTCSctpTransport;
  readonly #channels = new Map<number, WeriftChannel>();
  /** Channels with messages to hand to werift, in turn. */
  readonly #waiting = new Set<WeriftChannel>();
  /** Closed channels whose last messages are under way, in the order of their TSNs. */
  readonly #finishing: { readonly channel: WeriftChannel; readonly tsn: number }[] = [];
  readonly #connectTimer: ReturnType<typeof setTimeout>;
  #state: LinkState = "connecting";
  #peerIdentity: Peer | undefined;
  #silenceTimer: ReturnType<typeof setInterval> | undefined;
  #lastHeard = 0;
  #candidateCount = 0;
  #drainReason: string | undefined;
  #nextStreamId = 0;

  constructor(
    peer: RTCPeerConnection,
    { remote, timeout, judge }: {
      remote: SessionDescription;
      timeout: number;
      judge: Judge | undefined;
    },
  ) {
    const transport = peer.sctpTransport;
    if (transport === undefined) throw new Error("werift made no SCTP transport");
    this.peerFingerprint = remote.fingerprint;
    this.#judge = judge;
    this.#peer = peer;
    this.#transport = transport;
    this.#connectTimer = setTimeout(
      () => void this.close(`the other node was not reached within ${timeout / 1000} s`),
      timeout,
    );
    this.#subscribe();
  }

  get state(): LinkState {
    return this.#state;
  }

  get peer(): Peer | undefined {
    return this.#peerIdentity;
  }

  addCandidate(candidate: Candidate | undefined): void {
    if (this.#candidateCount++ >= maxCandidateCount) return;
    const { mid } = this.#transport;
    const message = candidate === undefined
      ? { candidate: "", sdpMid: mid }
      : { candidate: writeCandidate(candidate), sdpMid: mid };
    this.#peer.addIceCandidate(message).catch((error: unknown) => {
      log.debug("a candidate was not taken: {error}", { error });
    });
  }

  /** Gives werift the answer to this link's offer. */
  applyAnswer(sdp: string): void {
    this.#peer.setRemoteDescription({ type: "answer", sdp }).catch((error: unknown) => {
      void this.close(`the answer cannot be used: ${String(error)}`);
    });
  }

  openChannel({ label, protocol }: { label: string; protocol: string }): Channel {
    if (this.#state !== "up") throw new Error("a channel needs a link that is up");
    if (this.#channels.size >= maxChannelCount) throw new Error("the link has no free channel");
    const id = this.#allocateStreamId();
    const parameters = new RTCDataChannelParameters({ id, label, protocol, ordered: true });
    return this.#adopt(new WeriftDataChannel(this.#transport, parameters));
  }

  drain(reason: string): void {
    if (this.#state === "up") this.#state = "draining";
    this.#drainReason = reason;
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.#drainReason !== undefined && this.#channels.size === 0) {
      void this.close(this.#drainReason);
    }
  }

  async close(reason: string): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#connectTimer);
    clearInterval(this.#silenceTimer);
    this.#waiting.clear();
    this.#finishing.length = 0;
    for (const channel of this.#channels.values()) channel.handleLinkClosed();
    this.#channels.clear();
    this.handler?.handleClosed(reason);
    await closePeer(this.#peer);
  }

  /** Lets a channel's messages take their turn. */
  schedule(channel: WeriftChannel): void {
    this.#waiting.add(channel);
    this.#pump();
  }

  /** Closes a channel once all that it sent is acknowledged: werift's reset may overtake data. */
  finish(channel: WeriftChannel): void {
    this.#finishing.push({ channel, tsn: lastTsn(this.#transport.sctp) });
    this.#finishAcknowledged();
  }

  /** Forgets a channel. */
  release(channel: WeriftChannel): void {
    this.#waiting.delete(channel);
    this.#channels.delete(channel.id);
    this.#closeIfDrained();
  }

  #subscribe(): void {
    const { sctp, dtlsTransport } = this.#transport;
    guardSctp(sctp);
    guardDtls(dtlsTransport.iceTransport.connection);
    this.#peer.connectionStateChange.subscribe((state) => {
      if (state === "failed") void this.close(this.#failureReason());
    });
    dtlsTransport.onStateChange.subscribe((state) => {
      if (state === "closed") void this.close("the other node closed the link");
    });
    sctp.stateChanged.connected.subscribe(() => this.#handleAssociated());
    sctp.stateChanged.closed.subscribe(() => void this.close("the other node closed the link"));
    sctp.flush.subscribe(() => {
      this.#finishAcknowledged();
      this.#pump();
    });
    // werift's own table of channels is never cleaned of those the other side opened.
    this.#transport.onDataChannel.allUnsubscribe();
    this.#transport.onDataChannel.subscribe((channel) => this.#handleRemoteChannel(channel));
  }

  #failureReason(): string {
    if (this.#state !== "connecting") return "the other node does not answer any more";
    return this.#isAuthentic() === false
      ? "the other end's certificate is not the one its text names"
      : "no path to the other node was found";
  }

  /** Undefined before the other end has shown a certificate. */
  #isAuthentic(): boolean | undefined {
    const certificate = this.#transport.dtlsTransport.dtls?.remoteCertificate;
    if (certificate === undefined) return undefined;
    const digest = createHash("sha256").update(certificate).digest("hex").toUpperCase();
    return digest === this.peerFingerprint.replaceAll(":", "");
  }

  #handleAssociated(): void {
    if (this.#state !== "connecting") return;
    const refusal = this.#isAuthentic() ? this.#judgePeer() : this.#failureReason();
    if (refusal !== undefined) return void this.close(refusal);
    clearTimeout(this.#connectTimer);
    this.#watchSilence();
    this.#state = "up";
    // RFC 8832, section 6: the DTLS client takes the even ids.
    this.#nextStreamId = this.#transport.dtlsTransport.role === "client" ? 0 : 1;
    this.handler?.handleUp(this.#path());
  }

  /** Why the other node is not accepted; undefined where it is. */
  #judgePeer(): string | undefined {
    const certificate = this.#transport.dtlsTransport.dtls?.remoteCertificate;
    if (this.#judge === undefined || certificate === undefined) return undefined;
    const verdict = this.#judge([certificate], Date.now());
    if (!verdict.ok) return `the other node is not accepted: ${verdict.reason}`;
    this.#peerIdentity = verdict.peer;
    return undefined;
  }

  /** werift notices a node that vanished after half a minute; any stack answers heartbeats. */
  #watchSilence(): void {
    this.#lastHeard = Date.now();
    this.#transport.dtlsTransport.dtls?.onData.subscribe(() => this.#lastHeard = Date.now());
    this.#transport.sctp.setHeartbeatInterval(heartbeatInterval);
    this.#silenceTimer = setInterval(() => {
      if (Date.now() - this.#lastHeard > silenceTimeout) void this.close(this.#failureReason());
    }, silenceInterval);
  }

  #path(): LinkPath {
    const pair = this.#peer.iceTransports[0]?.getSelectedCandidatePair();
    const local = parseCandidate(`candidate:${pair?.local.candidate}`);
    const remote = parseCandidate(`candidate:${pair?.remote.candidate}`);
    const describe = (candidate: Candidate | undefined) =>
      candidate === undefined
        ? "unknown"
        : formatEndpoint({ host: candidate.address, port: candidate.port });
    return {
      local: describe(local),
      remote: describe(remote),
      isRelayed: local?.type === "relay" || remote?.type === "relay",
    };
  }

  #handleRemoteChannel(channel: RTCDataChannel): void {
    // CHECK X4: werift takes data before the association is there, and so before the peer is judged.
    const isTooEarly = this.#state === "connecting";
    // RFC 8832, section 6: each side opens channels of its own parity.
    const isOurs = channel.id % 2 === this.#nextStreamId % 2;
    if (isTooEarly || isOurs || this.#channels.size >= maxChannelCount) {
      channel.close();
      return;
    }
    this.handler?.handleChannel(this.#adopt(channel));
  }

  #adopt(channel: RTCDataChannel): WeriftChannel {
    const adopted = new WeriftChannel(this, channel);
    this.#channels.set(adopted.id, adopted);
    return adopted;
  }

  /**
   * Ids go round instead of being reused at once: werift's end of a reset may still be on its way,
   * and would close the channel that took the id over.
   */
  #allocateStreamId(): number {
    const taken = this.#transport.dataChannels;
    for (let tries = 0; tries < maxStreamId / 2; tries++) {
      const id = this.#nextStreamId;
      this.#nextStreamId = nextOfSameParity(id);
      if (!this.#channels.has(id) && taken[id] === undefined) return id;
    }
    throw new Error("the link has no free stream id");
  }

  #finishAcknowledged(): void {
    while (this.#finishing[0] !== undefined) {
      const { channel, tsn } = this.#finishing[0];
      if (!isAcknowledged(this.#transport.sctp, tsn)) return;
      this.#finishing.shift();
      channel.reset();
    }
  }

  #pump(): void {
    for (const channel of this.#waiting) {
      if (heldChunkCount(this.#transport.sctp) >= outboundChunkCount) return;
      this.#waiting.delete(channel);
      if (channel.transmit()) this.#waiting.add(channel);
    }
  }
}

function nextOfSameParity(id: number): number {
  return id + 2 < maxStreamId ? id + 2 : id % 2;
}

class WeriftChannel implements Channel {
  readonly maxMessageLength: number;
  handler: ChannelHandler | undefined;
  readonly #link: WeriftLink;
  readonly #channel: RTCDataChannel;
  readonly #queue: (Buffer | string)[] = [];
  #queuedLength = 0;
  #wasFull = false;
  #isClosed = false;

  constructor(link: WeriftLink, channel: RTCDataChannel) {
    this.#link = link;
    this.#channel = channel;
    const limit = channel.sctp.remoteMaxMessageSize;
    this.maxMessageLength = limit === 0 ? messageLength : Math.min(limit, messageLength);
    channel.onMessage.subscribe((message) => {
      countPayload(message.length);
      if (!this.#isClosed) this.handler?.handleMessage(message);
    });
    channel.stateChanged.subscribe((state) => {
      if (state === "closed") this.#handleClosed();
    });
  }

  get id(): number {
    return this.#channel.id;
  }

  get label(): string {
    return this.#channel.label;
  }

  get protocol(): string {
    return this.#channel.protocol;
  }

  get sendableLength(): number {
    const free = Math.max(0, channelBufferLength - this.#queuedLength);
    if (free === 0) this.#wasFull = true;
    return free;
  }

  send(message: ChannelMessage): void {
    if (this.#isClosed) return;
    this.#queue.push(typeof message === "string" ? message : Buffer.from(message));
    this.#queuedLength += message.length;
    this.#link.schedule(this);
  }

  /** Hands one message to werift; true where more are waiting. */
  transmit(): boolean {
    const message = this.#queue.shift();
    if (message === undefined) return false;
    this.#queuedLength -= message.length;
    this.#channel.send(message);
    countPayload(message.length);
    if (this.#isClosed && this.#queue.length === 0) this.#link.finish(this);
    if (!this.#isClosed && this.#wasFull && this.#queuedLength <= channelBufferLength / 2) {
      this.#wasFull = false;
      this.handler?.handleWritable();
    }
    return this.#queue.length > 0;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#queue.length === 0) this.#link.finish(this);
  }

  /** Resets the stream (RFC 8831, section 6.7) and forgets the channel. */
  reset(): void {
    this.#channel.close();
    this.#link.release(this);
  }

  /** The link has ended below the channel. */
  handleLinkClosed(): void {
    this.#handleClosed();
  }

  #handleClosed(): void {
    this.#queue.length = 0;
    this.#link.release(this);
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.handler?.handleClosed();
  }
}
