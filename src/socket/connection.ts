/** A byte stream to a client or a target, whatever carries it. */

/** Reads and writes whole, half-close, reset. One reader, one writer. */
export interface Connection {
  /** The other end as the log names it: `host:port` where it has an address. */
  readonly remote: string;
  /** Reads into the buffer; the count of bytes, or null at the end. Throws on a reset. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes all bytes. Throws when the other end has gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: the other end reads the end of the stream and may go on writing. */
  endWrite(): Promise<void>;
  /** Throws where the other end has reset: nobody hears of that while neither reading nor writing. */
  probe(): Promise<void>;
  /** Closes so that the other end sees an error. Pending reads and writes reject. */
  reset(): void;
  /** Closes both ways. Pending reads and writes reject; a second call does nothing. */
  close(): void;
}
