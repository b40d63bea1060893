/**
 * The datagrams of one client and one target over one data channel: each is a message, and control is
 * text, as on streams. Nothing is waited for, and nothing is sent twice; docs/protocol.md has the
 * whole.
 */
import type { Channel, ChannelHandler } from "../link/link.ts";
import { parseControlMessage, type RefusalCode, writeControlMessage } from "./control_message.ts";

/** DCEP's protocol field for the datagrams of UDP. */
export const udpProtocol = "aetherport-udp/1";
/** The longest payload that UDP over IPv4 carries, in bytes. */
export const maxDatagramLength = 65_507;

/** What a channel of datagrams tells its owner. */
export interface DatagramChannelHandler {
  /** A datagram, `bytes[start..end)`, lent until this returns; it may be empty. */
  handleDatagram(bytes: Uint8Array, start: number, end: number): void;
  /** The other side, or the link, has ended it. Called once, and not for what this side does. */
  handleClosed(closed: DatagramsClosed): void;
}

/** How it ended. */
export type DatagramsClosed =
  | { readonly how: "refused"; readonly code: RefusalCode; readonly reason: string }
  | { readonly how: "closed"; readonly reason: string };

/** One end of it. */
export class DatagramChannel implements ChannelHandler {
  /** Set by the owner right after this was made. */
  handler: DatagramChannelHandler | undefined;
  readonly #channel: Channel;
  #isClosed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.handler = this;
  }

  /** Sends `bytes[start..end)`, copied; drops it where the channel has no room for it now. */
  send(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const { sendableLength, maxFragmentedLength } = this.#channel;
    // One byte stands for none.
    if (Math.max(length, 1) > Math.min(sendableLength, maxFragmentedLength)) return;
    this.#channel.sendBinary(bytes, start, end);
  }

  /** The ingress will not, or cannot, reach the target. */
  refuse(code: RefusalCode, reason: string): void {
    if (this.#isClosed) return;
    this.#channel.sendText(writeControlMessage({ type: "refused", code, reason }));
    this.close();
  }

  /** Ends it, and tells the other side why. */
  reset(reason: string): void {
    if (this.#isClosed) return;
    this.#channel.sendText(writeControlMessage({ type: "reset", reason }));
    this.close();
  }

  /** Ends it. A second call does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#channel.close();
  }

  handleBinary(bytes: Uint8Array, start: number, end: number): void {
    this.#channel.consume(end - start);
    if (this.#isClosed || end - start > maxDatagramLength) return;
    this.handler?.handleDatagram(bytes, start, end);
  }

  handleText(text: string): void {
    if (this.#isClosed) return;
    const message = parseControlMessage(text);
    switch (message?.type) {
      case "refused":
        return this.#end({ how: "refused", code: message.code, reason: message.reason });
      case "reset":
        return this.#end({ how: "closed", reason: message.reason });
      default:
        return this.#end({ how: "closed", reason: "a control message that is none" });
    }
  }

  handleWritable(): void {}

  handleClosed(): void {
    if (!this.#isClosed) {
      this.#end({ how: "closed", reason: "the link or the other node ended it" });
    }
  }

  #end(closed: DatagramsClosed): void {
    this.close();
    this.handler?.handleClosed(closed);
  }
}
