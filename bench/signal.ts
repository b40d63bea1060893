/**
 * What others cost a client of the signaling server: its request times alone, beside one client
 * that sends 2,000 requests a second, and beside 1,000 clients that send and read slowly.
 *
 *     deno run -A bench/signal.ts
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { signalCommand } from "../src/cli/signal_command.ts";
import { ingressIdOf, ingressPath } from "../src/signaling/wire.ts";

const SELF = fileURLToPath(import.meta.url);
const ABUSIVE_REQUESTS_PER_SECOND = 2_000;
const SLOW_CLIENT_COUNT = 1_000;
const ROUND_COUNT = 5;
const SAMPLE_COUNT = 500;
// Within the budget of one address.
const SAMPLE_PAUSE_MILLISECONDS = 22;

// The server tells clients apart by their address; all of 127.0.0.0/8 is this machine.
const MEASURING_ADDRESS = "127.0.0.2";
const ABUSIVE_ADDRESS = "127.0.0.3";

/** A client asks for this: it makes the server read its store. */
const path = ingressPath(ingressIdOf(createHash("sha256").digest()));

/** Request times in ms. */
interface Times {
  readonly p50: number;
  readonly p99: number;
}

/** What goes on beside the measured client; returns how to end it. */
type Load = (url: string) => Promise<() => Promise<void>>;

const loads: Readonly<Record<string, Load>> = {
  [`beside one client with ${ABUSIVE_REQUESTS_PER_SECOND} requests/s`]: async (url) => {
    const abuser = start(["abuse", url]);
    await lineAfter(abuser, "abusing ");
    return async () => {
      abuser.kill("SIGTERM");
      await abuser.status;
    };
  },
  [`beside ${SLOW_CLIENT_COUNT} slow clients`]: async (url) => {
    const connections = await openSlowClients(url);
    return () => {
      for (const connection of connections) connection.close();
      return Promise.resolve();
    };
  },
};

async function compare(): Promise<void> {
  const directory = await Deno.makeTempDir();
  const server = start(["serve", "-l", "127.0.0.1:0", "--kv", `${directory}/store`]);
  const url = await lineAfter(server, "listening on ");
  await measure(url);
  for (const [name, load] of Object.entries(loads)) {
    const alone: Times[] = [];
    const beside: Times[] = [];
    // In turns, since a machine does not do equally well from minute to minute.
    for (let round = 0; round < ROUND_COUNT; round++) {
      alone.push(await measure(url));
      const end = await load(url);
      beside.push(await measure(url));
      if (round === 0) console.log(`server's memory: ${await residentMegabytes(server.pid)} MB`);
      await end();
    }
    print(name, { alone: median(alone), beside: median(beside) });
  }
  server.kill("SIGTERM");
  await server.status;
  await Deno.remove(directory, { recursive: true });
}

async function measure(url: string): Promise<Times> {
  using client = Deno.createHttpClient({ localAddress: MEASURING_ADDRESS });
  const times: number[] = [];
  for (let count = 0; count < SAMPLE_COUNT; count++) {
    const startedAt = performance.now();
    const response = await fetch(url + path, { client });
    await response.body?.cancel();
    times.push(performance.now() - startedAt);
    if (response.status !== 404) throw new Error(`HTTP ${response.status}`);
    await pause(SAMPLE_PAUSE_MILLISECONDS);
  }
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.floor(part * times.length)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

function median(rounds: readonly Times[]): Times {
  const middle = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;
  return { p50: middle(rounds.map(({ p50 }) => p50)), p99: middle(rounds.map(({ p99 }) => p99)) };
}

function print(name: string, { alone, beside }: Record<"alone" | "beside", Times>): void {
  const text = ({ p50, p99 }: Times) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  const ratio = (beside.p99 / alone.p99).toFixed(2);
  console.log(`${name}: ${text(beside)}; alone: ${text(alone)}; ratio of p99 ${ratio}`);
}

/** Sends as many requests as were promised, as far as the server keeps up. */
async function abuse(url: string): Promise<void> {
  using client = Deno.createHttpClient({ localAddress: ABUSIVE_ADDRESS, poolMaxIdlePerHost: 64 });
  const counts = new Map<number, number>();
  let pendingCount = 0;
  let sentCount = 0;
  const startedAt = performance.now();
  Deno.addSignalListener("SIGTERM", () => {
    const rate = Math.round(1000 * sentCount / (performance.now() - startedAt));
    console.log(`the other sent ${rate} requests/s:`, Object.fromEntries(counts));
    Deno.exit(0);
  });
  const sendOne = async () => {
    pendingCount++;
    sentCount++;
    const response = await fetch(url + path, { client });
    await response.body?.cancel();
    counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
    pendingCount--;
  };
  console.error(`abusing ${url}`);
  for (;;) {
    const dueCount = (performance.now() - startedAt) * ABUSIVE_REQUESTS_PER_SECOND / 1000;
    while (sentCount < dueCount && pendingCount < 256) sendOne();
    await pause(1);
  }
}

/** Clients that begin and do not go on: with a head, with a body, and after their request. */
async function openSlowClients(url: string): Promise<Deno.TcpConn[]> {
  const { hostname, port } = new URL(url);
  const put = `PUT ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 30000\r\n\r\n`;
  const texts = [
    `PUT ${path} HT`,
    put + "x".repeat(20_000),
    `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`,
  ];
  const connections: Deno.TcpConn[] = [];
  for (let count = 0; count < SLOW_CLIENT_COUNT; count++) {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    connections.push(connection);
    await connection.write(new TextEncoder().encode(texts[count % texts.length]));
  }
  return connections;
}

function start(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", SELF, ...args],
    stderr: "piped",
  }).spawn();
}

async function lineAfter(child: Deno.ChildProcess, prefix: string): Promise<string> {
  let text = "";
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const line = text.split("\n").slice(0, -1).find((one) => one.startsWith(prefix));
    if (line !== undefined) return line.slice(prefix.length);
  }
  throw new Error(`the process ended: ${text}`);
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const [role = "", ...args] = Deno.args;
if (role === "serve") await signalCommand().parseAsync(args, { from: "user" });
else if (role === "abuse") await abuse(args[0] ?? "");
else await compare();
