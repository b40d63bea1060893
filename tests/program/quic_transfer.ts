/**
 * A transfer by QUIC, in a process of its own as Deno has it behind a flag: serves what it is sent
 * back, and sends so many bytes to a port that may be a forward's.
 */
import { isSame, testBytes } from "../fakes/sockets.ts";

const alpnProtocols = ["test"];

/** Sends back all that one client sends. */
function serveEcho(cert: string, key: string): { readonly port: number; close(): void } {
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({ cert, key, alpnProtocols });
  void (async () => {
    const connection = await listener.accept();
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
      await readable.pipeTo(writable);
    }
  })().catch(() => {
    // It is cut off when the client is done.
  });
  return { port: endpoint.addr.port, close: () => endpoint.close() };
}

/** Sends bytes, and whether the same came back. */
async function transfer(port: number, caCert: string, length: number): Promise<boolean> {
  const connection = await Deno.connectQuic({
    ...{ hostname: "127.0.0.1", port, caCerts: [caCert], alpnProtocols },
  });
  const { readable, writable } = await connection.createBidirectionalStream();
  const bytes = testBytes(length);
  const [echoed] = await Promise.all([new Response(readable).bytes(), send(writable, bytes)]);
  connection.close();
  return isSame(echoed, bytes);
}

async function send(writable: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = writable.getWriter();
  await writer.write(bytes);
  await writer.close();
}

const [certPath = "", keyPath = "", caPath = "", length = ""] = Deno.args;
const service = serveEcho(Deno.readTextFileSync(certPath), Deno.readTextFileSync(keyPath));
console.log(service.port);
// The port of the forward comes by stdin, once it is there.
const port = Number(await new Response(Deno.stdin.readable).text());
const isWhole = await transfer(port, Deno.readTextFileSync(caPath), Number(length));
console.log(isWhole ? "same" : "other");
service.close();
Deno.exit();
