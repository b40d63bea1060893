import { ok } from "node:assert/strict";
import { losing, runHandshake, talks } from "./lossy_handshake.ts";

Deno.test("10,000 handshakes at a loss of 20 % complete within 30 s", () => {
  for (let seed = 0; seed < 10_000; seed++) {
    const { connectedAt, pair } = runHandshake({ tap: losing(seed, 0.2) });
    ok(connectedAt !== undefined && connectedAt <= 30_000, `seed ${seed}`);
    ok(talks(pair), `seed ${seed}`);
  }
});
