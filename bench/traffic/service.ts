/**
 * The service that benchmarks reach through tunnels. A connection's first byte says what it is for:
 * to be sent back with all that follows, to get the pattern, or to bring it.
 */
import { receivePattern, sendPattern, writeAll } from "./stream.ts";

/** First bytes. */
export const mode = { echo: 0x45, down: 0x44, up: 0x55 } as const;

/** A window, as it follows {@link mode}.up: two numbers of 32 bits, in ms. */
export const windowLength = 8;

/** Listens on loopback, as long as the process runs; the port. */
export function serve(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void acceptAll(listener);
  return listener.addr.port;
}

async function acceptAll(listener: Deno.TcpListener): Promise<void> {
  for await (const connection of listener) {
    connection.setNoDelay(true);
    void answer(connection)
      .catch(() => {
        // The client has gone, which it is free to.
      })
      .finally(() => connection.close());
  }
}

async function answer(connection: Deno.TcpConn): Promise<void> {
  const first = new Uint8Array(1);
  if (await connection.read(first) === null) return;
  switch (first[0]) {
    case mode.echo:
      await writeAll(connection, first);
      return await echo(connection);
    case mode.down:
      return await sendUntilEnd(connection);
    case mode.up:
      return await receiveAndTell(connection);
    default:
      throw new Error(`no mode ${first[0]}`);
  }
}

async function echo(connection: Deno.TcpConn): Promise<void> {
  // Small, since ten thousand connections may be here at once.
  const buffer = new Uint8Array(256);
  for (let length; (length = await connection.read(buffer)) !== null;) {
    await writeAll(connection, buffer.subarray(0, length));
  }
}

/** Sends until the client has ended its side. */
async function sendUntilEnd(connection: Deno.TcpConn): Promise<void> {
  let isStopped = false;
  const ended = connection.read(new Uint8Array(1)).finally(() => isStopped = true);
  await Promise.all([sendPattern(connection, () => isStopped), ended]);
  // The client closes when it has everything.
  await connection.read(new Uint8Array(1)).catch(() => null);
}

/** Receives to the end, and answers with the receipt. */
async function receiveAndTell(connection: Deno.TcpConn): Promise<void> {
  const bytes = new Uint8Array(windowLength);
  for (let at = 0; at < windowLength;) {
    const length = await connection.read(bytes.subarray(at));
    if (length === null) return;
    at += length;
  }
  const view = new DataView(bytes.buffer);
  const window = { warmUp: view.getUint32(0), duration: view.getUint32(4) };
  const receipt = await receivePattern(connection, window, () => {});
  await writeAll(connection, new TextEncoder().encode(JSON.stringify(receipt)));
  await connection.closeWrite();
}
