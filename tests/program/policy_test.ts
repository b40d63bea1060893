/** A node with a policy and an audit log, as a real process. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { echo, freePort, serve } from "./local_service.ts";
import { runProgram } from "./run_program.ts";

const isWindows = Deno.build.os === "windows";

const policyFor = (port: number) => `
  [[rule]]
  name = "echo for whoever pasted"
  action = "allow"
  peer.pasted = true
  target = { host = "localhost", port = ${port} }
  limit = { connections = 1, bytes-per-second = "50 MB" }
`;

Deno.test(
  "a policy is obeyed, read anew on SIGHUP, and audited",
  { ignore: isWindows },
  async () => {
    await using service = await serve(echo);
    const folder = await Deno.makeTempDir();
    const [policyPath, auditPath] = [`${folder}/policy.toml`, `${folder}/audit.jsonl`];
    await Deno.writeTextFile(policyPath, policyFor(service.port));
    const port = freePort();
    const egress = new NodeProcess([
      ...["--ice-server", "none", "--forward", `127.0.0.1:${port}:localhost:${service.port}`],
    ]);
    const ingress = new NodeProcess([
      ...["--ice-server", "none", "--policy", policyPath, "--audit-log", auditPath],
    ]);
    try {
      await joinByPaste(egress, ingress);
      const client = net.connect({ port, host: "127.0.0.1" });
      client.on("error", () => {});
      client.write("ping");
      const [answer] = await once(client, "data");
      assert.equal(String(answer), "ping");
      const second = net.connect({ port, host: "127.0.0.1" });
      second.on("error", () => {});
      assert.match((await egress.event("refused")).message, /at most 1 connections at once/);

      await Deno.writeTextFile(policyPath, "[[rule]]\naction = 1\n");
      ingress.kill("SIGHUP");
      assert.match((await ingress.event("reload-failed")).message, /line 2: rule 1, action/);
      client.write("pong");
      assert.equal(String((await once(client, "data"))[0]), "pong");

      await Deno.rename(auditPath, `${auditPath}.1`);
      await Deno.writeTextFile(policyPath, '[[rule]]\nname = "closed"\naction = "deny"\n');
      ingress.kill("SIGHUP");
      await new Promise((resolve) => client.once("close", resolve));
      await ingress.event("policy-reloaded");
      const third = net.connect({ port, host: "127.0.0.1" });
      third.on("error", () => {});
      assert.match((await egress.event("refused", 2)).message, /rule "closed" denies it/);
    } finally {
      await Promise.all([egress.stop(), ingress.stop()]);
    }
    const lines =
      (await Promise.all([`${auditPath}.1`, auditPath].map((path) => Deno.readTextFile(path)))).map(
        (text) => text.trim().split("\n").map((line) => JSON.parse(line)),
      );
    const eventsOf = (at: number) => lines[at]?.map(({ event }) => event).join();
    assert.deepEqual([eventsOf(0), eventsOf(1)], ["opened,refused", "closed,refused"]);
    const [closed] = lines[1] ?? [];
    assert.deepEqual([closed.up, closed.down, closed.dialled], [8, 8, `127.0.0.1:${service.port}`]);
    assert.match(closed.reason, /no longer allowed/);
    assert.equal((await Deno.stat(auditPath)).mode! & 0o777, 0o600);
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test(
  "a policy is read anew on SIGHUP though the audit log cannot be opened anew",
  { ignore: isWindows },
  async () => {
    const folder = await Deno.makeTempDir();
    const policyPath = `${folder}/policy.toml`;
    await Deno.writeTextFile(policyPath, '[[rule]]\naction = "allow"\n');
    await Deno.mkdir(`${folder}/log`);
    const node = new NodeProcess([
      ...["--ice-server", "none", "--policy", policyPath],
      ...["--audit-log", `${folder}/log/audit.jsonl`],
    ]);
    try {
      await node.event("awaiting-offer");
      await Deno.rename(`${folder}/log`, `${folder}/log.1`);
      node.kill("SIGHUP");
      assert.match((await node.event("audit-failed")).message, /audit\.jsonl cannot be written/);
      await node.event("policy-reloaded");
    } finally {
      await node.stop();
    }
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test("a policy or an audit log that cannot be used ends the program with 2", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/policy.toml`;
  await Deno.writeTextFile(path, '[[rule]]\naction = "allow"\nif = "peer.nmae == 1"\n');
  const bad = await runProgram(["--policy", path]);
  assert.deepEqual([bad.code, bad.stdout], [2, ""]);
  assert.match(bad.stderr, /policy\.toml, line 3: rule 1, if: .*column 6/);
  assert.equal(bad.stderr.trimEnd().split("\n").length, 1);
  const log = await runProgram(["--allow", "x:80", "--audit-log", `${folder}/none/audit`]);
  assert.equal(log.code, 2);
  assert.match(log.stderr, /--audit-log .* cannot be written/);
  await Deno.remove(folder, { recursive: true });
});
