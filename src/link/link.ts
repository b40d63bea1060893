/**
 * A link joins two nodes: one authenticated, encrypted path with data channels over it. This is
 * the interface that everything above speaks; what makes a link work stays below it.
 *
 * Events come as calls to one handler, synchronously and in order. A handler is set before control
 * returns to the event loop from the call that made the link or channel, and not changed.
 */
import type { Budget } from "../budget.ts";
import type { Judge } from "../identity/judge.ts";
import type { Peer } from "../identity/verify.ts";
import type { Candidate, SessionDescription } from "./session_description.ts";

/** What a channel tells its user, who may send, consume and close within each of these calls. */
export interface ChannelHandler {
  /**
   * A binary message arrived: `bytes[start..end)`, lent until this returns; or, where it stays, until
   * `handleBatchEnd` does.
   */
  handleBinary(bytes: Uint8Array, start: number, end: number, isStaying: boolean): void;
  /** All that came together has been told. No message stays for those who do not take this. */
  handleBatchEnd?(): void;
  /** A text message arrived. */
  handleText(text: string): void;
  /** The buffer of messages to send has room again after it was full. */
  handleWritable(): void;
  /** Nothing more comes or goes: closed by the other node, or with the link. Called once. */
  handleClosed(): void;
}

/** What is asked for when a channel is opened. */
export interface ChannelOptions {
  /** DCEP's label (RFC 8832). */
  readonly label: string;
  /** DCEP's protocol field. */
  readonly protocol: string;
  /** Messages may be lost and overtake each other: none is sent twice. Reliable, in order, unless so. */
  readonly isDatagrams?: boolean;
}

/** One data channel (RFC 8831): reliable and ordered, unless it was opened for datagrams. */
export interface Channel {
  /** DCEP's label (RFC 8832): what the opener asks for. */
  readonly label: string;
  /** DCEP's protocol field: the kind of stream and its version. */
  readonly protocol: string;
  /** The longest message that may ever be sent, in several packets, in bytes: what the peer takes. */
  readonly maxFragmentedLength: number;
  /** What is best sent at once on the path as it is, in bytes: whole packets, sent by one call. */
  readonly burstLength: number;
  /** The round trip to the other node, smoothed, in ms; undefined before one was measured. */
  readonly roundTrip: number | undefined;
  /** What windows that are longer than others' are taken from. */
  readonly windowBudget: Budget;
  /** Bytes that may be sent now before the buffer is full. */
  readonly sendableLength: number;
  /** Set by the user right after the channel was made. */
  handler: ChannelHandler | undefined;
  /** Sends `bytes[start..end)` as one message, copied before this returns; nothing once closed. */
  sendBinary(bytes: Uint8Array, start: number, end: number): void;
  /**
   * Sends `bytes[start..end)`, copied before this returns, as binary messages that are as long as
   * packets take; nothing once closed. For channels that are reliable and in order.
   */
  sendRun(bytes: Uint8Array, start: number, end: number): void;
  /** Sends a text message. Does nothing once closed. */
  sendText(text: string): void;
  /**
   * So many bytes of the binary messages that arrived were handed on. What arrived and was not
   * consumed narrows the link's receive window. All of a closed channel counts as consumed, and
   * this does nothing then.
   */
  consume(length: number): void;
  /**
   * Closes both ways, after what was sent has been delivered. `handleClosed` is not called for it.
   * A second call does nothing.
   */
  close(): void;
}

/** Between which addresses a link runs. */
export interface LinkPath {
  /** `host:port` on this side. */
  readonly local: string;
  /** `host:port` on the other side. */
  readonly remote: string;
  /** Through a TURN server, or not. */
  readonly isRelayed: boolean;
  /** The round trip in ms, where it was measured. */
  readonly rtt?: number | undefined;
  /** Why it is not direct, where it is not. */
  readonly obstacle?: string | undefined;
}

