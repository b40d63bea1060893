/** Row D17: fragments in any order, and what is no fragment of anything. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { HandshakeFragment } from "../../src/dtls/handshake_header.ts";
import {
  maxCandidates,
  maxHeldLength,
  maxMessageLength,
  maxMessagesAhead,
  Reassembly,
} from "../../src/dtls/reassembly.ts";
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

/** Takes fragments, and returns the bodies of all messages that are complete. */
function assembleAll(...fragments: readonly HandshakeFragment[]): readonly Uint8Array[] {
  const reassembly = new Reassembly();
  for (const one of fragments) reassembly.accept(one, 0);
  return reassembly.messagesAt(0).map((message) => message.body);
}

/** Takes fragments, and returns the message if it is complete. */
function assemble(...fragments: readonly HandshakeFragment[]): Uint8Array | undefined {
  return assembleAll(...fragments)[0];
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

Deno.test("D17: fragments at odds about type, length or epoch are of different messages", () => {
  const reassembly = new Reassembly();
  const end = fragment(20, 40);
  equal(reassembly.accept(fragment(0, 20), 0), "held");
  equal(reassembly.accept({ ...end, type: "ClientHello" }, 0), "held");
  equal(reassembly.accept({ ...end, length: 41 }, 0), "held");
  equal(reassembly.accept({ ...end, length: 400 }, 0), "held");
  equal(reassembly.accept(end, 1), "held");
  deepEqual(reassembly.messagesAt(0), []);
  equal(reassembly.accept(end, 0), "held");
  deepEqual(reassembly.messagesAt(0), [{ type: "Certificate", sequence: 0, body }]);
  deepEqual(reassembly.takeCompleted(), reassembly.messagesAt(0));
  deepEqual(reassembly.takeCompleted(), []);
});

const forged = { ...fragment(0, 40), body: new Uint8Array(40).fill(99) };

Deno.test("F3: fragments that differ where they overlap are of different messages", () => {
  deepEqual(assembleAll(fragment(0, 20), forged), [forged.body]);
  deepEqual(assembleAll(fragment(0, 20), forged, fragment(10, 40)), [body, forged.body]);
  deepEqual(assembleAll(fragment(0, 40), forged), [body, forged.body]);
  deepEqual(assembleAll(forged, fragment(0, 40)), [forged.body, body]);
});

Deno.test("D16: the start of a message that never ends keeps no other from being complete", () => {
  const starts = Array.from({ length: 3 * maxCandidates }, (_, index) => ({
    ...forged,
    length: 41 + index % (2 * maxCandidates),
  }));
  deepEqual(assemble(...starts, fragment(0, 20), fragment(20, 40)), body);
  const half = { ...forged, body: forged.body.subarray(0, 20) };
  // What fits a forged start completes that; the next time it comes, it completes the true one.
  const genuine = [fragment(0, 20), fragment(20, 40)];
  equal(assembleAll(half, ...genuine.toReversed()).length, 1);
  deepEqual(assembleAll(half, ...genuine.toReversed(), ...genuine)[1], body);
});

Deno.test("D16: of many different messages the latest are kept", () => {
  const bodies = Array.from(
    { length: 2 * maxCandidates },
    (_, index) => new Uint8Array(40).fill(index),
  );
  const kept = assembleAll(...bodies.map((one) => ({ ...fragment(0, 40), body: one })));
  deepEqual(kept, bodies.slice(-maxCandidates));
});

Deno.test("D16: a message that comes again is the latest", () => {
  const reassembly = new Reassembly();
  const genuine = fragment(0, 40);
  for (const one of [genuine, forged]) equal(reassembly.accept(one, 0), "held");
  equal(reassembly.accept(genuine, 0), "old");
  deepEqual(reassembly.messagesAt(0).map((one) => one.body), [forged.body, body]);
});

Deno.test("D17: a message that is complete, or not wanted any more, is old", () => {
  const reassembly = new Reassembly();
  for (const sequence of [2, 0, 1]) {
    equal(reassembly.accept(fragment(0, 40, sequence), 0), "held");
    equal(reassembly.accept(fragment(10, 30, sequence), 0), "old");
  }
  deepEqual([0, 1, 2].map((one) => reassembly.messagesAt(one)[0]?.sequence), [0, 1, 2]);
  reassembly.clear(2);
  equal(reassembly.heldLength(), 0);
  equal(reassembly.accept(forged, 0), "old");
  equal(reassembly.accept({ ...forged, sequence: 2 }, 0), "held");
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

Deno.test("D17: messages too long or too far ahead are refused", () => {
  const reassembly = new Reassembly();
  const long = { ...fragment(0, 1), length: maxMessageLength + 1 };
  equal(reassembly.accept(long, 0), "refused");
  equal(reassembly.accept(fragment(0, 40, maxMessagesAhead), 0), "refused");
  equal(reassembly.accept(fragment(0, 40, maxMessagesAhead - 1), 0), "held");
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

Deno.test("D17: a flood of fragments holds no more than 64 KB a connection", () => {
  const reassembly = new Reassembly();
  for (let count = 0; count < 100_000; count++) {
    const flood = { ...fragment(0, 1, count % 65_536), length: 1 + count % 16_000 };
    reassembly.accept(flood, 0);
    ok(reassembly.heldLength() <= maxHeldLength);
  }
  for (let length = maxMessageLength; length > maxMessageLength - 100; length--) {
    equal(reassembly.accept({ ...fragment(0, 1), length }, 0), "held");
    ok(reassembly.heldLength() <= maxHeldLength);
  }
  deepEqual(reassembly.accept(fragment(0, 40), 0), "held");
});
