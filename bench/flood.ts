/**
 * What a flood of forged datagrams does to a transfer: two nodes and a path of 200 Mbit/s between
 * them, and right beside the node that receives somebody who sends its port 50,000 datagrams a
 * second, past the path. Those are STUN requests that lack the password alone, DTLS records, others'
 * datagrams, or all three; from an address of their own and many ports, or under the other node's.
 *
 *     flood.ts [ROUNDS] [KIND]...
 */
import { fileURLToPath } from "node:url";
import { PastedTextReader } from "../src/signaling/pasted_text.ts";
import { type Kind, kinds } from "./flood/forged_datagrams.ts";
import type { SenderOptions } from "./flood/sender.ts";
import { endOnSignals, residentBytes } from "./processes.ts";
import { median, row, short } from "./statistics.ts";
import type { Receipt } from "./traffic/stream.ts";
import { TrafficEnd } from "./traffic/traffic.ts";
import { AetherportTunnel } from "./tunnels/aetherport_tunnel.ts";
import { Network, whyNoNetwork } from "./wide_area.ts";

const defaultRoundCount = 3;
const perSecond = 50_000;
const goal = 0.7;
/** In Mbit/s, and one way in ms. */
const path = { rate: 200, delay: 5 };
/** In ms; a flood begins before the transfer. */
const window = { warmUp: 1_500, duration: 4_000 };
const settling = 2_000;
const host = { near: 0, far: 1 } as const;

/** Whom datagrams say they are from. */
type Source = "own address" | "the peer's";

interface Flood {
  readonly kind: Kind;
  readonly source: Source;
}

/** What a transfer met. */
interface Round {
  /** In bytes a second. */
  readonly rate: number;
  /** The receiving node's memory, in bytes. */
  readonly before: number;
  readonly during: number;
  readonly after: number;
  /** What was sent, in datagrams a second. */
  readonly sent: number;
}

