/** What the program answers to its command line: output, exit codes, streams. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { NodeProcess, programCommand } from "../../demo/node_process.ts";
import { freePort } from "./local_service.ts";
import { runProgram } from "./run_program.ts";

Deno.test("--help goes to stdout, names every flag's variable, and ends with 0", async () => {
  const { code, stdout, stderr } = await runProgram(["--help"]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const name of ["FORWARD", "ALLOW", "ICE_SERVER", "LOG_FORMAT", "EXIT_ON_FAILURE"]) {
    assert.match(stdout, new RegExp(`AETHERPORT_${name}\\b`));
  }
  assert.match(stdout, /Examples:/);
});

Deno.test("--version prints one line", async () => {
  const { code, stdout } = await runProgram(["--version"]);
  assert.equal(code, 0);
  assert.match(stdout, /^aetherport \d+\.\d+\.\d+\n$/);
});

for (
  const { args, problem } of [
    { args: [], problem: /nothing to do/ },
    { args: ["--forward", "80:[::1:80"], problem: /column 4.*Example/ },
    { args: ["--allow", "nas"], problem: /column 4.*Example/ },
    { args: ["--allow", "nas:80", "--loud"], problem: /unknown option '--loud'/ },
    { args: ["--allow", "nas:80", "--log-format", "xml"], problem: /xml/ },
    { args: ["--allow", "nas:80", "-v", "-q"], problem: /cannot be used with/ },
    { args: ["--allow", "nas:80", "--ice-server", "http://x"], problem: /stun: or turn:/ },
    { args: ["ingres"], problem: /"ingres" is no command/ },
  ]
) {
  Deno.test(`[${args.join(" ")}] is bad usage: one line on stderr, exit code 2`, async () => {
    const { code, stdout, stderr } = await runProgram(args);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, problem);
    assert.equal(stderr.trimEnd().split("\n").length, 1);
  });
}

Deno.test("variables stand in for flags, and a bad one is named", async () => {
  const { code, stderr } = await runProgram([], { AETHERPORT_FORWARD: "8080:x:80,nonsense" });
  assert.equal(code, 2);
  assert.match(stderr, /AETHERPORT_FORWARD.*nonsense/);
});

Deno.test("an address that cannot be bound ends the program with 1, before any offer", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { code, stdout, stderr } = await runProgram([
    "--forward",
    `127.0.0.1:${taken.addr.port}:127.0.0.1:80`,
  ]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, new RegExp(`cannot listen on 127.0.0.1:${taken.addr.port}`));
});

Deno.test("a failure is one JSON object too where the log is JSON", async () => {
  const args = ["--allow", "127.0.0.1:80", "--ice-server", "none", "--log-format", "json"];
  const { code, stderr } = await runProgram(args);
  assert.equal(code, 1);
  const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.at(-1).event, "failed");
});

Deno.test("stdin that ends before the exchange ends the program with 1", async () => {
  const { code, stderr } = await runProgram(["--allow", "127.0.0.1:80", "--ice-server", "none"]);
  assert.equal(code, 1);
  assert.match(stderr, /stdin ended before/);
});

Deno.test("stdout carries the offer and nothing else", async () => {
  const node = new NodeProcess([
    "--forward",
    `127.0.0.1:${freePort()}:127.0.0.1:80`,
    "--ice-server",
    "none",
    "--verbose",
  ]);
  try {
    assert.match(
      await node.nextText(),
      /^aetherport-offer:1:\d+:[\da-f]{8}:[\w+/]+:aetherport-end$/,
    );
  } finally {
    assert.equal((await node.stop()).code, 0);
  }
});

Deno.test("the offer is printed where no STUN server answers", async () => {
  const silent = createSocket("udp4").bind(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address();
  const args = ["--forward", `127.0.0.1:${freePort()}:127.0.0.1:80`];
  const node = new NodeProcess([...args, "--ice-server", `stun:127.0.0.1:${port}`]);
  try {
    assert.match(await node.nextText(), /^aetherport-offer:/);
  } finally {
    silent.close();
    await node.stop();
  }
});

Deno.test("--exit-on-failure ends the program with 1 when its link ends", async () => {
  const forward = ["--forward", `127.0.0.1:${freePort()}:127.0.0.1:80`];
  const offline = ["--ice-server", "none"];
  const egress = new NodeProcess([...forward, ...offline, "--exit-on-failure"]);
  const ingress = new NodeProcess(["--allow", "127.0.0.1:80", ...offline]);
  await ingress.paste(await egress.nextText());
  await egress.paste(await ingress.nextText());
  await Promise.all([egress.event("link-up"), ingress.event("link-up")]);
  await ingress.stop();
  assert.equal((await egress.status).code, 1);
  await egress.stop();
});

Deno.test("a reader of stdout that went away is no failure", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const folder = await Deno.makeTempDir();
  const place = ["--control-socket", `${folder}/node.sock`];
  const node = new NodeProcess(["--allow", "nas:80", "--ice-server", "none", "-v", ...place]);
  await node.event("control");
  const words = [...programCommand, "status", "--json", ...place].map((word) => `'${word}'`);
  const child = new Deno.Command("sh", {
    args: ["-c", `read _; exec ${words.join(" ")}`],
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  await child.stdout.cancel();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode("\n"));
  await input.close();
  const [stderr, { code }] = await Promise.all([new Response(child.stderr).text(), child.status]);
  await node.stop();
  await Deno.remove(folder, { recursive: true });
  assert.deepEqual([code, stderr], [0, ""]);
});
