/** Tells what came out: a line for each row on the terminal, and all of them as Markdown. */
import { cpus, release } from "node:os";
import { short, spreadOf } from "../statistics.ts";
import { sshVersion } from "../tunnels/ssh_tunnel.ts";
import { type Figures, type Goal, type MeasuredRow, ratiosOf, type TableRow } from "./table_row.ts";

const header = [
  "row",
  "",
  "unit",
  "ssh",
  "aetherport",
  "ratio",
  "must",
  "aim",
  "outcome",
];

/** The row's cells, without the first two. */
function cellsOf({ row, outcome }: MeasuredRow): readonly string[] {
  const { must, aim, of } = row.goal;
  const goal = (value: number | undefined) =>
    value === undefined ? "" : `${short(value)}${of === "ratio" ? " x" : ""}`;
  if ("error" in outcome) return [row.unit, "", "", "", goal(must), goal(aim), "**failed**"];
  return [
    row.unit,
    spread(outcome.ssh),
    spread(outcome.aetherport),
    spread(ratiosOf(outcome)),
    goal(must),
    goal(aim),
    verdictOn(row, outcome),
  ];
}

/** `least / median / greatest`, or one value where all are the same. */
function spread(values: readonly number[]): string {
  if (values.length === 0) return "";
  const { min, median, max } = spreadOf(values);
  return values.length === 1 ? short(median) : `${short(min)} / ${short(median)} / ${short(max)}`;
}

/** What the median reaches. */
function verdictOn({ goal }: TableRow, figures: Figures): string {
  const values = goal.of === "ratio" ? ratiosOf(figures) : figures.aetherport;
  const { median } = spreadOf(values);
  if (reaches(median, goal, goal.aim)) return "aim";
  if (reaches(median, goal, goal.must)) return "must";
  return goal.must === undefined && goal.aim === undefined ? "right" : "**missed**";
}

function reaches(value: number, { better }: Goal, wanted: number | undefined): boolean {
  if (wanted === undefined) return false;
  return better === "higher" ? value >= wanted : value <= wanted;
}

/** Prints a row that was measured. */
export function printRow(measured: MeasuredRow): void {
  const [unit, ssh, aetherport, ratio, must, aim, verdict] = cellsOf(measured);
  console.log(`${measured.row.name}: ${measured.row.title}`);
  const parts = [
    ssh === "" ? "" : `ssh ${ssh} ${unit}`,
    aetherport === "" ? "" : `aetherport ${aetherport} ${unit}`,
    ratio === "" ? "" : `ratio ${ratio}`,
    must === "" ? "" : `must ${must}`,
    aim === "" ? "" : `aim ${aim}`,
    verdict ?? "",
  ];
  console.log(`    ${parts.filter((part) => part !== "").join("; ")}`);
  for (const note of notesOf(measured)) console.log(`    ${note}`);
}

function notesOf({ outcome }: MeasuredRow): readonly string[] {
  return "error" in outcome ? [outcome.error] : outcome.notes ?? [];
}

/** The whole as Markdown. */
export async function toMarkdown(
  rows: readonly MeasuredRow[],
  roundCount: number,
): Promise<string> {
  const lines = rows.map((
    measured,
  ) => [measured.row.name, measured.row.title, ...cellsOf(measured)]);
  const notes = mergedNotes(rows);
  return [
    "# Results",
    "",
    `Written by \`deno task bench ssh\`; ${roundCount} rounds in which ssh and aetherport alternate, each`,
    "cell least / median / greatest, each ratio taken within its round. What is compared is `ssh -L` with",
    "its default cipher. Throughput is of a window after a warm-up; every byte that came was compared with",
    'what was sent. "down" is towards the node that forwards. 1 MB is 10^6 bytes, 1 KB of memory 1024.',
    "",
    ...await describeMachine(),
    "",
    ...tableOf([header, ...lines]),
    ...(notes.length === 0 ? [] : ["", ...notes]),
    "",
  ].join("\n");
}

/** Each note once, with the rows that have it. */
function mergedNotes(rows: readonly MeasuredRow[]): readonly string[] {
  const names = new Map<string, string[]>();
  for (const measured of rows) {
    for (const note of notesOf(measured)) {
      names.set(note, [...names.get(note) ?? [], measured.row.name]);
    }
  }
  return [...names].map(([note, of]) => `- ${of.join(", ")}: ${note}`);
}

function tableOf([first = [], ...rest]: readonly (readonly string[])[]): readonly string[] {
  const lineOf = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [lineOf(first), lineOf(first.map(() => "---")), ...rest.map(lineOf)];
}

async function describeMachine(): Promise<readonly string[]> {
  const processors = cpus();
  return [
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- deno ${Deno.version.deno}, V8 ${Deno.version.v8}`,
    `- ssh: ${await sshVersion() ?? "none"}`,
    `- openssl: ${await opensslVersion()}`,
    `- kernel: ${Deno.build.os} ${release()}, TCP's congestion control: ${await congestionControl()}`,
    `- machine: ${processors.length} x ${processors[0]?.model.trim() ?? "?"}, ` +
    `${(Deno.systemMemoryInfo().total / 2 ** 30).toFixed(0)} GiB; load before: ${loadBefore}`,
  ];
}

/** Of the last minute, when this program began: others may have had a part of the machine. */
const loadBefore = (Deno.loadavg()[0] ?? NaN).toFixed(1);

async function congestionControl(): Promise<string> {
  const text = await Deno.readTextFile("/proc/sys/net/ipv4/tcp_congestion_control");
  return text.trim();
}

async function opensslVersion(): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("openssl", { args: ["version"] }).output();
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "no program of that name";
    throw error;
  }
}