/** Two nodes, a client beside the one that receives, and a place for the attacker. */
class FloodStage implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #network: Network;
  readonly #tunnel: AetherportTunnel;
  readonly #client: TrafficEnd;
  readonly #attacker: number;

  private constructor(parts: {
    stack: AsyncDisposableStack;
    network: Network;
    tunnel: AetherportTunnel;
    client: TrafficEnd;
    attacker: number;
  }) {
    this.#stack = parts.stack;
    this.#network = parts.network;
    this.#tunnel = parts.tunnel;
    this.#client = parts.client;
    this.#attacker = parts.attacker;
  }

  static async open(): Promise<FloodStage> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await Network.wideArea(path));
    const attacker = await network.addNeighbour(host.near);
    const service = stack.use(new TrafficEnd(network.command(host.far)));
    const client = stack.use(new TrafficEnd(network.command(host.near)));
    const [near, far] = [network.command(host.near), network.command(host.far)];
    const ground = { near, far, farAddress: network.address(host.far) };
    const port = await service.ask("serve", undefined);
    const tunnel = stack.use(await AetherportTunnel.open(ground, port));
    return new FloodStage({ stack: stack.move(), network, tunnel, client, attacker });
  }

  /** A transfer, and what is sent beside it, if anything. */
  async measure(flood?: Flood): Promise<Round> {
    const before = residentBytes(this.#tunnel.near.pid);
    const sender = flood === undefined ? undefined : this.#startSender(flood);
    let during = before;
    const watching = setInterval(() => {
      during = Math.max(during, residentBytes(this.#tunnel.near.pid));
    }, 100);
    const { rate } = await this.#transfer().finally(() => clearInterval(watching));
    sender?.kill("SIGKILL");
    const sent = sender === undefined ? 0 : Number(await lastLine(sender));
    await new Promise((resolve) => setTimeout(resolve, settling));
    return { rate, before, during, after: residentBytes(this.#tunnel.near.pid), sent };
  }

  async #transfer(): Promise<Receipt> {
    const load = { port: this.#tunnel.port, streamCount: 1, ...window };
    const receipt = await this.#client.ask("download", load);
    if (receipt.fault !== "") throw new Error(receipt.fault);
    return receipt;
  }

  #startSender({ kind, source }: Flood): Deno.ChildProcess {
    const own = this.#endpoint("local");
    const peer = this.#endpoint("remote");
    const options: SenderOptions = {
      kind,
      perSecond,
      destination: own.address,
      destinationPort: own.port,
      source: source === "the peer's" ? peer.address : "10.79.1.2",
      sourcePort: source === "the peer's" ? peer.port : 0,
      username: usernameOf(this.#tunnel.texts),
    };
    const [program = "", ...args] = [
      ...this.#network.command(this.#attacker),
      ...[Deno.execPath(), "run", "--quiet", "--allow-all"],
      ...[fileURLToPath(new URL("./flood/sender.ts", import.meta.url)), JSON.stringify(options)],
    ];
    return new Deno.Command(program, { args, stdout: "piped" }).spawn();
  }

  /** Where the link runs, as the receiving node logs it. */
  #endpoint(side: "local" | "remote"): { readonly address: string; readonly port: number } {
    const line = this.#tunnel.near.log.find(({ event }) => event === "link-up");
    const [address = "", port] = String(line?.[side]).split(":");
    return { address, port: Number(port) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** What the far node calls the near one: both names are in the texts that were pasted. */
function usernameOf(texts: readonly string[]): string {
  const names = texts.map((text) => {
    const [item] = new PastedTextReader().push(`${text}\n`);
    return item?.kind === "description" ? item.description.iceUfrag : "";
  });
  return names.join(":");
}

async function lastLine(child: Deno.ChildProcess): Promise<string> {
  const printed = await new Response(child.stdout).text();
  await child.status;
  return printed.trim().split("\n").at(-1) ?? "";
}

function print(name: string, rounds: readonly Round[], quiet: readonly Round[]): void {
  const of = (figure: keyof Round) => median(rounds.map((round) => round[figure]));
  const ratio = median(rounds.map((round, at) => round.rate / (quiet[at]?.rate ?? NaN)));
  const memory = (["before", "during", "after"] as const).map((time) =>
    (of(time) / 1e6).toFixed(0)
  );
  console.log(row(name, [
    of("sent").toFixed(0),
    short(of("rate") / 1e6),
    rounds === quiet ? "" : `${ratio.toFixed(2)} (>= ${goal})`,
    memory.join(", "),
  ]));
}

async function measureAll(floods: readonly Flood[], roundCount: number): Promise<void> {
  await using stage = await FloodStage.open();
  // The first warms up.
  await stage.measure();
  const quiet: Round[] = [];
  const flooded = floods.map((): Round[] => []);
  for (let round = 0; round < roundCount; round++) {
    quiet.push(await stage.measure());
    for (const [at, flood] of floods.entries()) flooded[at]?.push(await stage.measure(flood));
  }
  console.log(`${path.rate} Mbit/s, RTT ${2 * path.delay} ms; medians of ${roundCount} rounds`);
  console.log(row("", ["datagrams/s", "MB/s", "ratio (goal)", "MB before, during, after"]));
  print("no flood", quiet, quiet);
  for (const [at, { kind, source }] of floods.entries()) {
    print(`${kind}, from ${source}`, flooded[at] ?? [], quiet);
  }
}

async function main(): Promise<void> {
  const reason = await whyNoNetwork();
  if (reason !== undefined) return console.log(`skipped: ${reason}`);
  const [roundCount = String(defaultRoundCount), ...names] = Deno.args;
  const wanted = kinds.filter((kind) => names.length === 0 || names.includes(kind));
  const floods = wanted.flatMap((kind): Flood[] => [
    { kind, source: "own address" },
    { kind, source: "the peer's" },
  ]);
  await measureAll(floods, Number(roundCount));
}

endOnSignals();
await main();
Deno.exit(0);
