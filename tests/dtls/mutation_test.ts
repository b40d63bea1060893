import { equal, ok } from "node:assert/strict";
import {
  heldByConnection,
  heldByHandshakes,
  memoryOfFlood,
  tryConnections,
  tryHandshakes,
} from "./mutation.ts";

Deno.test("10,000 mutated datagrams end handshakes at worst", () => tryHandshakes(10_000, 1));

Deno.test("10,000 mutated datagrams do nothing to open connections", () =>
  tryConnections(10_000, 2));

Deno.test("a flood of mutated datagrams leaves little behind", () => {
  const bytes = memoryOfFlood(20_000, 3);
  ok(bytes < 64 * 2 ** 20, `${bytes} bytes`);
});

Deno.test("200,000 mutated and random datagrams leave nothing in an open connection", () => {
  const { most, left } = heldByConnection(200_000, 4);
  // The server keeps its last flight until it hears of the client, and an alert may be on its way.
  ok(most < 64, `${most} bytes`);
  equal(left, 0);
});

Deno.test("20,000 mutated datagrams fill no handshake with more than 128 KB", () => {
  const bytes = heldByHandshakes(20_000, 5);
  ok(bytes < 2 ** 17, `${bytes} bytes`);
});
