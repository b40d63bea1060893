/**
 * What datagrams cost: native sockets, portable ones and `Deno.listenDatagram`, from one process to
 * another over loopback, in the same run. The receiver says how much it has, and the sender keeps
 * so much on the way as the receiver's buffer has room for, as a transport does.
 *
 *     sockets.ts                          measures, in processes of the forms below
 *     sockets.ts receive WAY              prints its port, and at the end its costs
 *     sockets.ts send WAY PORT LENGTH     prints its costs
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { chooseDatagramSockets } from "../src/socket/choose_datagram_sockets.ts";
import type { DatagramHandler, DatagramSocket, DatagramSockets } from "../src/socket/datagram.ts";
import { portableDatagramSockets } from "../src/socket/portable_datagram.ts";

const ways = ["native", "portable", "Deno.listenDatagram"] as const;
type Way = typeof ways[number];

const lengths = [1200, 16_373];
const roundCount = 5;
const warmUpLength = 300;
const roundLength = 1_000;
const pingCount = 500;

/** Bytes on the way, with the system's bookkeeping: its default buffers hold no more. */
const windowLengths: Readonly<Record<Way, number>> = {
  "native": 2_000_000,
  "portable": 80_000,
  "Deno.listenDatagram": 80_000,
};

/** What was on the way for so long is lost. */
const lossTimeout = 20;

/** What one process reports. */
interface Report {
  readonly count: number;
  readonly duration: number;
  /** In us. */
  readonly cpu: number;
  /** Median of the round trips, in us. */
  readonly ping: number;
}

async function socketsFor(way: Way): Promise<DatagramSockets> {
  switch (way) {
    case "portable":
      return portableDatagramSockets;
    case "Deno.listenDatagram":
      return denoDatagramSockets;
    case "native": {
      const { sockets, reason } = await chooseDatagramSockets();
      if (sockets.name !== "native") throw new Error(reason);
      return sockets;
    }
  }
}

/** As little as can be put around it. */
const denoDatagramSockets: DatagramSockets = {
  name: "portable",
  bind({ address: hostname, port = 0, handler }) {
    const connection = Deno.listenDatagram({ transport: "udp", hostname, port });
    const own = connection.addr as Deno.NetAddr;
    void receiveAll(connection, handler);
    return Promise.resolve<DatagramSocket>({
      local: { address: own.hostname, port: own.port },
      mayFragment: true,
      send(bytes, start, end, segmentLength, { address, port }) {
        const to: Deno.NetAddr = { transport: "udp", hostname: address, port };
        for (let at = start; at < end; at += segmentLength) {
          // What the callers here send does not change.
          void connection.send(bytes.subarray(at, Math.min(end, at + segmentLength)), to);
        }
        return "sent";
      },
      close: () => Promise.resolve(connection.close()),
    });
  },
};

async function receiveAll(connection: Deno.DatagramConn, handler: DatagramHandler): Promise<void> {
  const buffer = new Uint8Array(65_536);
  let isDrainDue = false;
  const drain = () => {
    isDrainDue = false;
    handler.handleDrained();
  };
  for (;;) {
    const [bytes, from] = await connection.receive(buffer);
    const { hostname: address, port } = from as Deno.NetAddr;
    handler.handleDatagrams(bytes, 0, bytes.length, bytes.length, { address, port });
    if (!isDrainDue) setImmediate(drain);
    isDrainDue = true;
  }
}

/** Counts, answers with the count, and ends on a datagram of one byte. */
async function receive(way: Way): Promise<void> {
  const answer = new Float64Array(1);
  const answerBytes = new Uint8Array(answer.buffer);
  let source = { address: "", port: 0 };
  let [count, measured, begun] = [0, 0, 0];
  let cpu = process.cpuUsage();
  const handler: DatagramHandler = {
    handleDatagrams(bytes, start, end, segmentLength, from) {
      source = from;
      if (end - start > 1) {
        count += Math.ceil((end - start) / segmentLength);
      } else if (bytes[start] === 1) {
        [begun, measured, cpu] = [performance.now(), count, process.cpuUsage()];
      } else if (measured >= 0) {
        const { user, system } = process.cpuUsage(cpu);
        const duration = performance.now() - begun;
        report({ count: count - measured, duration, cpu: user + system, ping: 0 });
        measured = -1;
      }
    },
    handleDrained() {
      answer[0] = count;
      socket.send(answerBytes, 0, 8, 8, source);
    },
    handleFailed(reason) {
      throw new Error(reason);
    },
  };
  const socket = await (await socketsFor(way)).bind({ address: "127.0.0.1", handler });
  console.log(socket.local.port);
}

/** Fills the window as long as it takes. */
class Sender implements DatagramHandler {
  readonly #length: number;
  readonly #windowLength: number;
  readonly #batch: Uint8Array;
  readonly #answer = new Float64Array(1);
  readonly #answerBytes = new Uint8Array(this.#answer.buffer);
  readonly #peer: { readonly address: string; readonly port: number };
  #socket: DatagramSocket | undefined;
  #isSending = false;
  #onAnswer: () => void = () => {};
  #lastAnswer = 0;
  sent = 0;
  /** What the peer has, or will never have. */
  #settled = 0;
  #lost = 0;

  constructor({ way, port, length }: { way: Way; port: number; length: number }) {
    this.#length = length;
    this.#windowLength = windowLengths[way];
    const perBatch = Math.min(64, Math.floor(65_507 / length));
    this.#batch = new Uint8Array(perBatch * length);
    this.#peer = { address: "127.0.0.1", port };
  }

