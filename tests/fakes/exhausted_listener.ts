/**
 * A process of its own that runs out of descriptors: holds every connection until its client ends
 * it, answers "served" to one that sends a byte. Prints its port. Its argument is "portable" for Deno's
 * own TCP.
 */
import { configureLogging } from "../../src/cli/logging.ts";
import { listenTcp, portableTcpSockets } from "../../src/socket/choose_tcp_sockets.ts";
import type { Connection } from "../../src/socket/connection.ts";

async function serve(connection: Connection): Promise<void> {
  const count = await connection.read(new Uint8Array(1));
  if (count !== null) await connection.write(new TextEncoder().encode("served"));
  connection.close();
}

if (import.meta.main) {
  configureLogging({ level: "normal", format: "json" });
  const listen = Deno.args.includes("portable") ? portableTcpSockets.listen : listenTcp;
  const listener = listen({
    host: "127.0.0.1",
    port: 0,
    onConnection: (connection) => void serve(connection),
  });
  console.log(listener.port);
}
