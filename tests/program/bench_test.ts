/** `aetherport bench` as a real process, measuring a link to another one. */
import assert from "node:assert/strict";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { AetherlightStage } from "./aetherlight_stage.ts";
import { runProgram } from "./run_program.ts";

const offline = ["--ice-server", "none"];
const short = ["--duration", "1"];

/** Runs a test with a node that is measured and one that measures, which is stopped at the end. */
async function withBench(
  { allow = "bench", flags }: { readonly allow?: string; readonly flags: readonly string[] },
  test: (bench: NodeProcess, node: NodeProcess) => Promise<void>,
): Promise<void> {
  const node = new NodeProcess([...offline, "--allow", allow]);
  const bench = new NodeProcess(["bench", ...offline, ...flags]);
  try {
    await test(bench, node);
  } finally {
    await Promise.all([bench.stop(), node.stop()]);
  }
}

/** All of its stdout that has not been read, up to its end. */
async function restOfStdout(node: NodeProcess): Promise<string[]> {
  const lines: string[] = [];
  while (true) {
    try {
      lines.push(await node.nextText());
    } catch {
      return lines;
    }
  }
}

function assertMeasured(json: string): void {
  const { path, idle, upload, download } = JSON.parse(json);
  assert.equal(path.kind, "direct");
  assert.match(path.local, /:\d+$/);
  assert.match(path.remote, /:\d+$/);
  assert.ok(idle.count > 0 && idle.p50Ms > 0 && idle.p99Ms >= idle.p50Ms);
  for (const { streams, bytesPerSecond, loaded } of [upload, download]) {
    assert.equal(streams, 4);
    assert.ok(bytesPerSecond > 0);
    assert.ok(loaded.count > 0 && loaded.p99Ms >= loaded.p50Ms);
  }
}

Deno.test("with pasted texts, stdout has the offer and then the result", async () => {
  await withBench({ flags: short }, async (bench, node) => {
    await joinByPaste(bench, node);
    const [path = "", load = "", ...table] = await restOfStdout(bench);
    assert.match(path, /^path: direct, \S+:\d+ to \S+:\d+/);
    assert.match(load, /^load: 4 streams at once/);
    assert.equal(table.length, 5);
    assert.match(table[3] ?? "", /^upload +[\d.]+ MB\/s +[\d.]+ ms +[\d.]+ ms/);
    assert.match(table[4] ?? "", /^download +[\d.]+ MB\/s +[\d.]+ ms +[\d.]+ ms/);
    assert.equal((await bench.status).code, 0);
    const { reason } = await node.event("link-down");
    assert.match(String(reason), /the other node closed the link/);
  });
});

Deno.test("with --json the result is one line, and with --quiet stderr is empty", async () => {
  await withBench({ flags: [...short, "--json", "--quiet"] }, async (bench, node) => {
    await node.paste(await bench.nextText());
    await bench.paste(await node.nextText());
    const lines = await restOfStdout(bench);
    assert.equal(lines.length, 1);
    assertMeasured(lines[0] ?? "");
    assert.deepEqual(bench.log, []);
    assert.equal((await bench.status).code, 0);
  });
});

Deno.test("measures through a signaling server: stdout has the result and nothing else", async () => {
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target: "bench" });
  const { code, stdout, stderr } = await runProgram([
    ...["bench", ...offline, ...short, "--json", "--log-format", "json"],
    ...[...stage.identityFlags("near"), "--aetherlight-ingress-url", far.url],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^\{.*\}\n$/);
  assertMeasured(stdout);
  await far.node.event("link-down");
});

Deno.test("a node without --allow bench is not measured: one line says so, and 1", async () => {
  await withBench({ allow: "*:*", flags: short }, async (bench, node) => {
    await joinByPaste(bench, node);
    assert.equal((await bench.status).code, 1);
    assert.deepEqual(await restOfStdout(bench), []);
    const { message } = await bench.event("failed");
    assert.match(message, /^the other node refused to be measured: .*--allow bench[^\n]*$/);
    const { code } = await node.event("refused");
    assert.equal(code, "denied");
  });
});

Deno.test("a link that ends midway ends it with 1, and no result is printed", async () => {
  await withBench({ flags: ["--duration", "60"] }, async (bench, node) => {
    await joinByPaste(bench, node);
    await bench.event("bench-upload");
    await node.stop();
    assert.equal((await bench.status).code, 1);
    assert.deepEqual(await restOfStdout(bench), []);
    const { message } = await bench.event("failed");
    assert.match(message, /^the link ended during the measurement: /);
  });
});

Deno.test("told to end, it ends with 1: there is no result", async () => {
  await withBench({ flags: ["--duration", "60"] }, async (bench, node) => {
    await joinByPaste(bench, node);
    await bench.event("bench-upload");
    assert.equal((await bench.stop()).code, 1);
    assert.deepEqual(await restOfStdout(bench), []);
    assert.match((await bench.event("failed")).message, /stopped before there was a result/);
    await node.event("link-down");
  });
});

Deno.test("where no link comes up it ends with 1 and one line", async () => {
  const { code, stdout, stderr } = await runProgram(["bench", ...offline, "--quiet"]);
  assert.equal(code, 1);
  assert.match(stdout, /^aetherport-offer:[^\n]*\n$/);
  assert.match(stderr, /^\S+ error: no link came up: stdin ended before [^\n]*\n$/);
});

Deno.test("where the ingress does not answer it ends with 1 and one line", async () => {
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const { keyId } = await stage.show("far");
  const { code, stdout, stderr } = await runProgram([
    ...["bench", ...offline, "--quiet", ...stage.identityFlags("near")],
    ...["--aetherlight-ingress-url", `${at}/ingresses/${keyId}`],
  ]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^\S+ error: no link came up: [^\n]*\n$/);
});

for (const args of [["--duration", "0"], ["--duration", "61"], ["--forward", "1:a:2"], ["now"]]) {
  Deno.test(`bench [${args.join(" ")}] is bad usage: one line on stderr, exit code 2`, async () => {
    const { code, stdout, stderr } = await runProgram(["bench", ...args]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^aetherport: [^\n]*\n$/);
  });
}

Deno.test("bench --help names every flag's variable, and --allow bench", async () => {
  const { code, stdout, stderr } = await runProgram(["bench", "--help"]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const name of ["DURATION", "JSON", "AETHERLIGHT_INGRESS_URL", "ICE_SERVER", "KEY"]) {
    assert.match(stdout, new RegExp(`AETHERPORT_${name}\\b`));
  }
  assert.match(stdout, /--allow bench/);
});
