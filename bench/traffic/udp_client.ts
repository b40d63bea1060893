/**
 * A UDP client as a process of its own: sends datagrams by the clock, one a call as most programs do,
 * and tells as JSON how many those were, and how long the answers took.
 */
import { sharedDatagramSockets } from "../../src/socket/choose_datagram_sockets.ts";

/** What a datagram begins with. */
export const udpMode = { count: 0, echo: 1 } as const;

/** What is sent. */
export interface UdpLoad {
  /** Of 127.0.0.1. */
  readonly port: number;
  readonly mode: keyof typeof udpMode;
  readonly perSecond: number;
  /** In s. */
  readonly duration: number;
  /** In bytes. */
  readonly length: number;
}

/** What became of it. */
export interface UdpSent {
  readonly sent: number;
  /** In s. */
  readonly elapsed: number;
  /** From when each was sent to its answer, in ms. */
  readonly times: readonly number[];
}

/** What is on its way when the last was sent may take so long, in ms. */
const drainTime = 300;

async function send({ port, mode, perSecond, duration, length }: UdpLoad): Promise<UdpSent> {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = udpMode[mode];
  const times: number[] = [];
  const { sockets } = await sharedDatagramSockets();
  const socket = await sockets.bind({
    address: "127.0.0.1",
    handler: {
      handleDatagrams: (answers, start, end, segmentLength) => {
        const view = new DataView(answers.buffer, answers.byteOffset);
        const now = performance.now();
        for (let at = start; at < end; at += segmentLength) {
          times.push(now - view.getFloat64(at + 8));
        }
      },
      handleDrained: () => {},
      handleFailed: () => {},
    },
  });
  const destination = { address: "127.0.0.1", port };
  const begun = performance.now();
  let sent = 0;
  for (let now = begun; now < begun + duration * 1_000; now = performance.now()) {
    const due = Math.floor((now - begun) * perSecond / 1_000);
    for (; sent < due; sent++) {
      view.setFloat64(8, performance.now());
      socket.send(bytes, 0, length, length, destination);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const elapsed = (performance.now() - begun) / 1_000;
  await new Promise((resolve) => setTimeout(resolve, drainTime));
  void socket.close();
  return { sent, elapsed, times };
}

if (import.meta.main) {
  console.log(JSON.stringify(await send(JSON.parse(Deno.args[0] ?? "{}") as UdpLoad)));
  Deno.exit();
}
