/** Row D17: fragments in any order, and what is no fragment of anything. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { HandshakeFragment } from "../../src/dtls/handshake_header.ts";
import { maxMessageLength, maxMessagesAhead, Reassembly } from "../../src/dtls/reassembly.ts";
import { mapMessages, parseRecords, type WireRecord, writeRecords } from "./on_path.ts";
import { connectedPair, Pair, type PairOptions, serverIdentity } from "./pair.ts";

const body = Uint8Array.from({ length: 40 }, (_, index) => index);

function fragment(offset: number, end: number, sequence = 0): HandshakeFragment {
  return {
    type: "Certificate",
    length: body.length,
    sequence,
    offset,
    body: body.subarray(offset, end),
  };
}

/** Takes fragments, and returns the message if it is complete. */
function assemble(...fragments: readonly HandshakeFragment[]): Uint8Array | undefined {
  const reassembly = new Reassembly();
  for (const one of fragments) reassembly.accept(one, 0);
  return reassembly.take()?.message.body;
}

const orders: readonly [what: string, fragments: readonly HandshakeFragment[]][] = [
  ["in one piece", [fragment(0, 40)]],
  ["in order", [fragment(0, 10), fragment(10, 30), fragment(30, 40)]],
  ["in reverse", [fragment(30, 40), fragment(10, 30), fragment(0, 10)]],
  ["with overlaps", [fragment(0, 25), fragment(10, 30), fragment(20, 40)]],
  ["with one inside another", [fragment(10, 20), fragment(0, 40)]],
  ["with duplicates", [fragment(0, 20), fragment(0, 20), fragment(20, 40), fragment(20, 40)]],
  ["with empty ones", [fragment(0, 0), fragment(0, 20), fragment(20, 20), fragment(20, 40)]],
  ["byte by byte", Array.from(body, (_, index) => fragment(index, index + 1))],
  ["byte by byte, backwards", Array.from(body, (_, index) => fragment(39 - index, 40 - index))],
];
for (const [what, fragments] of orders) {
  Deno.test(`D17: puts a message together ${what}`, () => deepEqual(assemble(...fragments), body));
}

Deno.test("D17: a message with a gap is not complete", () => {
  equal(assemble(fragment(0, 19), fragment(20, 40)), undefined);
  equal(assemble(fragment(1, 40)), undefined);
  equal(assemble(fragment(0, 0)), undefined);
});

Deno.test("D17: fragments at odds with the first about type, length or epoch are refused", () => {
  const reassembly = new Reassembly();
  equal(reassembly.accept(fragment(0, 20), 0), "held");
  equal(reassembly.accept({ ...fragment(20, 40), type: "ClientHello" }, 0), "refused");
  equal(reassembly.accept({ ...fragment(20, 40), length: 41 }, 0), "refused");
  equal(reassembly.accept({ ...fragment(20, 40), length: 400 }, 0), "refused");
  equal(reassembly.accept(fragment(20, 40), 1), "refused");
  equal(reassembly.take(), undefined);
  reassembly.accept(fragment(20, 40), 0);
  deepEqual(reassembly.take()?.message.body, body);
});

Deno.test("F3: of overlapping fragments that differ, the first copy stays", () => {
  const forged = { ...fragment(0, 40), body: new Uint8Array(40).fill(99) };
  deepEqual(assemble(fragment(0, 20), forged)?.subarray(0, 20), body.subarray(0, 20));
  deepEqual(assemble(fragment(0, 40), forged), body);
});

Deno.test("D17: messages come out in order, however they came in", () => {
  const reassembly = new Reassembly();
  for (const sequence of [2, 0, 1]) reassembly.accept(fragment(0, 40, sequence), 0);
  deepEqual([0, 1, 2].map(() => reassembly.take()?.message.sequence), [0, 1, 2]);
  equal(reassembly.accept(fragment(0, 40, 1), 0), "old");
});

Deno.test("D17: an empty message is complete at once", () => {
  equal(
    assemble({
      type: "ServerHelloDone",
      length: 0,
      sequence: 0,
      offset: 0,
      body: new Uint8Array(0),
    })?.length,
    0,
  );
});