  use(socket: DatagramSocket): void {
    this.#socket = socket;
  }

  handleDatagrams(bytes: Uint8Array, start: number, end: number): void {
    this.#answerBytes.set(bytes.subarray(end - 8, end));
    this.#settled = Math.max(this.#settled, (this.#answer[0] ?? 0) + this.#lost);
    this.#lastAnswer = performance.now();
    if (start < end) this.#onAnswer();
  }

  handleDrained(): void {
    if (this.#isSending) this.#fill();
  }

  handleFailed(reason: string): void {
    throw new Error(reason);
  }

  #fill(): void {
    const batchLength = this.#batch.length;
    while ((this.sent - this.#settled) * this.#length + batchLength <= this.#windowLength) {
      this.sendRange(batchLength);
    }
  }

  sendRange(length: number): void {
    this.#socket?.send(this.#batch, 0, length, this.#length, this.#peer);
    this.sent += Math.ceil(length / this.#length);
  }

  mark(value: number): void {
    this.#socket?.send(Uint8Array.of(value), 0, 1, 1, this.#peer);
  }

  async sendFor(duration: number): Promise<void> {
    this.#isSending = true;
    const timer = setInterval(() => {
      if (performance.now() - this.#lastAnswer < lossTimeout) return;
      this.#lost += this.sent - this.#settled;
      this.#settled = this.sent;
      this.#fill();
    }, lossTimeout);
    this.#fill();
    await pause(duration);
    clearInterval(timer);
    this.#isSending = false;
  }

  /** The round trip of one datagram, in us. */
  async ping(): Promise<number> {
    const begun = performance.now();
    this.sendRange(this.#length);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 100);
      this.#onAnswer = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onAnswer = () => {};
    return (performance.now() - begun) * 1000;
  }
}

async function send(way: Way, port: number, length: number): Promise<void> {
  const sender = new Sender({ way, port, length });
  const socket = await (await socketsFor(way)).bind({ address: "127.0.0.1", handler: sender });
  sender.use(socket);
  await sender.sendFor(warmUpLength);
  sender.mark(1);
  const [begun, before, cpu] = [performance.now(), sender.sent, process.cpuUsage()];
  await sender.sendFor(roundLength);
  const { user, system } = process.cpuUsage(cpu);
  const duration = performance.now() - begun;
  const count = sender.sent - before;
  sender.mark(2);
  await pause(50);
  const pings = [];
  for (let at = 0; at < pingCount; at++) pings.push(await sender.ping());
  report({ count, duration, cpu: user + system, ping: median(pings) });
  await pause(50);
  Deno.exit(0);
}

function report(what: Report): void {
  console.log(JSON.stringify(what));
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? NaN;
}

/** Starts this file again, for one end. */
function start(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--unstable-net", fileURLToPath(import.meta.url), ...args],
    stdout: "piped",
  }).spawn();
}

async function* linesOf(child: Deno.ChildProcess): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

/** What a packet costs one way. */
interface Round {
  /** Received, a second. */
  readonly rate: number;
  /** In us. */
  readonly sendCost: number;
  readonly receiveCost: number;
  readonly ping: number;
}

async function measure(way: Way, length: number): Promise<Round> {
  const receiver = start(["receive", way]);
  const lines = linesOf(receiver);
  const port = String((await lines.next()).value);
  const { stdout } = await start(["send", way, port, String(length)]).output();
  const sent: Report = JSON.parse(new TextDecoder().decode(stdout));
  const received: Report = JSON.parse(String((await lines.next()).value));
  receiver.kill();
  await receiver.status;
  return {
    rate: received.count / received.duration * 1000,
    sendCost: sent.cpu / sent.count,
    receiveCost: received.cpu / received.count,
    ping: sent.ping,
  };
}

async function measureAll(): Promise<void> {
  for (const length of lengths) {
    // Rounds alternate, so that all ways meet the same noise.
    const rounds: Round[][] = [];
    for (let at = 0; at < roundCount; at++) {
      const round = [];
      for (const way of ways) round.push(await measure(way, length));
      rounds.push(round);
    }
    console.log(`${length} B, of ${roundCount} rounds the median`);
    console.log(row("", ["packets/s", "x portable", "us to send", "us to receive", "us, ping"]));
    for (const [at, way] of ways.entries()) {
      const of = (value: (round: Round, portable: Round) => number) =>
        median(rounds.map((round) => {
          const [own, portable] = [round[at], round[ways.indexOf("portable")]];
          return own === undefined || portable === undefined ? NaN : value(own, portable);
        }));
      console.log(row(way, [
        of(({ rate }) => rate).toFixed(0),
        of(({ rate }, portable) => rate / portable.rate).toFixed(1),
        of(({ sendCost }) => sendCost).toFixed(2),
        of(({ receiveCost }) => receiveCost).toFixed(2),
        of(({ ping }) => ping).toFixed(0),
      ]));
    }
  }
}

function row(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(22)}${cells.map((cell) => cell.padStart(15)).join("")}`;
}

function wayOf(text: string | undefined): Way {
  const way = ways.find((one) => one === text);
  if (way === undefined) throw new Error(`no way ${JSON.stringify(text)}: ${ways.join(", ")}`);
  return way;
}

const [role, way, port, length] = Deno.args;
if (role === "receive") await receive(wayOf(way));
else if (role === "send") await send(wayOf(way), Number(port), Number(length));
else await measureAll();
