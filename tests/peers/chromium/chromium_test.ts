import assert from "node:assert/strict";
import { isInstalled } from "../peer_process.ts";
import { Chromium } from "./chromium.ts";

const ignore = !(await isInstalled("chromium", ["--version"], "its driver"));

Deno.test("takes a command without waiting for what it brings about", { ignore }, async () => {
  await using stack = new AsyncDisposableStack();
  const chromium = await Chromium.start();
  stack.defer(() => chromium.stop());
  // What a command brings about here is that it fails.
  await chromium.write('{"command": "nonsense"}');
  await assert.rejects(chromium.waitFor(/open/), /no such command: nonsense/);
});
