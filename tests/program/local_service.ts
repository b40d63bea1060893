/** TCP services on loopback for the program tests, and clients to reach them with. */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";

/** A service that runs until it is disposed of. */
export interface LocalService extends AsyncDisposable {
  readonly port: number;
}

/** Serves every connection with the handler; half-open connections stay open for writing. */
export async function serve(
  handle: (socket: net.Socket) => void,
  host = "127.0.0.1",
): Promise<LocalService> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends back what comes. */
export function echo(socket: net.Socket): void {
  socket.pipe(socket);
}

/** Reads to the end, then answers with the SHA-256 of what came (64 characters) and a payload. */
export function digestThen(payload: Uint8Array): (socket: net.Socket) => void {
  return (socket) => {
    const hash = createHash("sha256");
    socket.on("data", (bytes) => hash.update(bytes));
    socket.on("end", () => {
      socket.write(hash.digest("hex"));
      socket.end(payload);
    });
  };
}

/** The SHA-256 of some bytes, in hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** So many random bytes. */
export function randomPayload(length: number): Uint8Array {
  return randomBytes(length);
}

/** A port that nothing listens on now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Sends, half-closes and reads to the end. Throws where the connection is reset. */
export async function exchange(
  { port, host = "127.0.0.1", payload }: { port: number; host?: string; payload: Uint8Array },
): Promise<Buffer> {
  const socket = net.connect({ port, host, allowHalfOpen: true });
  socket.end(payload);
  const received: Buffer[] = [];
  for await (const bytes of socket) received.push(bytes as Buffer);
  return Buffer.concat(received);
}
