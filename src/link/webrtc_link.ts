/**
 * Links over WebRTC: one path, one DTLS connection, one SCTP association with its data channels, put
 * together here and pumped by the driver.
 */
import { createHmac, randomBytes, X509Certificate } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { Budget } from "../budget.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { type AeadChoice, chooseAead } from "../crypto/choose_aead.ts";
import { nodeAead } from "../crypto/node_aead.ts";
import { createNodeHandshakeCrypto } from "../crypto/node_handshake_crypto.ts";
import type { LibcryptoAead } from "../crypto/libcrypto_aead.ts";
import type { DataChannel } from "../datachannel/data_channel.ts";
import type { AeadProvider } from "../dtls/aead.ts";
import { type CipherSuiteName, cipherSuiteNames } from "../dtls/cipher_suite.ts";
import type { PeerExpectation } from "../dtls/peer_expectation.ts";
import { fingerprintOf } from "../identity/certificate.ts";
import type { Judge } from "../identity/judge.ts";
import { createSelfSigned } from "../identity/self_signed.ts";
import type { Peer } from "../identity/verify.ts";
import { createOwnInit } from "../sctp/own_init.ts";
import type { InitFields } from "../sctp/packet/init_chunk.ts";
import { PayloadStore } from "../sctp/payload_store.ts";
import { maxDatagramLength, receiveBufferLength } from "../socket/datagram.ts";
import {
  type DatagramSocketsChoice,
  sharedDatagramSockets,
} from "../socket/choose_datagram_sockets.ts";
import { describeKind } from "./describe_kind.ts";
import type { IceServer } from "./ice_server.ts";
import type {
  Channel,
  ChannelHandler,
  ChannelOptions,
  Link,
  LinkFactory,
  LinkHandler,
  LinkOffer,
  LinkOptions,
  LinkPath,
  LinkState,
  LinkTraffic,
} from "./link.ts";
import { type DriverEnd, LinkDriver, type Workbench } from "./link_driver.ts";
import { IcePath } from "./ice_path.ts";
import { hostAddresses } from "./host_addresses.ts";
import type { Path } from "./path.ts";
import { type Candidate, dtlsClientOf, type SessionDescription } from "./session_description.ts";

const log = getLogger(["aetherport", "link"]);

/** A description that is to hold all candidates waits for them so long, in ms. */
const gatherDeadline = 1_000;
/** A description whose further candidates are trickled waits for those of this host at most, in ms. */
const hostGatherDeadline = 50;
/** Heartbeats keep an idle link from being silent, in ms (RFC 9260, section 8.3). */
const heartbeatInterval = 1_000;
/** Nothing authentic was heard for so long, in ms: two heartbeats, and what they take. */
const silentAfter = 3_000;
/** The other node counts as unreachable, in ms. */
const unreachableAfter = 30_000;
/** How long an unreachable link lives on, in ms. */
const defaultHold = 60_000;
/** A side that knows both descriptions gives up after this, in ms. */
const connectTimeout = 30_000;
/** An answer may be carried by hand: the answerer waits longer, in ms. */
const answererTimeout = 600_000;
/** A flight of the handshake is sent again after so long, in ms: ICE has found the path alive. */
const initialTimeout = 200;
const maxChannelCount = 16_384;
/** The longest message that is taken, in bytes: what others send in one, ours are short. */
const maxMessageLength = 262_144;
/**
 * What the users of a link's channels may hold before it narrows the window that all channels share,
 * in bytes: streams that stand still are to hold no others up, but for very many of them.
 */
const unreadAllowance = 67_108_864;
/** What the streams of a link may have under way beyond what each has, in bytes; and of all links. */
const windowAllowance = { link: 33_554_432, process: 134_217_728 } as const;
const sctpPort = 5_000;
/** Records of one datagram that carry data: more are no use to anybody. */
const maxRecordCount = 64;

/** SCTP packets that fit a path: MTU less IP, UDP, DTLS, and TURN where it is relayed. Bytes. */
const packetLengths = { ipv4: 1_432, ipv6: 1_412, relayed: 1_372, sameHost: 16_340 } as const;

/** In the order in which they are preferred: node:crypto's AES-GCM costs many times its ChaCha20. */
const portableCipherSuites: readonly CipherSuiteName[] = [
  "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
];

