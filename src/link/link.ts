/**
 * A link joins two nodes: one authenticated, encrypted path with data channels over it. This is
 * the interface that everything above speaks; what makes a link work stays below it.
 *
 * Events come as calls to one handler, synchronously and in order. A handler is set before control
 * returns to the event loop from the call that made the link or channel, and not changed.
 */
import type { Judge } from "../identity/judge.ts";
import type { Peer } from "../identity/verify.ts";
import type { Candidate, SessionDescription } from "./session_description.ts";

/** The bytes of one message, or a text. Binary messages are payload, texts are control. */
export type ChannelMessage = Uint8Array | string;

/** What a channel tells its user. */
export interface ChannelHandler {
  /** A message arrived. Its bytes are the handler's to keep. */
  handleMessage(message: ChannelMessage): void;
  /** The buffer of messages to send has room again after it was full. */
  handleWritable(): void;
  /** Nothing more comes or goes: closed by the other node, or with the link. Called once. */
  handleClosed(): void;
}

/** One reliable, ordered data channel (RFC 8831). */
export interface Channel {
  /** DCEP's label (RFC 8832): what the opener asks for. */
  readonly label: string;
  /** DCEP's protocol field: the kind of stream and its version. */
  readonly protocol: string;
  /** The longest message that may be sent, in bytes. */
  readonly maxMessageLength: number;
  /** Bytes that may be sent now before the buffer is full. */
  readonly sendableLength: number;
  /** Set by the user right after the channel was made. */
  handler: ChannelHandler | undefined;
  /** Sends a message; its bytes are copied before this returns. Does nothing once closed. */
  send(message: ChannelMessage): void;
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
}

/** What a link tells its user. */
export interface LinkHandler {
  /** The other node is authenticated and channels can be opened. Called once at most. */
  handleUp(path: LinkPath): void;
  /** The other node opened a channel. Its `handler` is to be set within this call. */
  handleChannel(channel: Channel): void;
  /** The link has ended, with the reason. All its channels are closed. Called once. */
  handleClosed(reason: string): void;
}

/** What whoever made a link wants to know of it; the node that uses it tells. */
export interface LinkObserver {
  handleUp(): void;
  handleClosed(reason: string): void;
}

/** How far a link has come. One that is draining opens no more channels of its own. */
export type LinkState = "connecting" | "up" | "draining" | "closed";

/** One link. */
export interface Link {
  readonly state: LinkState;
  /** The other end's certificate fingerprint (SHA-256, upper-case hex with colons). */
  readonly peerFingerprint: string;
  /** Who the other node is, where certificates say so and once the link is up. */
  readonly peer: Peer | undefined;
  handler: LinkHandler | undefined;
  /** Opens a channel; messages may be sent at once. Throws when the link is not up. */
  openChannel(options: { label: string; protocol: string }): Channel;
  /** Takes a further candidate of the other side; undefined after the last. */
  addCandidate(candidate: Candidate | undefined): void;
  /** Ends the link once it has no channels. */
  drain(reason: string): void;
  /** Ends the link and tells the other node. `handleClosed` is called with the reason. */
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
