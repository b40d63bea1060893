/** A byte stream to a client or a target, whatever carries it. */

/** Parts of one buffer, in the order in which they are written. */
export interface ByteParts {
  readonly bytes: Uint8Array;
  /** Where each starts and ends, one after the other. */
  readonly bounds: readonly number[];
}

/** Reads and writes whole, half-close, reset. One reader, one writer. */
export interface Connection {
  /** The other end as the log names it: `host:port` where it has an address. */
  readonly remote: string;
  /** Reads into the buffer; the count of bytes, or null at the end. Throws on a reset. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes all bytes. Throws when the other end has gone. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Writes of the parts what the system takes at once, and returns how many bytes that was: none where
   * a write would have to wait, or fail. Not while a write is under way. Not all connections can.
   */
  writeAtOnce?(parts: ByteParts): number;
  /** Half-close: the other end reads the end of the stream and may go on writing. */
  endWrite(): Promise<void>;
  /** Throws where the other end has reset: nobody hears of that while neither reading nor writing. */
  probe(): Promise<void>;
  /** Closes so that the other end sees an error. Pending reads and writes reject. */
  reset(): void;
  /** Closes both ways. Pending reads and writes reject; a second call does nothing. */
  close(): void;
}
