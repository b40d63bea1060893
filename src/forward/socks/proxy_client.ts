/**
 * A client's connection whose first bytes are for the proxy. What was read beyond those is early
 * payload, and is read again by whoever carries the stream.
 */
import type { Connection } from "../../socket/connection.ts";

/** The first buffer, in bytes: twice what a message of SOCKS5 may have, nearly. */
const firstLength = 1_024;

/** Ends a greeting without an answer: there is nobody to hear one. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** One client. */
export class ProxyClient implements Connection {
  readonly #connection: Connection;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(firstLength);
  /** What came and was not used is `#buffer[#start..#end)`. */
  #start = 0;
  #end = 0;
  #isEnded = false;
  #filling: Promise<void> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get remote(): string {
    return this.#connection.remote;
  }

  /** What came and was not used; lent until the next call. */
  get early(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Uses so many bytes. */
  skip(length: number): void {
    this.#start += length;
  }

  /**
   * A message at the beginning of what comes, which has at most `maxLength` bytes; `parse` returns
   * undefined while some of it is missing. Throws {@link ClientGone} where the client ends before.
   */
  async readMessage<Message extends { readonly length: number } | string>(
    parse: (bytes: Uint8Array) => Message | undefined,
    maxLength: number,
  ): Promise<Message> {
    while (true) {
      const message = parse(this.early);
      if (message !== undefined) {
        if (typeof message !== "string") this.skip(message.length);
        return message;
      }
      if (this.early.length >= maxLength) throw new ClientGone("its message is too long");
      this.#makeRoom(maxLength);
      await this.#fillOnce();
      if (this.#isEnded) throw new ClientGone("it ended before its message did");
    }
  }

  /**
   * Reads on while nobody else does, as far as there is room. Rejects where the client has reset
   * before anything came; its end, and its early payload, are kept for `read`.
   */
  async watch(): Promise<void> {
    this.#makeRoom(firstLength);
    if (this.#end < this.#buffer.length) await this.#fillOnce();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#start === this.#end) {
      if (this.#isEnded) return null;
      if (this.#filling === undefined) {
        this.#forget();
        return await this.#connection.read(buffer);
      }
      await this.#filling;
    }
    const count = Math.min(buffer.length, this.#end - this.#start);
    buffer.set(this.#buffer.subarray(this.#start, this.#start + count));
    this.skip(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#connection.write(bytes);
  }

  endWrite(): Promise<void> {
    return this.#connection.endWrite();
  }

  probe(): Promise<void> {
    return this.#connection.probe();
  }

  reset(): void {
    this.#connection.reset();
  }

  close(): void {
    this.#connection.close();
  }

  /** Room for more, while what there is has less than `maxLength`. */
  #makeRoom(maxLength: number): void {
    if (this.#end < this.#buffer.length || this.#filling !== undefined) return;
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    if (this.#end < this.#buffer.length || this.#end >= maxLength) return;
    // What is grown is given back at once, which memory that is collected would not be.
    this.#buffer = new Uint8Array(this.#buffer.buffer.transfer(maxLength));
  }

  /** The buffer has served. */
  #forget(): void {
    if (this.#buffer.length > 0) this.#buffer = new Uint8Array(0);
    this.#start = this.#end = 0;
  }

  #fillOnce(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => this.#filling = undefined);
    return this.#filling;
  }

  async #fill(): Promise<void> {
    const count = await this.#connection.read(this.#buffer.subarray(this.#end));
    if (count === null) this.#isEnded = true;
    else this.#end += count;
  }
}
