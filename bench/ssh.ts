/**
 * Aetherport beside `ssh -L`, in the same rounds of one run.
 *
 *     ssh.ts [--rounds N] [--results FILE] [ROW]...
 *
 * A row is chosen by its name or by how names begin (`path`, `loopback-8`); without any, all are
 * measured, and written to RESULTS.md beside this file. It needs OpenSSH's client and server, and
 * root for the rows with network namespaces.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endOnSignals } from "./processes.ts";
import { costRows } from "./ssh/cost_rows.ts";
import { latencyRows } from "./ssh/latency_rows.ts";
import { printRow, toMarkdown } from "./ssh/report.ts";
import type { MeasuredRow, TableRow } from "./ssh/table_row.ts";
import { farTableRows, nearTableRows, portableTableRows } from "./ssh/throughput_rows.ts";
import { whyNoSsh } from "./tunnels/ssh_tunnel.ts";
import { whyNoNetwork } from "./wide_area.ts";

const defaultRoundCount = 5;

const allRows: readonly TableRow[] = [
  ...nearTableRows,
  ...farTableRows,
  ...latencyRows,
  ...costRows,
  ...portableTableRows,
];

/** A row's figures, or what went wrong; the others are measured then all the same. */
async function measure(row: TableRow, roundCount: number): Promise<MeasuredRow> {
  try {
    return { row, outcome: await row.measure({ roundCount }) };
  } catch (error) {
    return { row, outcome: { error: String(error) } };
  }
}

/** Those that are asked for. */
function chooseRows(names: readonly string[]): readonly TableRow[] {
  if (names.length === 0) return allRows;
  const chosen = allRows.filter((row) => names.some((name) => row.name.startsWith(name)));
  if (chosen.length > 0) return chosen;
  const known = allRows.map(({ name }) => name).join(", ");
  console.error(`bench ssh: no row ${JSON.stringify(names.join(" "))} (there are ${known})`);
  Deno.exit(2);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { rounds: { type: "string" }, results: { type: "string" } },
    allowPositionals: true,
  });
  const rows = chooseRows(positionals);
  const missing = await whyNoSsh() ?? await whyNoNetwork();
  if (missing !== undefined) {
    console.log(`skipped: ${missing}`);
    return;
  }
  const roundCount = Number(values.rounds ?? defaultRoundCount);
  const measured: MeasuredRow[] = [];
  for (const row of rows) {
    const one = await measure(row, roundCount);
    printRow(one);
    measured.push(one);
  }
  const whole = positionals.length === 0
    ? fileURLToPath(new URL("./RESULTS.md", import.meta.url))
    : undefined;
  const results = values.results ?? whole;
  if (results !== undefined) {
    await Deno.writeTextFile(results, await toMarkdown(measured, roundCount));
    // As all of the repository is, which is checked.
    await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", results] }).output();
  }
  if (measured.some(({ outcome }) => "error" in outcome)) Deno.exit(1);
}

endOnSignals();
await main();
Deno.exit(0);
