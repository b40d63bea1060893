import { equal, rejects } from "node:assert/strict";
import { NewestRead } from "../../src/cli/newest_read.ts";

Deno.test("of reads that overlap the one that began last counts, whichever ends last", async () => {
  for (const order of [[0, 1], [1, 0]]) {
    const reads = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    let begunCount = 0;
    const newest = new NewestRead("first", () => reads[begunCount++]?.promise ?? fail());
    const refreshing = [newest.refresh(), newest.refresh()];
    for (const at of order) {
      reads[at]?.resolve(["older", "newer"][at] ?? "");
      await refreshing[at];
    }
    equal(newest.value, "newer", order.join());
  }
});

Deno.test("what cannot be read changes nothing, and holds up nothing", async () => {
  const answers = [() => fail(), () => Promise.resolve("second")];
  const newest = new NewestRead("first", () => answers.shift()?.() ?? fail());
  await rejects(newest.refresh(), /unreadable/);
  equal(newest.value, "first");
  await newest.refresh();
  equal(newest.value, "second");
});

function fail(): Promise<never> {
  return Promise.reject(new Error("unreadable"));
}
