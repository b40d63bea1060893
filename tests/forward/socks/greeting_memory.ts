/**
 * A listener for SOCKS5 as a process of its own: prints its port, and at each byte on stdin how much
 * memory is held, in bytes. Needs `--v8-flags=--expose-gc`.
 */
import { ProxyStage } from "./proxy_stage.ts";

const { gc } = globalThis as { gc?: () => void };
if (gc === undefined) throw new Error("run it with --v8-flags=--expose-gc");

await using stage = new ProxyStage();
console.log(stage.port);
for await (const asked of Deno.stdin.readable) {
  // What one collection frees may hold what the next one frees.
  for (let turn = 0; turn < 4 * asked.length; turn++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = Deno.memoryUsage();
  console.log(heapUsed + external);
}
