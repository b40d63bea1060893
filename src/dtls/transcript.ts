/**
 * `handshake_messages`: everything that was said so far, in the bytes that were used. Signatures,
 * the session hash and Finished are all computed over this one copy.
 *
 * @module
 */
import type { HandshakeCrypto, HashName } from "./handshake_crypto.ts";
import { type HandshakeMessage, writeHandshakeMessage } from "./handshake_header.ts";
import { concatenate } from "./wire_writer.ts";

/** The messages of one handshake, in order, sent and received. */
export class Transcript {
  readonly #crypto: Pick<HandshakeCrypto, "createHash">;
  #messages: Uint8Array[] = [];

  constructor(crypto: Pick<HandshakeCrypto, "createHash">) {
    this.#crypto = crypto;
  }

  /**
   * RFC 6347 section 4.2.6: "In order to remove sensitivity to fragmentation, the Finished MAC MUST
   * be computed as if each handshake message had been sent as a single fragment."
   */
  add(message: HandshakeMessage): void {
    this.#messages.push(writeHandshakeMessage(message));
  }

  /** A transcript that starts with the same messages, and goes on by itself. */
  clone(): Transcript {
    const clone = new Transcript(this.#crypto);
    clone.#messages = [...this.#messages];
    return clone;
  }

  /** The messages one by one; a clone's are the same objects. */
  messages(): readonly Uint8Array[] {
    return this.#messages;
  }

  /** Forgets everything. */
  clear(): void {
    this.#messages = [];
  }

  /** All messages. */
  bytes(): Uint8Array {
    return concatenate(...this.#messages);
  }

  /** All messages but the last: what the last one, if it proves something, proves. */
  bytesBeforeLast(): Uint8Array {
    return concatenate(...this.#messages.slice(0, -1));
  }

  /** The hash of all messages. */
  digest(hash: HashName): Uint8Array {
    return this.#digestOf(hash, this.bytes());
  }

  /** The hash of all messages but the last. */
  digestBeforeLast(hash: HashName): Uint8Array {
    return this.#digestOf(hash, this.bytesBeforeLast());
  }

  #digestOf(name: HashName, bytes: Uint8Array): Uint8Array {
    const hash = this.#crypto.createHash(name);
    hash.update(bytes);
    return hash.digest();
  }
}
