import { ok } from "node:assert/strict";
import { memoryOfFlood, tryConnections, tryHandshakes } from "./mutation.ts";

Deno.test("10,000 mutated datagrams end handshakes at worst", () => tryHandshakes(10_000, 1));

Deno.test("10,000 mutated datagrams do nothing to open connections", () =>
  tryConnections(10_000, 2));

Deno.test("a flood of mutated datagrams leaves little behind", () => {
  const bytes = memoryOfFlood(20_000, 3);
  ok(bytes < 64 * 2 ** 20, `${bytes} bytes`);
});