/** A node's key and certificates, its own first, in PEM (PKCS #8). */
export interface LinkCertificate {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

/** What makes a factory. */
export interface WebRtcLinkFactoryOptions {
  readonly iceServers: readonly IceServer[];
  readonly pool: BufferPool;
  /** Links go by way of TURN servers only. */
  readonly isRelayOnly?: boolean;
  /** How long a link whose peer is unreachable lives on, in ms. */
  readonly hold?: number;
  /** Asked for anew for every link; without one, each link has its own. */
  readonly certificate?: () => Promise<LinkCertificate>;
  /** Chooses what protects the records; tests bring their own. */
  readonly chooseAead?: () => Promise<AeadChoice>;
  /** Chooses how datagrams are sent and received; tests bring their own. */
  readonly chooseSockets?: () => Promise<DatagramSocketsChoice>;
  /** Makes one end of a path; tests bring their own. */
  readonly createPath?: (options: PathOptions) => Path;
}

/** What one end of a path is made with. */
export interface PathOptions {
  /** The node that offers controls. */
  readonly role: "controlling" | "controlled";
  readonly iceServers: readonly IceServer[];
}

/** What a link begins with: a path that gathers, and who this node is on it. */
interface Preparation {
  readonly path: Path;
  readonly identity: Identity;
  readonly aead: AeadChoice;
  readonly ownInit: InitFields;
}

/** What this node shows on a link. */
interface Identity {
  readonly privateKeyPem: string;
  /** DER, this node's own first. */
  readonly chain: readonly Uint8Array[];
  readonly fingerprint: string;
}

/** Makes links. */
export class WebRtcLinkFactory implements LinkFactory {
  readonly #options: WebRtcLinkFactoryOptions;
  readonly #store: PayloadStore;
  readonly #windowBudget = new Budget(windowAllowance.process);
  #aead: Promise<AeadChoice> | undefined;
  #sockets: Promise<DatagramSocketsChoice> | undefined;
  #workbench: LinkMemory | undefined;

  constructor(options: WebRtcLinkFactoryOptions) {
    this.#options = options;
    this.#store = new PayloadStore(options.pool);
  }

  /** Chooses what is chosen once a process, so that the first link need not wait for it. */
  async choose(): Promise<void> {
    await Promise.all([this.#chooseAead(), this.#chooseSockets()]);
  }

  /** What protects the records. */
  #chooseAead(): Promise<AeadChoice> {
    this.#aead ??= logged("records", (this.#options.chooseAead ?? chooseAead)());
    return this.#aead;
  }

  /** How datagrams are sent and received. */
  #chooseSockets(): Promise<DatagramSocketsChoice> {
    const choose = this.#options.chooseSockets ?? sharedDatagramSockets;
    this.#sockets ??= logged("datagrams", choose());
    return this.#sockets;
  }

  async createOffer({ judge, onCandidate }: LinkOptions = {}): Promise<LinkOffer> {
    const preparation = await this.#prepare("controlling");
    const { path, identity, ownInit } = preparation;
    await gather(path, onCandidate);
    const description = describe(path, identity, {
      ...{ type: "offer", setup: "actpass", mid: "0", sctpInit: ownInit },
      candidates: path.candidates(),
      hasAllCandidates: onCandidate === undefined,
    });
    let isAnswered = false;
    return {
      description,
      accept: (answer) => {
        isAnswered = true;
        const client = dtlsClientOf({ offer: description.setup, answer: answer.setup });
        const role = client === "offerer" ? "client" : "server";
        const timeout = connectTimeout;
        return this.#createLink({ ...preparation, role, remote: answer, judge, timeout });
      },
      withdraw: () => {
        if (!isAnswered) void path.close();
      },
    };
  }

  async acceptOffer(
    offer: SessionDescription,
    { judge, onCandidate }: LinkOptions = {},
  ): Promise<{ answer: SessionDescription; link: Link }> {
    const preparation = await this.#prepare("controlled");
    const { path, identity, ownInit } = preparation;
    const role = answererRole(offer, { isTrickled: onCandidate !== undefined });
    const timeout = onCandidate === undefined ? answererTimeout : connectTimeout;
    await gather(path, onCandidate);
    const link = this.#createLink({ ...preparation, role, remote: offer, judge, timeout });
    const answer = describe(path, identity, {
      ...{ type: "answer", setup: role === "client" ? "active" : "passive", mid: offer.mid },
      ...(offer.sctpInit === undefined ? {} : { sctpInit: ownInit }),
      candidates: path.candidates(),
      hasAllCandidates: onCandidate === undefined,
    });
    return { answer: { ...answer, answers: offer.sessionId }, link };
  }

