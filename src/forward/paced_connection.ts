/** A connection, to a target or of a client, whose bytes move only as fast as its grant lets them. */
import type { Grant, Pace } from "../access/access.ts";
import type { Connection } from "../socket/connection.ts";

/** The connection, paced where the grant has a pace. What is written to it is on its way up. */
export function pacedConnection(
  connection: Connection,
  { pace }: Pick<Grant, "pace">,
): Connection {
  return pace === undefined ? connection : new PacedConnection(connection, pace);
}

class PacedConnection implements Connection {
  readonly remote: string;
  readonly #connection: Connection;
  readonly #pace: Pace;
  /** What was read, and may not pass yet or never. */
  #kept: Uint8Array = new Uint8Array();

  constructor(connection: Connection, pace: Pace) {
    this.#connection = connection;
    this.#pace = pace;
    this.remote = connection.remote;
  }

  /** What was read is handed on when it may pass; meanwhile no more is read. */
  async read(buffer: Uint8Array): Promise<number | null> {
    const slice = buffer.subarray(0, this.#pace.sliceLength);
    const isKept = this.#kept.length > 0;
    const count = isKept ? this.#readKept(slice) : await this.#connection.read(slice);
    if (count === null) return null;
    const passed = await this.#pace.spendSome("down", count);
    if (isKept) this.#kept = this.#kept.subarray(passed);
    else if (passed < count) this.#kept = slice.slice(passed, count);
    return passed;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length;) {
      const length = Math.min(this.#pace.sliceLength, bytes.length - start);
      const end = start + await this.#pace.spendSome("up", length);
      await this.#connection.write(bytes.subarray(start, end));
      start = end;
    }
  }

  endWrite(): Promise<void> {
    return this.#connection.endWrite();
  }

  probe(): Promise<void> {
    return this.#connection.probe();
  }

  reset(): void {
    this.#pace.stop();
    this.#connection.reset();
  }

  close(): void {
    this.#pace.stop();
    this.#connection.close();
  }

  #readKept(buffer: Uint8Array): number {
    const bytes = this.#kept.subarray(0, buffer.length);
    buffer.set(bytes);
    return bytes.length;
  }
}
