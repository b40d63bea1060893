import { tryConnections, tryHandshakes } from "./mutation.ts";

Deno.test("100,000 mutated datagrams end handshakes at worst", () => tryHandshakes(100_000, 4, {}));

Deno.test("100,000 mutated datagrams do nothing to open connections", () =>
  tryConnections(100_000, 5));