  async #prepare(role: "controlling" | "controlled"): Promise<Preparation> {
    const aead = await this.#chooseAead();
    const certificate = await this.#options.certificate?.() ?? createSelfSigned(Date.now());
    const { iceServers, createPath } = this.#options;
    const path = createPath?.({ role, iceServers }) ?? await this.#createPath(role, aead);
    const ownInit = createOwnInit({ random: randomBytes });
    return { path, identity: toIdentity(certificate), aead, ownInit };
  }

  async #createPath(role: PathOptions["role"], { provider }: AeadChoice): Promise<Path> {
    const { iceServers, isRelayOnly = false } = this.#options;
    const { sockets } = await this.#chooseSockets();
    // Where native sockets receive, records are opened where they lie.
    const { receiveBuffer } = this.#memory(provider);
    return new IcePath({ role, iceServers, isRelayOnly, sockets, receiveBuffer });
  }

  #createLink(options: Omit<WebRtcLinkOptions, SharedOptions>): WebRtcLink {
    const { path, remote, aead } = options;
    const workbench = this.#memory(aead.provider);
    const { hold = defaultHold } = this.#options;
    const link = new WebRtcLink({
      ...options,
      store: this.#store,
      windowBudget: this.#windowBudget,
      workbench,
      hold,
    });
    path.connect(remote);
    return link;
  }

  /** Made once, when there is a first link: an idle node has none. */
  #memory(provider: AeadProvider): LinkMemory {
    this.#workbench ??= {
      out: allocate(provider, maxDatagramLength),
      receiveBuffer: allocate(provider, receiveBufferLength),
      spans: new Uint32Array(2 * maxRecordCount),
    };
    return this.#workbench;
  }
}

/** Says in the log what was chosen for these, and why. */
async function logged<Choice extends { readonly reason: string }>(
  what: string,
  choosing: Promise<Choice>,
): Promise<Choice> {
  const choice = await choosing;
  log.debug("{what} by {reason}", { event: "chosen", what, reason: choice.reason });
  return choice;
}

/** What all links send from, and receive with. */
interface LinkMemory extends Workbench {
  readonly receiveBuffer: Uint8Array;
}

/** Memory that libcrypto seals and opens in, where it is libcrypto that does. */
function allocate(provider: AeadProvider, length: number): Uint8Array {
  const { allocate } = provider as Partial<LibcryptoAead>;
  return allocate?.call(provider, length) ?? new Uint8Array(length);
}

function toIdentity({ privateKeyPem, certificatePem }: LinkCertificate): Identity {
  const pems = certificatePem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  const chain = (pems ?? []).map((pem) => new Uint8Array(new X509Certificate(pem).raw));
  const [own] = chain;
  if (own === undefined) throw new Error("this node's certificate is no PEM certificate");
  return { privateKeyPem, chain, fingerprint: fingerprintOf(own) };
}

/**
 * Who begins the handshake, where the offer leaves it open. With signaling that takes a moment it is
 * the offerer, who knows both descriptions, and a path, last: what came before that would be lost,
 * and sent again only after {@link initialTimeout}. RFC 8842 would have it otherwise (section 5.3),
 * and so do descriptions that are carried to WebRTC stacks of others.
 */
function answererRole(
  { setup }: SessionDescription,
  { isTrickled }: { readonly isTrickled: boolean },
): "client" | "server" {
  if (setup === "actpass") return isTrickled ? "server" : "client";
  return setup === "active" ? "server" : "client";
}

/**
 * Gathers until there is what a description has to hold, or the deadline passes, and tells of the
 * candidates that come later; the path goes on by itself.
 */
async function gather(path: Path, onCandidate: LinkOptions["onCandidate"]): Promise<void> {
  let isDescribed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, onCandidate === undefined ? gatherDeadline : hostGatherDeadline);
  });
  const hosts = new HostCandidates();
  const gathered = path.gather((candidate) => {
    if (isDescribed) onCandidate?.(candidate);
    else hosts.take(candidate);
  });
  // What servers answer is trickled: a dead one holds nothing up.
  const enough = onCandidate === undefined ? [] : [hosts.complete];
  await Promise.race([gathered, deadline, ...enough]);
  clearTimeout(timer);
  isDescribed = true;
  void gathered.then(() => onCandidate?.(undefined));
}

