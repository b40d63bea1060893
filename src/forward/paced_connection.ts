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

  constructor(connection: Connection, pace: Pace) {
    this.#connection = connection;
    this.#pace = pace;
    this.remote = connection.remote;
  }

  /** What was read is handed on when it may pass; meanwhile no more is read. */
  async read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#connection.read(buffer.subarray(0, this.#pace.sliceLength));
    if (count !== null) await this.#pace.spend("down", count);
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length;) {
      const end = Math.min(start + this.#pace.sliceLength, bytes.length);
      await this.#pace.spend("up", end - start);
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
}
