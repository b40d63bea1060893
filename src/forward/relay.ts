/** Joins a TCP connection to a tunnel stream, both ways, until both ways have ended. */
import type { BufferPool } from "../buffer_pool.ts";
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";

import type { StreamClosed } from "../tunnel/tunnel_stream.ts";
import { ReadBuffer } from "./read_buffer.ts";
import type { StreamPort } from "./stream_port.ts";

/** How often a client whose data is not taken is looked for, in ms. */
const probeInterval = 5_000;

/** What went over a connection. */
export interface RelaySummary {
  readonly closed: StreamClosed;
  /** Payload from the socket to the other node, in bytes. */
  readonly sent: number;
  /** Payload from the other node to the socket, in bytes. */
  readonly received: number;
}

/** A connection and a stream that are being joined. */
interface Junction {
  readonly connection: Connection;
  readonly port: StreamPort;
  /** What the connection is read into. */
  readonly buffer: ReadBuffer;
  readonly watch: ClientWatch;
  sent: number;
}

/**
 * Looks for a client that has given up while what it sent is not taken: the socket is not read then,
 * and nobody else would notice. Waits are short and many, so that one timer serves all of them.
 */
class ClientWatch {
  readonly #connection: Connection;
  readonly #handleGone: (error: unknown) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isWaiting = false;

  constructor(connection: Connection, handleGone: (error: unknown) => void) {
    this.#connection = connection;
    this.#handleGone = handleGone;
  }

  /** Nothing can be sent. */
  beginWait(): void {
    this.#isWaiting = true;
    this.#timer ??= setInterval(() => this.#look(), probeInterval);
  }

  /** Something can be sent again. */
  endWait(): void {
    this.#isWaiting = false;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    if (this.#isWaiting) this.#connection.probe().catch(this.#handleGone);
    else this.stop();
  }
}

/**
 * Pumps until the stream is over. An end of stream travels as a half-close, anything worse as a
 * reset of the other side. When it is done it holds no block of the pool. Never throws.
 */
export async function relay(
  connection: Connection,
  port: StreamPort,
  { pool }: { pool: BufferPool },
): Promise<RelaySummary> {
  const buffer = new ReadBuffer(pool);
  const breakOff = (error: unknown) => port.stream.reset(messageOf(error));
  const watch = new ClientWatch(connection, breakOff);
  const junction: Junction = { connection, port, buffer, watch, sent: 0 };
  const pumps = [
    pumpOut(junction).catch(breakOff).finally(() => buffer.shrink()),
    pumpIn(junction).catch(breakOff),
  ];
  const closed = await port.closed;
  if (closed.how === "finished") connection.close();
  else connection.reset();
  await Promise.all(pumps);
  watch.stop();
  return { closed, sent: junction.sent, received: port.handedOverLength };
}

async function pumpOut(junction: Junction): Promise<void> {
  const { connection, port, buffer } = junction;
  while (true) {
    if (port.stream.sendableLength === 0) {
      buffer.shrink();
      await untilSendable(junction);
    }
    const bytes = buffer.next(port.stream.burstLength);
    const count = await connection.read(bytes);
    if (count === null) break;
    await sendAll(junction, bytes, count);
    junction.sent += count;
    buffer.handleRead(count);
  }
  port.stream.end();
}

/** Sends so many of the bytes, as many at once as may be. */
async function sendAll(junction: Junction, bytes: Uint8Array, length: number): Promise<void> {
  const { stream } = junction.port;
  for (let start = 0; start < length;) {
    const end = Math.min(start + stream.sendableLength, length);
    if (end === start) await untilSendable(junction);
    else stream.send(bytes, start, end);
    start = end;
  }
}

/** Waits until something may be sent. */
async function untilSendable({ port, watch }: Junction): Promise<void> {
  watch.beginWait();
  await port.untilSendable();
  watch.endWait();
}

async function pumpIn(junction: Junction): Promise<void> {
  const { connection, port } = junction;
  port.writePromptlyTo(connection);
  while (await port.hasPayload()) await port.writeTo(connection);
  await connection.endWrite();
  port.stream.confirmEnd();
}
