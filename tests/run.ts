/**
 * Runs the tests, and ends with one line that says how many passed and failed.
 *
 *     deno task test                      all but the deep tests
 *     deno task deep                      the deep tests (*_deep_test.ts) only
 *     deno task test tests/link           one folder, or one file
 *     deno task test discards an INIT     the tests whose name contains that text
 *     deno task test --fail-fast          any flag of `deno test`, with its value after =
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The summary is the last of deno's output, so a short end of it is enough to keep. */
const TAIL_LENGTH = 16_384;

/** How many tests passed and failed. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

/** What the arguments ask for. */
export interface Request {
  /** The tests that take minutes, instead of the others. */
  readonly isDeep: boolean;
  /** Files and folders to look for tests in. */
  readonly paths: readonly string[];
  /** Passed on to `deno test`. */
  readonly flags: readonly string[];
}

/**
 * Sorts the arguments: `--deep`, flags of `deno test`, paths that exist, and words, which together
 * are one text to look for in the tests' names.
 */
export function parseArguments(
  args: readonly string[],
  pathExists: (path: string) => boolean,
): Request {
  const flags = args.filter((one) => one.startsWith("-") && one !== "--deep");
  const others = args.filter((one) => !one.startsWith("-"));
  const paths = others.filter(pathExists);
  const words = others.filter((one) => !pathExists(one));
  return {
    isDeep: args.includes("--deep"),
    paths: paths.length > 0 ? paths : ["tests"],
    flags: words.length > 0 ? [...flags, `--filter=${words.join(" ")}`] : flags,
  };
}

/** Whether a file is a test, and one of those asked for. */
export function isWanted(path: string, isDeep: boolean): boolean {
  return path.endsWith("_test.ts") && path.endsWith("_deep_test.ts") === isDeep;
}

/**
 * Reads the last summary in the output of `deno test`, such as
 * `FAILED | 12 passed (3 steps) | 1 failed | 2 ignored (4s)`; undefined when there is none,
 * because something did not compile or the process died.
 */
export function parseSummary(output: string): Outcome | undefined {
  const summary = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed\b/gm;
  const last = [...output.matchAll(summary)].at(-1);
  return last === undefined ? undefined : { passed: Number(last[1]), failed: Number(last[2]) };
}

/** What to report: a run that ended badly has failed, whatever its summary says. */
export function judge(summary: Outcome | undefined, exitCode: number): Outcome {
  if (summary === undefined) return { passed: 0, failed: 1 };
  if (exitCode !== 0 && summary.failed === 0) return { ...summary, failed: 1 };
  return summary;
}

/** Whether everything that ran passed, and something ran. */
export function isSuccess({ passed, failed }: Outcome): boolean {
  return failed === 0 && passed > 0;
}

/** What the tests run with: nothing that someone has set for nodes of their own. */
export function testEnvironment(
  environment: Readonly<Record<string, string>>,
  configHome: string,
): Record<string, string> {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith("AETHERPORT_"));
  return { ...Object.fromEntries(others), NO_COLOR: "1", XDG_CONFIG_HOME: configHome };
}

function pathExists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The test files at the paths, in a fixed order; a file that is named itself is always in. */
function findTests({ paths, isDeep }: Request): string[] {
  const files = paths.flatMap((path) =>
    Deno.statSync(path).isFile ? [path] : filesBelow(path).filter((file) => isWanted(file, isDeep))
  );
  return [...new Set(files)].sort((a, b) => a < b ? -1 : 1);
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = `${folder.replace(/\/$/, "")}/${entry.name}`;
    return entry.isDirectory ? filesBelow(path) : [path];
  });
}

/** Runs `deno test` with its output passed through, and reads the summary from it. */
async function runTests(request: Request): Promise<Outcome> {
  const files = findTests(request);
  if (files.length === 0) {
    console.error(`No test files in ${request.paths.join(", ")}.`);
    return { passed: 0, failed: 1 };
  }
  const configHome = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--unstable-kv", ...request.flags, ...files],
    env: testEnvironment(Deno.env.toObject(), configHome),
    clearEnv: true,
    stdout: "piped",
  }).spawn();
  const tail = await passThrough(child.stdout);
  if (!tail.endsWith("\n")) console.log();
  const { code } = await child.status;
  await Deno.remove(configHome, { recursive: true });
  return judge(parseSummary(tail), code);
}

/** Copies a stream to stdout, and returns its end as text. */
async function passThrough(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of stream) {
    writeAllSync(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_LENGTH);
  }
  return tail;
}

function writeAllSync(bytes: Uint8Array): void {
  let start = 0;
  while (start < bytes.length) start += Deno.stdout.writeSync(bytes.subarray(start));
}

if (import.meta.main) {
  Deno.chdir(ROOT);
  const outcome = await runTests(parseArguments(Deno.args, pathExists));
  console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
  Deno.exit(isSuccess(outcome) ? 0 : 1);
}