/** Finds out when every address that the other node is told of has its candidate. */
class HostCandidates {
  /** Never resolves where an address gives none. */
  readonly complete: Promise<void>;
  readonly #complete = Promise.withResolvers<void>();
  readonly #missing: Set<string>;

  constructor() {
    const addresses = hostAddresses();
    const reachable = addresses.filter((address) => !/^(127\.|::1$)/.test(address));
    // Loopback is told of where there is nothing else.
    this.#missing = new Set(reachable.length === 0 ? addresses : reachable);
    this.complete = this.#complete.promise;
  }

  take({ type, address }: Candidate): void {
    const isAwaited = type === "host" && this.#missing.delete(address);
    if (isAwaited && this.#missing.size === 0) this.#complete.resolve();
  }
}

function describe(
  path: Path,
  { fingerprint }: Identity,
  rest: Pick<
    SessionDescription,
    "type" | "setup" | "mid" | "sctpInit" | "candidates" | "hasAllCandidates"
  >,
): SessionDescription {
  return {
    sessionId: String(randomBytes(8).readBigUInt64BE() >> 1n),
    ...path.credentials,
    fingerprint,
    sctpPort,
    maxMessageSize: maxMessageLength,
    ...rest,
  };
}

/** What the factory gives all links. */
type SharedOptions = "store" | "workbench" | "hold" | "windowBudget";

interface WebRtcLinkOptions extends Preparation {
  /** Of DTLS. */
  readonly role: "client" | "server";
  readonly remote: SessionDescription;
  readonly judge: Judge | undefined;
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly hold: number;
  readonly store: PayloadStore;
  /** Of all links. */
  readonly windowBudget: Budget;
  readonly workbench: Workbench;
}

/** One link. */
class WebRtcLink implements Link {
  readonly peerFingerprint: string;
  handler: LinkHandler | undefined;
  readonly windowBudget: Budget;
  readonly #path: Path;
  readonly #driver: LinkDriver;
  readonly #channels = new Map<DataChannel, WebRtcChannel>();
  /** Those with messages that lie where they came. */
  readonly #batch: WebRtcChannel[] = [];
  readonly #connectTimer: ReturnType<typeof setTimeout>;
  #state: LinkState = "connecting";
  #peer: Peer | undefined;
  /** Why the judge did not accept the other node. */
  #refusal: string | undefined;
  #drainReason: string | undefined;
  #unreadLength = 0;

