/**
 * What the scripts of client and server share: what they are told, and what they can do.
 *
 * @module
 */
import type { CipherSuite } from "./cipher_suite.ts";
import type { HandshakeCrypto, NamedGroup } from "./handshake_crypto.ts";
import type { HandshakeFailure } from "./handshake_failure.ts";
import type { HandshakeMessage, HandshakeType } from "./handshake_header.ts";
import type { TrafficKeys } from "./key_schedule.ts";
import type { PeerExpectation } from "./peer_expectation.ts";
import type { Transcript } from "./transcript.ts";

/** A handshake's settings. */
export interface HandshakeSettings {
  readonly crypto: HandshakeCrypto;
  /** Our certificates in DER, our own first. */
  readonly chain: readonly Uint8Array[];
  readonly peer: PeerExpectation;
  /** In our order of preference. */
  readonly cipherSuites: readonly CipherSuite[];
  /** In our order of preference. */
  readonly groups: readonly NamedGroup[];
}

/** What records are protected with from the ChangeCipherSpecs on. */
export interface Protection {
  readonly suite: CipherSuite;
  readonly keys: TrafficKeys;
  /** The longest payload of a protected record that the peer takes; undefined where it tells none. */
  readonly maxPayloadLength: number | undefined;
}

/** A handshake's settings and hands. */
export interface HandshakeContext extends HandshakeSettings {
  /** Has every message that was received or sent, the one that is being handled last. */
  readonly transcript: Transcript;
  /** Puts a message into the transcript and into the flight that is sent when the handler is done. */
  send(type: HandshakeType, body: Uint8Array): void;
  sendChangeCipherSpec(): void;
  /**
   * Takes the keys: the peer has signed what both ends drew at random. What is sent after our
   * ChangeCipherSpec is protected by them.
   */
  protect(protection: Protection): void;
}

/** What both ends agreed on. */
export interface Agreement {
  readonly suite: CipherSuite;
  readonly group: NamedGroup;
  /** The peer's certificates, its own first: judged, and its key proved. */
  readonly peerChain: readonly Uint8Array[];
}

/** One side of a handshake. */
export interface HandshakeScript {
  /**
   * Takes the next message, complete and in order. It is in the transcript already. After a failure
   * the script is of no use any more.
   */
  handleMessage(message: HandshakeMessage): HandshakeFailure | undefined;
  /** Whether this is where the peer's ChangeCipherSpec belongs; elsewhere it is dropped. */
  handleChangeCipherSpec(): boolean;
  /** A script at the same point, with hands of its own. */
  fork(context: HandshakeContext): HandshakeScript;
  /** What was agreed on, once the peer's Finished is verified. */
  agreement(): Agreement | undefined;
  /** Whether our flight is the last: nothing answers it. */
  sendsLastFlight: boolean;
  /** For messages to people. */
  stateName(): string;
  /** The secret it holds, if any: whoever is done with the script wipes it. */
  masterSecret(): Uint8Array | undefined;
}
