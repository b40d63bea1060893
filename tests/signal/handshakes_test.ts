import assert from "node:assert/strict";
import { Handshakes } from "../../signal/handshakes.ts";
import { Refusal } from "../../signal/refusal.ts";

Deno.test("an address whose handshakes do not end gets no more WebSockets, others still do", () => {
  const handshakes = new Handshakes();
  for (let count = 0; count < 64; count++) handshakes.begin("192.0.2.1");
  assert.throws(() => handshakes.begin("192.0.2.1"), Refusal);
  handshakes.begin("192.0.2.2");
  handshakes.end("192.0.2.1");
  handshakes.begin("192.0.2.1");
});

Deno.test("handshakes that end leave nothing behind", () => {
  const handshakes = new Handshakes();
  for (let count = 0; count < 5_000; count++) {
    handshakes.begin("192.0.2.1");
    handshakes.end("192.0.2.1");
  }
});

Deno.test("there are no WebSockets any more when too many handshakes did not end", () => {
  const handshakes = new Handshakes();
  for (let count = 0; count < 1_024; count++) handshakes.begin(`192.0.2.${count}`);
  assert.throws(() => handshakes.begin("198.51.100.1"), Refusal);
});
