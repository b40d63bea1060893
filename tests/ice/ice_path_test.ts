/** What reaches a link by ICE, and from whom (reliability row I1). */
import { deepEqual, equal, ok } from "node:assert/strict";
import { IcePath } from "../../src/link/ice_path.ts";
import type {
  BindOptions,
  DatagramHandler,
  DatagramSocket,
  DatagramSockets,
  SocketAddress,
} from "../../src/socket/datagram.ts";
import { sampleDescription } from "../fakes/sample_description.ts";

/** Begins as a DTLS record does. */
const record = Uint8Array.of(22, 254, 253, 1, 2, 3);

/** Sockets on a network that has this host's addresses only. */
class LocalSockets implements DatagramSockets {
  readonly name = "portable";
  readonly #handlers: Map<string, DatagramHandler>;
  #nextPort: number;

  constructor(handlers: Map<string, DatagramHandler>, firstPort: number) {
    this.#handlers = handlers;
    this.#nextPort = firstPort;
  }

  bind({ address, handler }: BindOptions): Promise<DatagramSocket> {
    const local = { address, port: this.#nextPort++ };
    const key = `${address} ${local.port}`;
    this.#handlers.set(key, handler);
    return Promise.resolve({
      local,
      mayFragment: false,
      send: (bytes, start, end, _segmentLength, destination) => {
        const copy = bytes.slice(start, end);
        queueMicrotask(() => this.deliver(destination, local, copy));
        return "sent";
      },
      close: () => Promise.resolve(void this.#handlers.delete(key)),
    });
  }

  deliver({ address, port }: SocketAddress, source: SocketAddress, bytes: Uint8Array): void {
    const handler = this.#handlers.get(`${address} ${port}`);
    handler?.handleDatagrams(bytes, 0, bytes.length, bytes.length, source);
    handler?.handleDrained();
  }
}

/** One end, which has found its candidates, and what came to it. */
async function createEnd(role: "controlling" | "controlled", sockets: LocalSockets) {
  const path = new IcePath({ role, iceServers: [], sockets, isRelayOnly: false });
  const received: Uint8Array[] = [];
  const open = Promise.withResolvers<void>();
  path.handler = {
    handleOpen: () => open.resolve(),
    handleMoved() {},
    handleDatagrams: (bytes, start, end, segmentLength) => {
      for (let at = start; at < end; at += segmentLength) {
        received.push(bytes.slice(at, Math.min(at + segmentLength, end)));
      }
    },
    handleFailed: (reason) => open.reject(new Error(reason)),
  };
  await path.gather(() => {});
  return { path, received, opened: open.promise };
}

Deno.test("DTLS is heard from where the other node has authenticated itself, and nobody else", async () => {
  const network = new Map<string, DatagramHandler>();
  const sockets = new LocalSockets(network, 10_000);
  const a = await createEnd("controlling", sockets);
  const z = await createEnd("controlled", new LocalSockets(network, 20_000));
  const described = ({ path }: typeof a) => ({
    ...sampleDescription,
    ...path.credentials,
    candidates: path.candidates(),
  });
  const toA = a.path.candidates();
  const [first] = toA;
  const stranger = { address: "198.51.100.66", port: 6_666 };
  const deliverFrom = (source: SocketAddress) => {
    for (const base of toA) sockets.deliver(base, source, record.slice());
  };
  deliverFrom(stranger);
  a.path.connect(described(z));
  // It has been told of, and has not shown that it is there.
  for (const candidate of z.path.candidates()) deliverFrom(candidate);
  equal(a.received.length, 0);
  z.path.connect(described(a));
  await Promise.all([a.opened, z.opened]);
  deliverFrom(stranger);
  if (first !== undefined) deliverFrom({ address: first.address, port: 9 });
  equal(a.received.length, 0);
  z.path.send(record, 0, record.length, record.length);
  await new Promise((resolve) => setTimeout(resolve, 0));
  deepEqual(a.received, [record]);
  ok(z.received.length === 0);
  await Promise.all([a.path.close(), z.path.close()]);
});
