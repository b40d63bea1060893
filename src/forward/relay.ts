/** Joins a TCP connection to a tunnel stream, both ways, until both ways have ended. */
import { messageOf } from "../message_of.ts";
import type { TcpConnection } from "../socket/tcp.ts";
import type { StreamClosed } from "../tunnel/tunnel_stream.ts";
import type { StreamPort } from "./stream_port.ts";

/** One read from a socket, in bytes. */
const readLength = 16_384;

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

/**
 * Pumps until the stream is over. An end of stream travels as a half-close, anything worse as a
 * reset of the other side. Never throws.
 */
export async function relay(connection: TcpConnection, port: StreamPort): Promise<RelaySummary> {
  const counts = { sent: 0, received: 0 };
  const breakOff = (error: unknown) => port.stream.reset(messageOf(error));
  const pumps = [
    pumpOut(connection, port, counts).catch(breakOff),
    pumpIn(connection, port, counts).catch(breakOff),
  ];
  const closed = await port.closed;
  if (closed.how === "finished") connection.close();
  else connection.reset();
  await Promise.all(pumps);
  return { closed, ...counts };
}

async function pumpOut(
  connection: TcpConnection,
  port: StreamPort,
  counts: { sent: number },
): Promise<void> {
  const buffer = new Uint8Array(readLength);
  while (true) {
    const length = Math.min(await sendable(connection, port), buffer.length);
    const count = await connection.read(buffer.subarray(0, length));
    if (count === null) break;
    await sendAll(connection, port, buffer.subarray(0, count));
    counts.sent += count;
  }
  port.stream.end();
}

/** What may be sent can have shrunk while the socket was read: control takes room as well. */
async function sendAll(
  connection: TcpConnection,
  port: StreamPort,
  bytes: Uint8Array,
): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    const length = Math.min(await sendable(connection, port), rest.length);
    port.stream.send(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
}

/**
 * How much may be sent, once that is anything. While the other side takes nothing the socket is not
 * read, so a client that has given up is looked for.
 */
async function sendable(connection: TcpConnection, port: StreamPort): Promise<number> {
  const length = port.stream.sendableLength;
  if (length > 0) return length;
  const { promise: gone, reject } = Promise.withResolvers<never>();
  const timer = setInterval(() => connection.probe().catch(reject), probeInterval);
  try {
    return await Promise.race([port.sendable(), gone]);
  } finally {
    clearInterval(timer);
  }
}

async function pumpIn(
  connection: TcpConnection,
  port: StreamPort,
  counts: { received: number },
): Promise<void> {
  while (true) {
    const bytes = await port.read();
    if (bytes === undefined) break;
    await connection.write(bytes);
    counts.received += bytes.length;
    port.stream.consume(bytes.length);
  }
  await connection.endWrite();
  port.stream.confirmEnd();
}
