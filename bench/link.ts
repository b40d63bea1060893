/**
 * What a link moves, beside werift's whole stack in the same run, over loopback and over a path of
 * 1500 bytes; and what a link and a channel cost while they are idle.
 */
import { fileURLToPath } from "node:url";

const roundCount = 7;
/** Rounds before those that count: for the compiler, and for the window to open. */
const warmUpCount = 3;
/** How long one measurement takes, in ms. */
const duration = 1_000;
/** What the portable path is to reach, of werift's throughput. */
const goalRatio = 5;
const stacks = ["werift", "portable", "node-crypto", "fastest"] as const;
const stackNames = {
  "werift": "werift, all of it",
  "portable": "ours, node:crypto and node:dgram",
  "node-crypto": "ours, node:crypto",
  "fastest": "ours, the fastest of each",
} as const;

const script = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

/** A process that answers each line with a line. */
class EndProcess {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  constructor(stack: string, prefix: readonly string[]) {
    const [program = "", ...args] = [
      ...prefix,
      Deno.execPath(),
      ...["run", "--quiet", "--allow-all", script("link_end.ts"), stack],
    ];
    this.#child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
  }

  async ask(command: string, text = ""): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify([command, text])}\n`));
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`an end did not answer to "${command}"`);
    return JSON.parse(value) as string;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** How the two ends' processes are started. */
type Prefixes = readonly [readonly string[], readonly string[]];

/** Two ends that are joined. */
async function join(stack: string, prefixes: Prefixes): Promise<readonly [EndProcess, EndProcess]> {
  const [sender, receiver] = prefixes.map((prefix) => new EndProcess(stack, prefix)) as [
    EndProcess,
    EndProcess,
  ];
  await sender.ask("accept", await receiver.ask("answer", await sender.ask("offer")));
  return [sender, receiver];
}

/** One measurement. */
interface Round {
  /** In MB/s. */
  readonly speed: number;
  /** What both processes computed for each MB, in ms. */
  readonly cost: number;
}

async function measure([sender, receiver]: readonly [EndProcess, EndProcess]): Promise<Round> {
  const cpuTime = async () => Number(await sender.ask("cpu")) + Number(await receiver.ask("cpu"));
  const [before, begun] = [await cpuTime(), performance.now()];
  const megabytes = Number(await sender.ask("send", String(duration))) / 1e6;
  const elapsed = performance.now() - begun;
  return { speed: megabytes / elapsed * 1000, cost: (await cpuTime() - before) / megabytes };
}

/** Alternates between the stacks, and prints medians; ratios are taken within a round. */
async function measureThroughput(title: string, prefixes: Prefixes): Promise<void> {
  const ends = await Promise.all(stacks.map((stack) => join(stack, prefixes)));
  const rounds: Round[][] = [];
  for (let round = -warmUpCount; round < roundCount; round++) {
    const results: Round[] = [];
    for (const pair of ends) results.push(await measure(pair));
    if (round >= 0) rounds.push(results);
  }
  console.log(title);
  for (const [at, stack] of stacks.entries()) {
    const of = (figure: keyof Round) =>
      median(rounds.map((results) => results[at]?.[figure] ?? NaN));
    const ratio = (figure: keyof Round) =>
      median(rounds.map((one) => (one[at]?.[figure] ?? NaN) / (one[0]?.[figure] ?? NaN)));
    const cells = [
      stackNames[stack].padEnd(34),
      `${of("speed").toFixed(1).padStart(6)} MB/s (ratio ${ratio("speed").toFixed(2)})`,
      `${of("cost").toFixed(1).padStart(6)} ms of CPU a MB (ratio ${ratio("cost").toFixed(3)})`,
    ];
    console.log(`  ${cells.join("  ")}${stack === "portable" ? `; goal: ${goalRatio}` : ""}`);
  }
  await Promise.all(ends.flat().map((end) => end.stop()));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? NaN;
}

async function run(program: string, ...args: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: [...args], stderr: "null" }).output()).success;
  } catch {
    // Not installed.
    return false;
  }
}

const ip = (line: string) => run("ip", ...line.split(" "));

/** Two network namespaces with a cable of MTU 1500 between them; undefined where not permitted. */
async function layCable(): Promise<
  { prefixes: Prefixes; remove: () => Promise<void> } | undefined
> {
  const name = `aetherport-${Deno.pid}`;
  const remove = async () => {
    await ip(`netns del ${name}-0`);
    await ip(`netns del ${name}-1`);
  };
  const isLaid = await ip(`netns add ${name}-0`) && await ip(`netns add ${name}-1`) &&
    await ip(`-n ${name}-0 link add cable type veth peer name cable netns ${name}-1`) &&
    await ip(`-n ${name}-0 addr add 10.79.0.1/24 dev cable`) &&
    await ip(`-n ${name}-1 addr add 10.79.0.2/24 dev cable`) &&
    await ip(`-n ${name}-0 link set cable up`) && await ip(`-n ${name}-1 link set cable up`) &&
    // Native sockets are tried on loopback before they are used.
    await ip(`-n ${name}-0 link set lo up`) && await ip(`-n ${name}-1 link set lo up`);
  if (!isLaid) {
    await remove();
    return undefined;
  }
  const prefixes = [0, 1].map((side) => ["ip", "netns", "exec", `${name}-${side}`]);
  return { prefixes: prefixes as unknown as Prefixes, remove };
}

async function main(): Promise<void> {
  await measureThroughput("one channel over loopback, packets of up to 16340 B", [[], []]);
  const cable = await layCable();
  if (cable === undefined) {
    console.log("over a path of 1500 B: skipped, as network namespaces are not permitted here");
  } else {
    const title = "one channel between two network namespaces, MTU 1500, packets of 1432 B";
    await measureThroughput(title, cable.prefixes).finally(cable.remove);
  }
  const args = ["run", "--quiet", "--allow-all", "--v8-flags=--expose-gc", script("link_idle.ts")];
  await new Deno.Command(Deno.execPath(), { args }).spawn().status;
}

await main();
Deno.exit(0);
