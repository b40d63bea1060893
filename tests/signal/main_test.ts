import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

Deno.test("the entry for Deno Deploy answers under deno serve", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["serve", "-A", "--unstable-kv", "--host", "127.0.0.1", "--port", "0"],
      fileURLToPath(new URL("../../signal/main.ts", import.meta.url)),
    ],
    env: { AETHERPORT_KV: ":memory:" },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let text = "";
  let url: string | undefined;
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    url = /Listening on (http:\S+)\//.exec(text)?.[1];
    if (url !== undefined) break;
  }
  const response = await fetch(`${url}/healthz`);
  assert.deepEqual(await response.json(), { status: "ok" });
  child.kill("SIGTERM");
  await child.status;
});
