/**
 * How long the program takes to start, beside `deno eval ''` in the same rounds: until `--version`
 * has answered, and until a proxy is ready.
 *
 *     start.ts [ROUNDS]
 */
import { NodeProcess, programCommand } from "../demo/node_process.ts";
import { AetherlightStage } from "../tests/program/aetherlight_stage.ts";
import { endOnSignals } from "./processes.ts";
import { median, row, spreadOf } from "./statistics.ts";

const defaultRoundCount = 15;

/** Something that is started; resolves with the time it took, in ms. */
interface Start {
  readonly name: string;
  readonly measure: () => Promise<number>;
  /** What it may take at most, of what `deno eval ''` takes. */
  readonly goal?: number;
}

/** From the start of a process to its end, in ms. */
async function untilEnded([program = "", ...args]: readonly string[]): Promise<number> {
  const begun = performance.now();
  const { success } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return performance.now() - begun;
}

/** From the start of a node to a line of its log, in ms. */
async function untilLogged(event: string, args: readonly string[]): Promise<number> {
  const begun = performance.now();
  const node = new NodeProcess(["--ice-server", "none", ...args]);
  await node.event(event);
  const duration = performance.now() - begun;
  await node.stop();
  return duration;
}

function startsOn(stage: AetherlightStage, serverUrl: string): readonly Start[] {
  const target = "127.0.0.1:80";
  const allow = ["--allow", target];
  const atServer = [...stage.identityFlags("home"), "--aetherlight-base-url", serverUrl];
  return [
    { name: "deno eval ''", measure: () => untilEnded([Deno.execPath(), "eval", ""]) },
    {
      name: "--version",
      measure: () => untilEnded([...programCommand, "--version"]),
      goal: 1.5,
    },
    {
      name: "--forward, until it listens",
      measure: () => untilLogged("listening", ["--forward", `127.0.0.1:0:${target}`]),
      goal: 4,
    },
    {
      name: "--allow, until it asks for an offer",
      measure: () => untilLogged("awaiting-offer", allow),
      goal: 4,
    },
    {
      name: "--allow, until it waits at a server",
      measure: () => untilLogged("waiting", [...atServer, ...allow]),
      goal: 4,
    },
  ];
}

/** Rounds alternate between the starts, so that all meet the same noise; a first one warms up. */
async function measureAll(starts: readonly Start[], roundCount: number): Promise<number[][]> {
  const rounds: number[][] = [];
  for (let round = -1; round < roundCount; round++) {
    const durations: number[] = [];
    for (const { measure } of starts) durations.push(await measure());
    if (round >= 0) rounds.push(durations);
  }
  return rounds;
}

function print(starts: readonly Start[], rounds: readonly (readonly number[])[]): void {
  console.log(`${rounds.length} rounds`);
  console.log(row("", ["median, ms", "min to max, ms", "x deno eval", "goal"]));
  for (const [at, { name, goal }] of starts.entries()) {
    const durations = spreadOf(rounds.map((round) => round[at] ?? NaN));
    const ratio = median(rounds.map((round) => (round[at] ?? NaN) / (round[0] ?? NaN)));
    console.log(row(name, [
      durations.median.toFixed(0),
      `${durations.min.toFixed(0)} to ${durations.max.toFixed(0)}`,
      ratio.toFixed(2),
      goal === undefined ? "" : `<= ${goal.toFixed(1)}`,
    ]));
  }
}

async function main(): Promise<void> {
  await using stage = await AetherlightStage.open("home");
  const { url } = await stage.server();
  const starts = startsOn(stage, url);
  print(starts, await measureAll(starts, Number(Deno.args[0] ?? defaultRoundCount)));
}

endOnSignals();
await main();
Deno.exit(0);
