import { deepEqual } from "node:assert/strict";
import { runSession } from "../../src/cli/node_session.ts";
import { callHandler } from "../../src/socket/call_handler.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";

Deno.test("what a handler throws and what nobody awaits is logged, and ends nothing", async () => {
  const thrown = new RangeError("thrown by a handler");
  const rejected = new Error("awaited by nobody");
  await runSession({ level: "quiet", format: "text" }, async () => {
    const log = await LogRecorder.start();
    callHandler(() => {
      throw thrown;
    });
    void Promise.reject(rejected);
    await log.next("unexpected", 2);
    deepEqual(log.of("unexpected").map(({ properties }) => properties.reason), [thrown, rejected]);
  });
});
