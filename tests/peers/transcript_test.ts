import assert from "node:assert/strict";
import { Transcript } from "./transcript.ts";

Deno.test("waits for what a peer says in parts", async () => {
  const transcript = new Transcript("a peer");
  const waiting = transcript.waitFor(/^listening on (\d+)$/m);
  transcript.add("hello\nlisten");
  transcript.add("ing on 80\n");
  const [, port] = await waiting;
  assert.equal(port, "80");
});

Deno.test("finds what a peer had said before, also where it has ended", async () => {
  const transcript = new Transcript("a peer");
  transcript.add("hello\n");
  transcript.end("it has ended");
  assert.equal((await transcript.waitFor(/hello/)).index, 0);
});

Deno.test("says what was waited for, and what came instead, where a peer ends", async () => {
  const transcript = new Transcript("a peer");
  const waiting = transcript.waitFor(/hello/);
  transcript.add("out of memory\n");
  transcript.end("it has ended");
  transcript.end("nobody asks any more");
  const message = "a peer did not say /hello/ (it has ended), but: out of memory\n";
  await assert.rejects(waiting, { message });
});

Deno.test("says what was waited for, and what came instead, where it takes too long", async () => {
  const transcript = new Transcript("a peer", 10);
  transcript.add(`${"-".repeat(5_000)} still thinking`);
  const waiting = transcript.waitFor(/hello/);
  await assert.rejects(
    waiting,
    /a peer did not say \/hello\/ \(in time\), but: … -+ still thinking$/,
  );
});