  constructor(options: WebRtcLinkOptions) {
    const { path, identity, aead, ownInit, role, remote, judge, timeout, hold } = options;
    const { store, workbench } = options;
    this.#path = path;
    this.windowBudget = new Budget(windowAllowance.link, options.windowBudget);
    this.peerFingerprint = remote.fingerprint;
    const cookieKey = randomBytes(32);
    this.#driver = new LinkDriver({
      path,
      workbench,
      handler: {
        handleUp: (selected) => this.#handleUp(selected),
        handleMoved: (selected) => {
          log.info("the link goes another way: {local} to {remote}, {kind}", {
            event: "link-moved",
            local: selected.local,
            remote: selected.remote,
            kind: describeKind(selected),
          });
        },
        handleHealth: (health) => this.handler?.handleHealth?.(health),
        handleChannel: (channel) => this.#handleChannel(channel),
        handleReleased: (channel) => this.#handleReleased(channel),
        handleBatchEnd: () => this.#handleBatchEnd(),
        handleEnded: (end) => this.#finish(this.#describeEnd(end)),
      },
      dtls: {
        role,
        crypto: createNodeHandshakeCrypto({
          aead: aead.provider,
          privateKey: identity.privateKeyPem,
        }),
        chain: identity.chain,
        peer: this.#expectation(remote, judge),
        cipherSuites: aead.provider === nodeAead ? portableCipherSuites : cipherSuiteNames,
        initialTimeout,
      },
      association: {
        store,
        random: randomBytes,
        mac: (bytes) => createHmac("sha256", cookieKey).update(bytes).digest(),
        localPort: sctpPort,
        remotePort: remote.sctpPort,
        maxMessageLength,
        heartbeatInterval,
        ownInit,
        peerInit: peerInitOf(remote, ownInit),
      },
      maxChannelCount,
      peerMaxMessageLength: remote.maxMessageSize,
      maxPacketLength,
      patience: { silentAfter, unreachableAfter, endsAfter: unreachableAfter + hold },
    });
    this.#connectTimer = setTimeout(
      () => void this.close(`the other node was not reached within ${timeout / 1000} s`),
      timeout,
    );
  }

  get state(): LinkState {
    return this.#state;
  }

  get silence(): number {
    return this.#driver.silence;
  }

  get path(): LinkPath | undefined {
    return this.#path.selected();
  }

  get traffic(): LinkTraffic {
    const { figures: { sentLength, resentLength }, receivedLength } = this.#driver.association;
    return { sent: sentLength, resent: resentLength, received: receivedLength };
  }

  get peer(): Peer | undefined {
    return this.#peer;
  }

  addCandidate(candidate: Candidate | undefined): void {
    this.#path.addCandidate(candidate);
  }

  openChannel({ label, protocol, isDatagrams = false }: ChannelOptions): Channel {
    if (this.#state !== "up") throw new Error("a channel needs a link that is up");
    const reliability = isDatagrams ? { isOrdered: false, maxRetransmissions: 0 } : {};
    const channel = this.#adopt(
      this.#driver.channels.open({ label, protocol, ...reliability }, performance.now()),
    );
    this.#driver.schedule();
    return channel;
  }

  drain(reason: string): void {
    this.#drainReason = reason;
    if (this.#state === "up") {
      this.#state = "draining";
      this.handler?.handleDraining?.();
    }
    this.#closeIfDrained();
  }

  async close(reason: string): Promise<void> {
    const closed = this.#driver.close(reason);
    this.#finish(reason);
    await closed;
  }

  /** Has what was sent on a channel go out. */
  schedule(): void {
    this.#driver.schedule();
  }

  /** The user data of the packets that go out by one call, in bytes. */
  get burstLength(): number {
    return this.#driver.burstLength;
  }

  /** Smoothed, in ms. */
  get roundTrip(): number | undefined {
    return this.#driver.association.srtt;
  }

  /** Where the datagrams lie that are being taken. */
  get batchBytes(): Uint8Array | undefined {
    return this.#driver.batchBytes;
  }

  /** The channel is told when those datagrams are taken. */
  joinBatch(channel: WebRtcChannel): void {
    this.#batch.push(channel);
  }

  /** What the users of all channels hold of their messages has grown, or shrunk, by so much. */
  addUnread(length: number): void {
    const before = this.#excessLength;
    this.#unreadLength += length;
    const excess = this.#excessLength;
    if (excess === before) return;
    this.#driver.association.setUnreadLength(excess);
    if (excess < before) this.#driver.schedule();
  }

  /** What is held beyond the allowance, in bytes. */
  get #excessLength(): number {
    return Math.max(0, this.#unreadLength - unreadAllowance);
  }

  #expectation(remote: SessionDescription, judge: Judge | undefined): PeerExpectation {
    const value = Uint8Array.fromHex(remote.fingerprint.replaceAll(":", ""));
    const fingerprints = [{ algorithm: "sha-256", value }];
    if (judge === undefined) return { fingerprints };
    return {
      fingerprints,
      judge: (chain) => {
        const verdict = judge(chain, Date.now());
        if (verdict.ok) this.#peer = verdict.peer;
        else this.#refusal = `the other node is not accepted: ${verdict.reason}`;
        return this.#refusal;
      },
    };
  }

  #handleUp(selected: LinkPath): void {
    clearTimeout(this.#connectTimer);
    this.#state = "up";
    this.handler?.handleUp(selected);
  }

  #handleChannel(channel: DataChannel): void {
    this.handler?.handleChannel(this.#adopt(channel));
  }

  #handleReleased(channel: DataChannel): void {
    this.#channels.get(channel)?.forgetUnread();
    this.#channels.delete(channel);
    this.#closeIfDrained();
  }

  #handleBatchEnd(): void {
    for (const channel of this.#batch) channel.endBatch();
    this.#batch.length = 0;
  }

  #adopt(channel: DataChannel): WebRtcChannel {
    const adopted = new WebRtcChannel(this, channel);
    this.#channels.set(channel, adopted);
    return adopted;
  }

  #closeIfDrained(): void {
    if (this.#drainReason !== undefined && this.#channels.size === 0) {
      void this.close(this.#drainReason);
    }
  }

  #finish(reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#connectTimer);
    this.#channels.clear();
    this.handler?.handleClosed(reason);
  }

  #describeEnd(end: DriverEnd): string {
    switch (end.by) {
      case "path":
        return end.reason;
      case "silence":
        return "the other node does not answer any more";
      case "dtls":
        return this.#describeDtlsEnd(end.event);
      case "sctp":
        if (end.code === "timeout") return "the other node does not answer any more";
        return end.code === "protocol" ? end.reason : "the other node closed the link";
      default:
        return end satisfies never;
    }
  }

  #describeDtlsEnd({ code, reason }: { readonly code: string; readonly reason: string }): string {
    if (code === "peer-closed") return "the other node closed the link";
    if (code !== "peer-refused") return reason;
    return this.#refusal ?? "the other end's certificate is not the one its text names";
  }
}