/**
 * Whether the other node is heard: "silent" after 3 s without an authentic byte, "unreachable" after
 * 30 s. All that was open stays so until the link ends.
 */
export type LinkHealth = "heard" | "silent" | "unreachable";

/** What a link tells its user. */
export interface LinkHandler {
  /** The other node is authenticated and channels can be opened. Called once at most. */
  handleUp(path: LinkPath): void;
  /** The link's health has changed. It begins as "heard". */
  handleHealth?(health: LinkHealth): void;
  /** The link ends once it has no channels: whoever holds one for as long as it is up lets it go. */
  handleDraining?(): void;
  /** The other node opened a channel. Its `handler` is to be set within this call. */
  handleChannel(channel: Channel): void;
  /** The link has ended, with the reason. All its channels are closed. Called once. */
  handleClosed(reason: string): void;
}

/** What whoever made a link wants to know of it; the node that uses it tells. */
export interface LinkObserver {
  handleUp(): void;
  /** The other node is not heard, and a further link to it is wanted. */
  handleLost?(): void;
  /** It is heard again, after all. */
  handleFound?(): void;
  handleClosed(reason: string): void;
}

/** What this end of a link has sent and received: user data, in bytes. */
export interface LinkTraffic {
  /** All of it, with what was sent again. */
  readonly sent: number;
  /** What was sent again. */
  readonly resent: number;
  /** What came, each piece once. */
  readonly received: number;
}

/** How far a link has come. One that is draining opens no more channels of its own. */
export type LinkState = "connecting" | "up" | "draining" | "closed";

/** One link. */
export interface Link {
  readonly state: LinkState;
  /** How long nothing authentic was heard, in ms; 0 before the link is up. */
  readonly silence: number;
  /** Where it runs at the moment; undefined while there is no path. */
  readonly path: LinkPath | undefined;
  /** What went over it since it is up; undefined where it is not counted. */
  readonly traffic?: LinkTraffic | undefined;
  /** The round trip to the other node, smoothed, in ms; undefined before one was measured. */
  readonly roundTrip?: number | undefined;
  /** The other end's certificate fingerprint (SHA-256, upper-case hex with colons). */
  readonly peerFingerprint: string;
  /** Who the other node is, where certificates say so and once the link is up. */
  readonly peer: Peer | undefined;
  handler: LinkHandler | undefined;
  /** Opens a channel; messages may be sent at once. Throws when the link is not up. */
  openChannel(options: ChannelOptions): Channel;
  /** Takes a further candidate of the other side; undefined after the last. */
  addCandidate(candidate: Candidate | undefined): void;
  /** Ends the link once it has no channels. */
  drain(reason: string): void;
  /**
   * Ends the link and tells the other node. `handleClosed` is called with the reason. Resolves when
   * nothing is left of it, also where it had ended before.
   */
  close(reason: string): Promise<void>;
}

/** An offer of this node, waiting for its answer. */
export interface LinkOffer {
  readonly description: SessionDescription;
  /** Takes the answer; the link begins to connect. May be called once. */
  accept(answer: SessionDescription): Link;
  /** Frees what the offer holds. Does nothing once an answer was taken. */
  withdraw(): void;
}

/** What a new link is to do beyond connecting. */
export interface LinkOptions {
  /** Decides on the other node's certificate; without it the fingerprint alone binds the link. */
  readonly judge?: Judge;
  /**
   * Takes candidates that are found after the description was made, undefined after the last. Without
   * it the description waits for them, for a second at most.
   */
  readonly onCandidate?: (candidate: Candidate | undefined) => void;
}

/** Makes links: one side offers, the other answers. */
export interface LinkFactory {
  createOffer(options?: LinkOptions): Promise<LinkOffer>;
  acceptOffer(
    offer: SessionDescription,
    options?: LinkOptions,
  ): Promise<{ answer: SessionDescription; link: Link }>;
}
