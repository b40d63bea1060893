import { deepEqual, equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { SocksClient } from "socks";
import { formatTarget, type UdpTarget } from "../../../src/access/target.ts";
import type {
  DatagramEgress,
  DatagramFlow,
  DatagramFlowHandler,
} from "../../../src/forward/datagram_flow.ts";
import { UdpAssociation } from "../../../src/forward/socks/udp_association.ts";
import { FakeDatagramSockets } from "../../fakes/datagram_sockets.ts";
import { readExactly, readToEnd, writeAll } from "../../fakes/sockets.ts";
import { bytesOf, ProxyStage } from "./proxy_stage.ts";

/** A flow that was opened. */
class FakeFlow implements DatagramFlow {
  readonly sent: string[] = [];
  isClosed = false;
  readonly #egress: FakeDatagramEgress;

  constructor(
    egress: FakeDatagramEgress,
    readonly client: string,
    readonly target: string,
    readonly handler: DatagramFlowHandler,
  ) {
    this.#egress = egress;
  }

  /** Says it back, with the target before it. */
  send(bytes: Uint8Array, start: number, end: number): void {
    const text = new TextDecoder().decode(bytes.subarray(start, end));
    this.sent.push(text);
    const answer = new TextEncoder().encode(`..${this.target} ${text}..`);
    this.handler.handleDatagram(answer, 2, answer.length - 2);
    this.#egress.tell();
  }

  close(): void {
    this.isClosed = true;
    this.#egress.tell();
  }
}

/** Answers all datagrams itself. */
class FakeDatagramEgress implements DatagramEgress {
  readonly flows: FakeFlow[] = [];
  #wake: () => void = () => {};

  open(client: string, target: UdpTarget, handler: DatagramFlowHandler): DatagramFlow {
    const flow = new FakeFlow(this, client, formatTarget(target), handler);
    this.flows.push(flow);
    return flow;
  }

  tell(): void {
    this.#wake();
  }

  /** Waits until it is so. */
  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

/** A client's UDP socket on loopback. */
class UdpClient implements Disposable {
  private constructor(readonly socket: UdpSocket) {}

  static async bind(address = "127.0.0.1"): Promise<UdpClient> {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.bind(0, address);
    await once(socket, "listening");
    return new UdpClient(socket);
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** The answer to a datagram. */
  async ask(bytes: Uint8Array, to: { readonly host: string; readonly port: number }) {
    const answered = once(this.socket, "message") as Promise<[Uint8Array, RemoteInfo]>;
    this.socket.send(bytes, to.port, to.host);
    const [answer, { port }] = await answered;
    equal(port, to.port);
    return answer;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

type Established = Awaited<ReturnType<typeof SocksClient.createConnection>>;

/** By the socks client; `port` is what it will send from. */
async function associate(stage: ProxyStage, { port = 0, login = {} } = {}) {
  const client = new SocksClient({
    proxy: { host: "127.0.0.1", port: stage.port, type: 5, ...login },
    command: "associate",
    destination: { host: "0.0.0.0", port },
  });
  const established = once(client, "established") as Promise<[Established]>;
  client.connect();
  const [{ socket, remoteHost }] = await established;
  if (remoteHost === undefined) throw new Error("no address was bound");
  return { socket, relay: remoteHost };
}

function frame(host: string, port: number, text: string, frameNumber = 0): Uint8Array {
  const data = Buffer.from(text);
  return SocksClient.createUDPFrame({
    remoteHost: { host, port },
    data: data as never,
    frameNumber,
  });
}

function open(bytes: Uint8Array) {
  const { remoteHost, data } = SocksClient.parseUDPFrame(Buffer.from(bytes));
  return { from: `${remoteHost.host} ${remoteHost.port}`, text: new TextDecoder().decode(data) };
}

Deno.test("K2: the socks client sends datagrams to addresses and names, and knows who answers", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams });
  const { socket, relay } = await associate(stage);
  using client = await UdpClient.bind();
  for (
    const [host, target, from] of [
      ["10.0.0.5", "10.0.0.5:53/udp", "10.0.0.5 53"],
      ["nas.local", "nas.local:53/udp", "nas.local 53"],
      ["10.0.0.5", "10.0.0.5:53/udp", "10.0.0.5 53"],
    ] as const
  ) {
    const answer = open(await client.ask(frame(host, 53, "hello"), relay));
    deepEqual(answer, { from, text: `${target} hello` });
  }
  const empty = open(await client.ask(frame("10.0.0.5", 53, ""), relay));
  equal(empty.text, "10.0.0.5:53/udp ");
  equal(datagrams.flows.length, 2);
  socket.destroy();
  await datagrams.until(() => datagrams.flows.every(({ isClosed }) => isClosed));
});

Deno.test("K2: the relay of an IPv6 client has an IPv6 address", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams, listen: "0" });
  const client = await stage.connect("::1");
  await writeAll(client, bytesOf(`\x05\x01\x00\x05\x03\x00\x04${"\x00".repeat(18)}`));
  const reply = await readExactly(client, 2 + 22);
  deepEqual([...reply.subarray(0, 22)], [5, 0, 5, 0, 0, 4, ...Array(15).fill(0), 1]);
  const port = (reply[22] ?? 0) << 8 | (reply[23] ?? 0);
  using udp = await UdpClient.bind("::1");
  const answer = await udp.ask(
    bytesOf("\x00\x00\x00\x01\x0a\x00\x00\x05\x00\x35x"),
    { host: "::1", port },
  );
  equal(open(answer).text, "10.0.0.5:53/udp x");
});

