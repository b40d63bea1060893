import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { copyEvent, lendEvent, LentBuffer, POISON } from "./lent_memory.ts";

Deno.test("what was lent is overwritten when it is taken back", () => {
  const buffer = new LentBuffer(10);
  const view = buffer.lendCopy(new Uint8Array([1, 2, 3]));
  deepEqual([...view], [1, 2, 3]);
  buffer.takeBack();
  deepEqual([...view], [POISON, POISON, POISON]);
});

Deno.test("a buffer to write to holds nothing of the last loan", () => {
  const buffer = new LentBuffer(4);
  buffer.lend().fill(7);
  buffer.takeBack();
  deepEqual([...buffer.lend()], [POISON, POISON, POISON, POISON]);
});

Deno.test("a view starts within its buffer, and nowhere even", () => {
  const view = new LentBuffer(10).lend();
  equal(view.byteOffset % 2, 1);
  throws(() => new Uint16Array(view.buffer, view.byteOffset, 1), RangeError);
});

Deno.test("who writes beside the lent bytes is found out", () => {
  for (const at of [-1, 3]) {
    const buffer = new LentBuffer(10);
    const view = buffer.lendCopy(new Uint8Array(3));
    new Uint8Array(view.buffer)[view.byteOffset + at] = 1;
    throws(() => buffer.takeBack(), /wrote outside the bytes it was lent/);
  }
});

Deno.test("more than the buffer holds is not lent", () => {
  throws(() => new LentBuffer(2).lendCopy(new Uint8Array(3)), RangeError);
});

Deno.test("an event is copied as deep as it goes", () => {
  const bytes = new Uint8Array([1, 2]);
  const event = { name: "chain", certificates: [{ der: bytes }], reason: undefined };
  const copy = copyEvent(event);
  deepEqual(copy, event);
  bytes.fill(9);
  deepEqual([...copy.certificates[0]?.der ?? []], [1, 2]);
});

Deno.test("the bytes of a lent event are overwritten after the call, its owner's are not", () => {
  const bytes = new Uint8Array([1, 2]);
  let kept: Uint8Array | undefined;
  lendEvent({ bytes }, (event) => {
    kept = event.bytes;
    deepEqual([...kept], [1, 2]);
  });
  ok(kept?.every((byte) => byte === POISON));
  deepEqual([...bytes], [1, 2]);
});