/** libdatachannel gives back what it does not know of an offer: that is no INIT of its own. */
function peerInitOf({ sctpInit }: SessionDescription, own: InitFields): InitFields | undefined {
  const isEcho = sctpInit?.initiateTag === own.initiateTag &&
    sctpInit.initialTsn === own.initialTsn;
  return isEcho ? undefined : sctpInit;
}

/** What a path might take: more where both ends are this host. */
function maxPacketLength({ remote, isRelayed }: LinkPath): number {
  const { ipv4, ipv6, relayed, sameHost } = packetLengths;
  if (isRelayed) return relayed;
  const address = remote.replace(/:\d+$/, "").replaceAll(/[[\]]/g, "");
  if (hostAddresses().includes(address)) return sameHost;
  return address.includes(":") ? ipv6 : ipv4;
}

/** One channel, as the layers above see it. */
class WebRtcChannel implements Channel {
  readonly #link: WebRtcLink;
  readonly #channel: DataChannel;
  /** Bytes of binary messages that the user holds. */
  #unreadLength = 0;
  #isInBatch = false;

  constructor(link: WebRtcLink, channel: DataChannel) {
    this.#link = link;
    this.#channel = channel;
  }

  get label(): string {
    return this.#channel.label;
  }

  get protocol(): string {
    return this.#channel.protocol;
  }

  get maxFragmentedLength(): number {
    return this.#channel.maxMessageLength;
  }

  get burstLength(): number {
    return this.#link.burstLength;
  }

  get roundTrip(): number | undefined {
    return this.#link.roundTrip;
  }

  get windowBudget(): Budget {
    return this.#link.windowBudget;
  }

  get sendableLength(): number {
    return this.#channel.sendableLength;
  }

  get handler(): ChannelHandler | undefined {
    return this.#handler;
  }

  set handler(handler: ChannelHandler | undefined) {
    this.#handler = handler;
    this.#channel.handler = handler && {
      handleBinary: (bytes, start, end) => {
        this.#unreadLength += end - start;
        this.#link.addUnread(end - start);
        handler.handleBinary(bytes, start, end, this.#stays(bytes));
      },
      handleText: (text) => handler.handleText(text),
      handleWritable: () => handler.handleWritable(),
      handleClosed: () => {
        this.forgetUnread();
        handler.handleClosed();
      },
    };
  }

  sendBinary(bytes: Uint8Array, start: number, end: number): void {
    this.#channel.sendBinary(bytes.subarray(start, end), performance.now());
    this.#link.schedule();
  }

  sendRun(bytes: Uint8Array, start: number, end: number): void {
    this.#channel.sendRun(bytes, start, end);
    this.#link.schedule();
  }

  sendText(text: string): void {
    this.#channel.sendText(text, performance.now());
    this.#link.schedule();
  }

  consume(length: number): void {
    const consumed = Math.min(length, this.#unreadLength);
    if (consumed === 0) return;
    this.#unreadLength -= consumed;
    this.#link.addUnread(-consumed);
  }

  close(): void {
    this.#channel.close(performance.now());
    this.forgetUnread();
    this.#link.schedule();
  }

  /** What came together has been told. */
  endBatch(): void {
    this.#isInBatch = false;
    this.#handler?.handleBatchEnd?.();
  }

  /** Whether a message lies where it came, and its handler is told when it does no more. */
  #stays(bytes: Uint8Array): boolean {
    if (bytes !== this.#link.batchBytes || this.#handler?.handleBatchEnd === undefined) {
      return false;
    }
    if (!this.#isInBatch) this.#link.joinBatch(this);
    this.#isInBatch = true;
    return true;
  }

  /** All of a closed channel counts as consumed. */
  forgetUnread(): void {
    this.consume(this.#unreadLength);
  }

  #handler: ChannelHandler | undefined;
}