Deno.test("K2: where it is listened on all addresses, so it is for datagrams", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({
    ...{ datagrams, listen: "0.0.0.0:0", credentials: "me:secret" },
  });
  const login = { userId: "me", password: "secret" };
  const { socket, relay } = await associate(stage, { login });
  using client = await UdpClient.bind();
  const answer = open(
    await client.ask(frame("10.0.0.5", 53, "hello"), { ...relay, host: "127.0.0.1" }),
  );
  equal(answer.text, "10.0.0.5:53/udp hello");
  socket.destroy();
});

Deno.test("K2: fragments, and datagrams that are none, are dropped", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams });
  const { socket, relay } = await associate(stage);
  using client = await UdpClient.bind();
  client.socket.send(frame("10.0.0.5", 53, "fragment", 1), relay.port, relay.host);
  client.socket.send("nonsense", relay.port, relay.host);
  client.socket.send(new Uint8Array(), relay.port, relay.host);
  const answer = open(await client.ask(frame("10.0.0.5", 53, "whole"), relay));
  equal(answer.text, "10.0.0.5:53/udp whole");
  deepEqual(datagrams.flows.map(({ sent }) => sent), [["whole"]]);
  socket.destroy();
});

Deno.test("K2: only the client is relayed: the port that it named, or the first that it sends from", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams });
  using client = await UdpClient.bind();
  using stranger = await UdpClient.bind();
  using elsewhere = await UdpClient.bind("127.0.0.2");
  for (const port of [client.port, 0]) {
    const { socket, relay } = await associate(stage, { port });
    elsewhere.socket.send(frame("10.0.0.5", 53, "not mine"), relay.port, relay.host);
    if (port !== 0) {
      stranger.socket.send(frame("10.0.0.5", 53, "not mine"), relay.port, relay.host);
    }
    await client.ask(frame("10.0.0.5", 53, "mine"), relay);
    stranger.socket.send(frame("10.0.0.5", 53, "not mine"), relay.port, relay.host);
    await client.ask(frame("10.0.0.5", 53, "mine"), relay);
    socket.destroy();
  }
  deepEqual(datagrams.flows.map(({ sent }) => sent), [["mine", "mine"], ["mine", "mine"]]);
});

Deno.test("of 64 flows the one that was idle longest ends for another", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams });
  const { socket, relay } = await associate(stage);
  using client = await UdpClient.bind();
  for (let port = 1; port <= 64; port++) await client.ask(frame("10.0.0.5", port, "x"), relay);
  await client.ask(frame("10.0.0.5", 1, "x"), relay);
  await client.ask(frame("10.0.0.5", 65, "x"), relay);
  const ended = datagrams.flows.filter(({ isClosed }) => isClosed);
  deepEqual(ended.map(({ target }) => target), ["10.0.0.5:2/udp"]);
  socket.destroy();
});

Deno.test("a flow that has ended is opened anew by the next datagram", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams });
  const { socket, relay } = await associate(stage);
  using client = await UdpClient.bind();
  await client.ask(frame("10.0.0.5", 53, "one"), relay);
  datagrams.flows[0]?.handler.handleClosed("idle");
  await client.ask(frame("10.0.0.5", 53, "two"), relay);
  deepEqual(datagrams.flows.map(({ sent }) => sent), [["one"], ["two"]]);
  socket.destroy();
});

Deno.test("K2: an association ends with its connection, whatever that says", async () => {
  const datagrams = new FakeDatagramEgress();
  await using stage = new ProxyStage({ datagrams });
  const client = await stage.connect();
  await writeAll(client, bytesOf("\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"));
  const reply = await readExactly(client, 12);
  const port = (reply[10] ?? 0) << 8 | (reply[11] ?? 0);
  await writeAll(client, new Uint8Array(100_000));
  using udp = await UdpClient.bind();
  await udp.ask(frame("10.0.0.5", 53, "x"), { host: "127.0.0.1", port });
  await client.closeWrite();
  equal((await readToEnd(client)).length, 0);
  await datagrams.until(() => datagrams.flows.every(({ isClosed }) => isClosed));
});

Deno.test("answers that are longer than the path to the client takes go to it in fragments", async () => {
  const sockets = new FakeDatagramSockets();
  const association = await UdpAssociation.open({
    ...{ sockets, address: "127.0.0.1", name: "1", egress: new FakeDatagramEgress() },
    client: { address: "127.0.0.1", port: 0 },
    handleFailed: () => {},
  });
  deepEqual(sockets.bound.map(({ mayFragment }) => mayFragment), [true]);
  association.close();
});
