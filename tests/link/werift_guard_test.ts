import assert from "node:assert/strict";
import { guardDtls } from "../../src/link/werift_guard.ts";

/** One DTLS record with an empty-looking fragment. */
function record(type: number, { epoch = 0, length = 2 } = {}): Uint8Array {
  const bytes = new Uint8Array(13 + length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint16(1, 0xfefd);
  view.setUint16(3, epoch);
  view.setUint16(11, length);
  return bytes;
}

/** The datagrams that pass the guard, as the types of their first records. */
function passed(datagrams: readonly Uint8Array[]): number[] {
  const types: number[] = [];
  const connection = {
    onData: { execute: (datagram: Uint8Array) => types.push(datagram[0] ?? 0) },
  };
  guardDtls(connection);
  for (const datagram of datagrams) connection.onData.execute(datagram);
  return types;
}

Deno.test("alerts of any epoch never reach werift", () => {
  assert.deepEqual(passed([record(21), record(21, { epoch: 1, length: 32 })]), []);
});

Deno.test("records of unknown types never reach werift", () => {
  assert.deepEqual(passed([record(24), record(25), record(26), record(0)]), []);
});

Deno.test("a handshake passes until there is data, and not after it", () => {
  const data = record(23, { epoch: 1 });
  assert.deepEqual(passed([record(22), record(20), data, record(22), data]), [22, 20, 23, 23]);
});

Deno.test("a datagram whose records do not fill it is dropped whole", () => {
  const cut = record(23, { epoch: 1, length: 40 }).subarray(0, 30);
  assert.deepEqual(passed([cut, new Uint8Array(5), new Uint8Array(0)]), [0]);
});
