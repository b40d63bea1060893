/**
 * A UDP service as a process of its own: it sends back what begins with 1, and counts the rest. The
 * first line of its output is its port; each line of input is answered by the count since the last.
 */
import { sharedDatagramSockets } from "../../src/socket/choose_datagram_sockets.ts";
import type { DatagramSocket } from "../../src/socket/datagram.ts";
import { udpMode } from "./udp_client.ts";

let count = 0;
const { sockets } = await sharedDatagramSockets();
const socket: DatagramSocket = await sockets.bind({
  address: "127.0.0.1",
  handler: {
    handleDatagrams: (bytes, start, end, segmentLength, source) => {
      if (bytes[start] !== udpMode.echo) count += Math.ceil((end - start) / segmentLength);
      else socket.send(bytes, start, end, segmentLength, source);
    },
    handleDrained: () => {},
    handleFailed: (reason) => {
      throw new Error(reason);
    },
  },
});
console.log(socket.local.port);
for await (const _line of Deno.stdin.readable) {
  console.log(count);
  count = 0;
}
Deno.exit();