Deno.test("D17: messages too long, too far ahead or too many are refused", () => {
  const reassembly = new Reassembly();
  const long = { ...fragment(0, 1), length: maxMessageLength + 1 };
  equal(reassembly.accept(long, 0), "refused");
  equal(reassembly.accept(fragment(0, 40, maxMessagesAhead), 0), "refused");
  const fates = Array.from(
    { length: maxMessagesAhead },
    (_, sequence) =>
      reassembly.accept({ ...fragment(0, 1, sequence), length: maxMessageLength }, 0),
  );
  equal(fates.filter((fate) => fate === "held").length, 3);
});

/** Cuts every message in the clear into pieces of this length. */
function cutting(
  length: number,
  arrange: <T>(list: T[]) => T[] = (list) => list,
): PairOptions["tap"] {
  return ({ bytes }) => [mapMessages(bytes, (message) => {
    const pieces: HandshakeFragment[] = [];
    for (let offset = 0; offset < message.length || offset === 0; offset += length) {
      pieces.push({ ...message, offset, body: message.body.slice(offset, offset + length) });
    }
    return arrange(pieces);
  })];
}

Deno.test("D17: a handshake survives fragments of any length, in any order, with duplicates", () => {
  const arrangements = [
    <T>(list: T[]) => list,
    <T>(list: T[]) => list.toReversed(),
    <T>(list: T[]) => [...list, ...list],
    <T>(list: T[]) => [...list.slice(1), ...list.slice(0, 1)],
  ];
  for (const length of [1, 2, 7, 32, 100]) {
    for (const arrange of arrangements) {
      const pair = new Pair({ tap: cutting(length, arrange) });
      pair.run(1_000);
      ok(pair.isConnected(), `length ${length}`);
      equal(pair.sent.length, 4);
    }
  }
});

Deno.test("D18: a handshake fits datagrams of any MTU", () => {
  const counts = [128, 200, 576, 1_200, 1_500].map((mtu) => {
    const pair = connectedPair({ client: { mtu }, server: { mtu } });
    ok(pair.sent.every(({ bytes }) => bytes.length <= mtu));
    return pair.sent.length;
  });
  equal(counts.at(-1), 4);
  ok((counts[0] ?? 0) > (counts[1] ?? 0));
});

Deno.test("D18: several messages may share a record", () => {
  const pair = new Pair({
    tap: ({ bytes }) => {
      const records = parseRecords(bytes);
      const isPlain = ({ type, epoch }: WireRecord) => type === 22 && epoch === 0;
      const fragment = Uint8Array.from(records.filter(isPlain).flatMap((one) => [...one.fragment]));
      const merged = records.filter(isPlain).slice(0, 1).map((one) => ({ ...one, fragment }));
      return [writeRecords([...merged, ...records.filter((one) => !isPlain(one))])];
    },
  });
  pair.run(1_000);
  ok(pair.isConnected());
  equal(pair.sent.length, 4);
});

Deno.test("D18: each record may have a datagram of its own", () => {
  const pair = new Pair({
    tap: ({ bytes }) => parseRecords(bytes).map((record) => writeRecords([record])),
  });
  pair.run(1_000);
  ok(pair.isConnected());
});

Deno.test("D18: a chain of 16 KB is carried", () => {
  const filler = new Uint8Array(15_000).fill(48);
  const { certificate } = serverIdentity;
  const pair = new Pair({
    server: { chain: [certificate, filler] },
    client: { peer: { judge: (chain) => chain.length === 2 ? undefined : "short" } },
  });
  pair.run(1_000);
  ok(pair.isConnected());
  equal(pair.client.drops().fragment, 0);
});

Deno.test("D17: a flood of fragments holds no more than 64 KB a connection, and none after it", () => {
  const reassembly = new Reassembly();
  let held = 0;
  for (let count = 0; count < 100_000; count++) {
    const flood = { ...fragment(0, 1, count % 65_536), length: 1 + count % 16_000 };
    if (reassembly.accept(flood, 0) === "held") held++;
  }
  ok(held < 100);
});
