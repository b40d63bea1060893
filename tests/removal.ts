/**
 * Shows that a check is missed by a test when it is not there: removes checks one at a time, in a copy
 * of the tree.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const COPIED = ["src", "tests", "deno.json", "deno.lock", "lint"];
/** Other programs, which the tests that are run here do without. */
const NOT_COPIED = "tests/peers/bin";
/** Some checks keep a loop from going on for ever. In ms. */
const TIME_LIMIT = 120_000;

/** A check, and the tree without it. */
export interface Removal {
  readonly row: string;
  /** In the folder that the checks are of. */
  readonly file: string;
  readonly check: string;
  readonly without: string;
}

/** Some of them, and who has to notice. */
export interface RemovalGroup {
  /** In tests/, such as "sctp/setup": fast, and together they know all of these checks. */
  readonly tests: readonly string[];
  readonly removals: readonly Removal[];
}

/** What is to be removed. */
export interface Removals {
  /** In the tree, such as "src/sctp". */
  readonly folder: string;
  readonly groups: readonly RemovalGroup[];
  /** Those of these rows; of all where there are none. */
  readonly rows: readonly string[];
}

/** Prints a table of the tests that go red; false where a check is not missed. */
export async function removeChecks({ folder, groups, rows }: Removals): Promise<boolean> {
  const wanted = groups
    .flatMap(({ tests, removals }) => removals.map((removal) => ({ ...removal, tests })))
    .filter(({ row }) => rows.length === 0 || rows.includes(row))
    .sort((one, other) => one.row.localeCompare(other.row, "en", { numeric: true }));
  const tree = await Deno.makeTempDir({ prefix: "remove-checks-" });
  try {
    for (const name of COPIED) await copy(`${ROOT}/${name}`, `${tree}/${name}`);
    await requireGreen(tree, [...new Set(wanted.flatMap(({ tests }) => tests))]);
    console.log("| row | file | check removed | test that goes red |\n| --- | --- | --- | --- |");
    let survivorCount = 0;
    for (const { tests, ...removal } of wanted) {
      const failure = await failureWithout(tree, folder, removal, tests);
      if (failure === undefined) survivorCount++;
      const { row, file, check } = removal;
      console.log(`| ${row} | ${file} | ${inMarkdown(check)} | ${failure ?? "**none**"} |`);
    }
    return survivorCount === 0;
  } finally {
    await Deno.remove(tree, { recursive: true });
  }
}

/** Throws where a test fails though nothing is removed: it would say nothing of any check. */
async function requireGreen(tree: string, tests: readonly string[]): Promise<void> {
  const failure = await firstFailure(tree, tests);
  if (failure !== undefined) throw new Error(`before anything is removed this fails: ${failure}`);
}

/** The first test that failed without the check; undefined where all passed. */
async function failureWithout(
  tree: string,
  folder: string,
  { file, check, without }: Removal,
  tests: readonly string[],
): Promise<string | undefined> {
  const path = `${tree}/${folder}/${file}`;
  const source = await Deno.readTextFile(path);
  const count = source.split(check).length - 1;
  if (count !== 1) {
    throw new Error(`${file} has ${JSON.stringify(check)} ${count} times: correct the table`);
  }
  await Deno.writeTextFile(path, source.replace(check, () => without));
  try {
    return await firstFailure(tree, tests);
  } finally {
    await Deno.writeTextFile(path, source);
  }
}

async function firstFailure(tree: string, tests: readonly string[]): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(TIME_LIMIT);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--fail-fast", ...tests.map(pathOf)],
    cwd: tree,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
    signal: timeout,
  }).output();
  if (success) return undefined;
  if (timeout.aborted) return "(they do not end)";
  const failed = /^(.*) \.\.\. FAILED/m.exec(new TextDecoder().decode(stdout));
  if (failed !== null) return failed[1];
  // What cannot be run shows nothing.
  throw new Error(`the tests do not even start: ${new TextDecoder().decode(stderr)}`);
}

function pathOf(test: string): string {
  return `tests/${test}_test.ts`;
}

/** Code in a cell of a table, which may have the characters that end either. */
function inMarkdown(code: string): string {
  const text = code.trim().replace(/\s+/g, " ").replaceAll("|", "\\|");
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

async function copy(from: string, to: string): Promise<void> {
  if (from.endsWith(NOT_COPIED)) return;
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}
