/**
 * Shows that a check is missed by a test when it is not there: removes checks one at a time, in a copy
 * of the tree.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const COPIED = ["src", "tests", "deno.json", "deno.lock", "lint"];

/** A check, and the tree without it. */
export interface Removal {
  readonly row: string;
  /** In the folder that the checks are of. */
  readonly file: string;
  readonly check: string;
  readonly without: string;
}

/** What is to be removed, and who has to notice. */
export interface Removals {
  /** In the tree, such as "src/sctp". */
  readonly folder: string;
  readonly tests: readonly string[];
  readonly removals: readonly Removal[];
  /** Those of these rows; of all where there are none. */
  readonly rows: readonly string[];
}

/** Prints a table of the tests that go red; false where a check is not missed. */
export async function removeChecks(
  { folder, tests, removals, rows }: Removals,
): Promise<boolean> {
  const tree = await Deno.makeTempDir({ prefix: "remove-checks-" });
  let survivorCount = 0;
  try {
    for (const name of COPIED) {
      const isFile = (await Deno.stat(`${ROOT}/${name}`)).isFile;
      if (isFile) await Deno.copyFile(`${ROOT}/${name}`, `${tree}/${name}`);
      else await copyTree(`${ROOT}/${name}`, `${tree}/${name}`);
    }
    console.log("| row | file | check removed | test that goes red |\n| --- | --- | --- | --- |");
    for (const removal of removals.filter(({ row }) => rows.length === 0 || rows.includes(row))) {
      const failure = await firstFailure(tree, `${folder}/${removal.file}`, removal, tests);
      if (failure === undefined) survivorCount++;
      const check = removal.check.trim().replaceAll("|", "\\|");
      console.log(
        `| ${removal.row} | ${removal.file} | \`${check}\` | ${failure ?? "**none**"} |`,
      );
    }
  } finally {
    await Deno.remove(tree, { recursive: true });
  }
  return survivorCount === 0;
}

/** The first test that failed without the check; undefined where all passed. */
async function firstFailure(
  tree: string,
  file: string,
  { check, without }: Removal,
  tests: readonly string[],
): Promise<string | undefined> {
  const path = `${tree}/${file}`;
  const source = await Deno.readTextFile(path);
  if (!source.includes(check)) {
    throw new Error(`${file} has no ${JSON.stringify(check)}: correct the table`);
  }
  await Deno.writeTextFile(path, source.replace(check, () => without));
  try {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--fail-fast", ...tests],
      cwd: tree,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "null",
    }).output();
    if (success) return undefined;
    const failed = /^(.*) \.\.\. FAILED/m.exec(new TextDecoder().decode(stdout));
    return failed?.[1] ?? "(does not even start)";
  } finally {
    await Deno.writeTextFile(path, source);
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
