/** A TCP connection through a proxy: by HTTP's CONNECT, or by SOCKS5. */
import { maxAnswerLength, parseConnectAnswer } from "./connect_answer.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { Proxy } from "./proxy.ts";
import { connectBySocks5 } from "./socks5_connect.ts";

/**
 * Opens it; nothing was sent to the destination yet. The name is resolved by the proxy. Throws an
 * Error naming the proxy where it cannot be reached or refuses, or the signal's reason.
 */
export async function connectThroughProxy(
  { proxy, destination, signal }: {
    readonly proxy: Proxy;
    readonly destination: Endpoint;
    /** Gives up; until the connection is there. */
    readonly signal: AbortSignal;
  },
): Promise<Deno.TcpConn> {
  if (proxy.protocol === "https") {
    throw new Error(
      `${proxy.label} is reached over TLS, in which there can be no other connection`,
    );
  }
  const connection = await connectToProxy(proxy, signal);
  const giveUp = () => closeQuietly(connection);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const connect = proxy.protocol === "socks5" ? connectBySocks5 : connectByHttp;
    await connect(connection, proxy, destination);
    signal.throwIfAborted();
    return connection;
  } catch (error) {
    closeQuietly(connection);
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

async function connectToProxy(
  { host, port, label }: Proxy,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  try {
    return await Deno.connect({ hostname: host, port, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error)) throw error;
    throw new Error(`${label} cannot be reached: ${error.message}`, { cause: error });
  }
}

async function connectByHttp(
  connection: Deno.TcpConn,
  { label, credentials }: Proxy,
  destination: Endpoint,
): Promise<void> {
  const target = formatEndpoint(destination);
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (credentials !== undefined) {
    const bytes = new TextEncoder().encode(`${credentials.username}:${credentials.password}`);
    lines.push(`Proxy-Authorization: Basic ${bytes.toBase64()}`);
  }
  await writeAll(connection, new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const status = await readStatus(connection, label);
  if (status === 407) throw new Error(`${label} wants another user and password (HTTP 407)`);
  if (status < 200 || status > 299) {
    throw new Error(`${label} does not connect to ${target} (HTTP ${status})`);
  }
}

async function readStatus(connection: Deno.TcpConn, label: string): Promise<number> {
  const buffer = new Uint8Array(maxAnswerLength);
  for (let length = 0;;) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) throw new Error(`${label} has closed the connection`);
    length += count;
    const answer = parseConnectAnswer(buffer.subarray(0, length));
    if (answer.type === "malformed") throw new Error(`${label} does not answer as an HTTP proxy`);
    if (answer.type === "incomplete") continue;
    // Those we connect to speak second: what is there already is not theirs.
    if (answer.status < 300 && answer.end < length) {
      throw new Error(`${label} says more than that it has connected`);
    }
    return answer.status;
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
