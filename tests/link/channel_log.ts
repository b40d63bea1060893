/** What a channel tells, written down; and messages that are told apart by one look. */
import type { Channel, ChannelHandler } from "../../src/link/link.ts";

/** Keeps all that comes, and consumes it unless it is to stand still. */
export class ChannelLog implements ChannelHandler {
  readonly channel: Channel;
  readonly texts: string[] = [];
  readonly pieces: Uint8Array[] = [];
  receivedLength = 0;
  isClosed = false;
  /** Whether what comes is consumed at once. */
  isConsuming = true;
  onText: (text: string) => void = () => {};
  onBinary: (bytes: Uint8Array) => void = () => {};
  onWritable: () => void = () => {};
  onClosed: () => void = () => {};

  constructor(channel: Channel) {
    this.channel = channel;
    channel.handler = this;
  }

  handleBinary(bytes: Uint8Array, start: number, end: number): void {
    const piece = bytes.slice(start, end);
    this.pieces.push(piece);
    this.receivedLength += piece.length;
    if (this.isConsuming) this.channel.consume(piece.length);
    this.onBinary(piece);
  }

  handleText(text: string): void {
    this.texts.push(text);
    this.onText(text);
  }

  handleWritable(): void {
    this.onWritable();
  }

  handleClosed(): void {
    this.isClosed = true;
    this.onClosed();
  }

  /** All binary messages, one after another. */
  received(): Uint8Array {
    const bytes = new Uint8Array(this.receivedLength);
    let at = 0;
    for (const piece of this.pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  /** Sends all of it, as fast as the channel takes it. */
  sendAll(payload: Uint8Array): void {
    let at = 0;
    this.onWritable = () => {
      while (at < payload.length) {
        const end = Math.min(payload.length, at + this.channel.sendableLength);
        if (end === at) return;
        this.channel.sendRun(payload, at, end);
        at = end;
      }
    };
    this.onWritable();
  }
}
