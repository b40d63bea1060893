import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createDataFields, dataFlags } from "../../../src/sctp/packet/data_chunk.ts";
import { maxPieceLength } from "../../../src/sctp/payload_store.ts";
import { pieceCost } from "../../../src/sctp/rx/held_pieces.ts";
import { ReassemblyHarness, type SentPiece } from "./reassembly_harness.ts";

/** Pieces with TSNs that count up from one. */
function inSequence(tsn: number, ...pieces: readonly Omit<SentPiece, "tsn">[]): SentPiece[] {
  return pieces.map((piece, at) => ({ ...piece, tsn: (tsn + at) % 2 ** 32 }));
}

/** A message of three pieces, `abc`. */
function threePieces(tsn: number, more: Partial<SentPiece> = {}, u = ""): SentPiece[] {
  return inSequence(
    tsn,
    { fsn: 0, ...more, flags: `B${u}`, text: "a" },
    { fsn: 1, ...more, flags: u, text: "b" },
    { fsn: 2, ...more, flags: `E${u}`, text: "c" },
  );
}

/** All orders of a list. */
function permutations<T>(list: readonly T[]): T[][] {
  if (list.length === 0) return [[]];
  return list.flatMap((one, at) =>
    permutations([...list.slice(0, at), ...list.slice(at + 1)]).map((rest) => [one, ...rest])
  );
}

function checkEmpty(harness: ReassemblyHarness): void {
  equal(harness.reassembly.heldLength, 0);
  equal(harness.store.heldLength, 0);
}

Deno.test("an ordered message of one piece whose turn it is is delivered from the packet itself", () => {
  const bytes = new Uint8Array(40);
  const seen: unknown[] = [];
  const harness = new ReassemblyHarness({
    deliver: (...message) => seen.push([...message, harness.store.heldLength]),
  });
  const fields = createDataFields();
  Object.assign(fields, { flags: flagsBE, tsn: 7, streamId: 3, ppid: 53 });
  Object.assign(fields, { payloadStart: 16, payloadEnd: 40 });
  equal(harness.reassembly.handleData(fields, bytes, 0), undefined);
  deepEqual(seen, [[3, 53, bytes, 16, 40, 0]]);
  ok((seen as unknown[][])[0]?.[2] === bytes);
});

const flagsBE = dataFlags.beginning | dataFlags.ending;

for (const isInterleaved of [false, true]) {
  const kind = isInterleaved ? "I-DATA" : "DATA";

  Deno.test(`${kind}: ordered messages wait for those before them, other streams do not`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll(
      { tsn: 11, number: 1, flags: "BE", text: "b" },
      { tsn: 12, number: 2, flags: "BE", text: "c" },
      { tsn: 13, streamId: 2, number: 0, flags: "BE", text: "x" },
    );
    deepEqual(harness.takeTexts(), ["2:x"]);
    equal(harness.reassembly.heldLength, 2 * pieceCost(1));
    harness.giveAll({ tsn: 10, number: 0, flags: "BE", text: "a" });
    deepEqual(harness.takeTexts(), ["1:a", "1:b", "1:c"]);
    checkEmpty(harness);
  });

  Deno.test(`${kind}: three pieces make one message in whichever order they come`, () => {
    for (const u of ["", "U"]) {
      for (const pieces of permutations(threePieces(2 ** 32 - 2, {}, u))) {
        const harness = new ReassemblyHarness({ isInterleaved });
        harness.giveAll(...pieces);
        deepEqual(harness.takeTexts(), ["1:abc"]);
        checkEmpty(harness);
      }
    }
  });

  Deno.test(`${kind}: an unordered message waits for nothing`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll({ tsn: 12, number: 9, flags: "BEU", text: "x" });
    harness.giveAll(...threePieces(20, { number: 8 }, "U"));
    deepEqual(harness.takeTexts(), ["1:x", "1:abc"]);
    checkEmpty(harness);
  });

  Deno.test(`${kind}: a message behind those delivered is dropped`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll({ tsn: 1, number: 0, flags: "BE", text: "a" });
    harness.giveAll({ tsn: 2, number: 0, flags: "BE", text: "b" });
    harness.giveAll(...threePieces(3, { number: 2 ** 16 - 1 + (isInterleaved ? 2 ** 31 : 0) }));
    deepEqual(harness.takeTexts(), ["1:a"]);
    checkEmpty(harness);
  });

  Deno.test(`${kind}: a message that waits and comes again is a defect`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll({ tsn: 1, number: 1, flags: "BE", text: "a" });
    match(String(harness.give({ tsn: 2, number: 1, flags: "BE", text: "b" })), /comes twice/);
    match(String(harness.give({ tsn: 3, number: 1, flags: "B", text: "b" })), /comes twice/);
    harness.giveAll({ tsn: 4, number: 0, flags: "BE", text: "z" });
    deepEqual(harness.takeTexts(), ["1:z", "1:a"]);
  });

  Deno.test(`${kind}: a message as long as allowed is delivered, a longer one is a defect`, () => {
    for (const length of [300, 301]) {
      const harness = new ReassemblyHarness({ isInterleaved, maxMessageLength: 300 });
      const pieces = inSequence(
        1,
        { fsn: 0, flags: "B", text: new Uint8Array(100) },
        { fsn: 1, flags: "", text: new Uint8Array(100) },
        { fsn: 2, flags: "E", text: new Uint8Array(length - 200) },
      );
      const defects = pieces.map((piece) => harness.give(piece));
      equal(defects[2] === undefined, length === 300);
      equal(harness.delivered.length, length === 300 ? 1 : 0);
      const whole = { tsn: 9, number: 1, flags: "BE", text: new Uint8Array(length) };
      equal(harness.give(whole) === undefined, length === 300);
      harness.reassembly.destroy(0);
      checkEmpty(harness);
    }
  });

  Deno.test(`${kind}: a piece longer than any packet is a defect, not an exception`, () => {
    const harness = new ReassemblyHarness({ isInterleaved, maxMessageLength: 2 ** 20 });
    harness.giveAll({ tsn: 1, number: 1, flags: "BE", text: new Uint8Array(maxPieceLength) });
    const text = new Uint8Array(maxPieceLength + 1);
    ok(harness.give({ tsn: 2, number: 2, flags: "B", text }) !== undefined);
  });

  Deno.test(`${kind}: long messages are put together byte for byte`, () => {
    const harness = new ReassemblyHarness({ isInterleaved, maxMessageLength: 2 ** 20 });
    let tsn = 1;
    for (const [number, length] of [70_000, 10, 65_536, 200_000, 4_097].entries()) {
      const bytes = Uint8Array.from({ length }, (_, at) => at * 7 + number + (at >> 8));
      for (let start = 0, fsn = 0; start < length; start += 1_100, fsn++) {
        const flags = `${start === 0 ? "B" : ""}${start + 1_100 >= length ? "E" : ""}`;
        harness.giveAll({
          tsn: tsn++,
          number,
          fsn,
          flags,
          text: bytes.slice(start, start + 1_100),
        });
      }
      deepEqual(harness.delivered.splice(0).map((message) => message.bytes), [bytes]);
    }
    checkEmpty(harness);
  });

  Deno.test(`${kind}: the buffer of a long message is not kept`, () => {
    const lengths: number[] = [];
    const harness = new ReassemblyHarness({
      isInterleaved,
      deliver: (_streamId, _ppid, bytes) => lengths.push(bytes.length),
    });
    const text = new Uint8Array(15_000);
    for (const [number, count] of [2, 6, 2].entries()) {
      for (let fsn = 0; fsn < count; fsn++) {
        const flags = `${fsn === 0 ? "B" : ""}${fsn === count - 1 ? "E" : ""}`;
        harness.giveAll({ tsn: number * 10 + fsn, number, fsn, flags, text });
      }
    }
    deepEqual(lengths, [32_768, 90_000, 32_768]);
  });

  Deno.test(`${kind}: an empty message is a message`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll({ tsn: 2, number: 1, flags: "BE", text: "" });
    harness.giveAll({ tsn: 1, number: 0, flags: "BE", text: "" });
    deepEqual(harness.takeTexts(), ["1:", "1:"]);
    checkEmpty(harness);
  });

  Deno.test(`S14 ${kind}: a stream that was reset begins with 0, and what it held is freed`, () => {
    const harness = new ReassemblyHarness({ isInterleaved, initialMessageNumber: 5 });
    for (const streamId of [1, 2]) {
      const tsn = streamId * 100;
      harness.giveAll({ tsn, streamId, number: 5, flags: "BE", text: "a" });
      harness.giveAll({ tsn: tsn + 2, streamId, number: 7, flags: "BE", text: "c" });
      harness.giveAll({ tsn: tsn + 10, streamId, number: 8, flags: "B", text: "d" });
      harness.giveAll({ tsn: tsn + 20, streamId, number: 3, flags: "BU", text: "e" });
    }
    const held = harness.reassembly.heldLength;
    harness.reassembly.resetStreams([1, 9], 0);
    equal(harness.reassembly.heldLength, held / 2);
    harness.giveAll({ tsn: 300, number: 0, flags: "BE", text: "new" });
    harness.giveAll({ tsn: 201, streamId: 2, number: 6, flags: "BE", text: "b" });
    deepEqual(harness.takeTexts(), ["1:a", "2:a", "1:new", "2:b", "2:c"]);
    harness.reassembly.resetStreams(undefined, 0);
    checkEmpty(harness);
    for (const streamId of [1, 2, 3]) {
      harness.giveAll({ tsn: 400 + streamId, streamId, number: 0, flags: "BE", text: "newer" });
    }
    deepEqual(harness.takeTexts(), ["1:newer", "2:newer", "3:newer"]);
  });

  Deno.test(`S14 ${kind}: a reset stream takes its first message again, one that was not does not`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    for (const streamId of [1, 2]) {
      harness.giveAll({ tsn: streamId, streamId, number: 0, flags: "BE", text: "a" });
    }
    harness.reassembly.resetStreams([1], 0);
    for (const streamId of [1, 2]) {
      harness.giveAll({ tsn: 2 + streamId, streamId, number: 0, flags: "BE", text: "b" });
    }
    deepEqual(harness.takeTexts(), ["1:a", "2:a", "1:b"]);
  });

  Deno.test(`${kind}: while a message is delivered, what is held can be asked`, () => {
    const held: number[] = [];
    const harness = new ReassemblyHarness({
      isInterleaved,
      deliver: () => held.push(harness.reassembly.heldLength),
    });
    harness.giveAll({ tsn: 2, number: 1, flags: "BE", text: "b" });
    harness.giveAll(...threePieces(3, { number: 2 }));
    harness.giveAll({ tsn: 1, number: 0, flags: "BE", text: "a" });
    deepEqual(held, [4, 4, 3].map((count) => count * pieceCost(1)));
    checkEmpty(harness);
  });
}

/** Each pair of pieces cannot both be right. */
const dataContradictions: Readonly<Record<string, readonly [string, SentPiece, SentPiece]>> = {
  "begins before another has ended": [
    "begins a message before",
    { tsn: 10, number: 0, flags: "B", text: "a" },
    { tsn: 11, number: 1, flags: "B", text: "b" },
  ],
  "goes on with a message that has ended": [
    "has ended",
    { tsn: 10, number: 0, flags: "E", text: "a" },
    { tsn: 11, number: 0, flags: "E", text: "b" },
  ],
  "has another SSN": [
    "another message",
    { tsn: 10, number: 0, flags: "B", text: "a" },
    { tsn: 11, number: 1, flags: "E", text: "b" },
  ],
  "is of another stream": [
    "another message",
    { tsn: 10, streamId: 1, flags: "B", text: "a" },
    { tsn: 11, streamId: 2, flags: "E", text: "b" },
  ],
  "has another U bit": [
    "another message",
    { tsn: 10, flags: "B", text: "a" },
    { tsn: 11, flags: "EU", text: "b" },
  ],
  "has another payload protocol identifier": [
    "another message",
    { tsn: 10, ppid: 51, flags: "B", text: "a" },
    { tsn: 11, ppid: 53, flags: "E", text: "b" },
  ],
};

for (const [name, [reason, ...pieces]] of Object.entries(dataContradictions)) {
  Deno.test(`RFC 9260 section 6.9: a piece that ${name} is a defect, whichever comes first`, () => {
    for (const [first, second] of permutations(pieces)) {
      const harness = new ReassemblyHarness();
      equal(harness.give(first as SentPiece), undefined);
      match(String(harness.give(second as SentPiece)), new RegExp(reason));
      deepEqual(harness.takeTexts(), []);
      harness.reassembly.destroy(0);
      checkEmpty(harness);
    }
  });
}

Deno.test("RFC 9260 section 6.9: a whole message in the middle of another is a defect", () => {
  const harness = new ReassemblyHarness();
  harness.giveAll({ tsn: 10, number: 1, flags: "B", text: "a" });
  const whole = { tsn: 11, number: 0, flags: "BE", text: "b" };
  match(String(harness.give(whole)), /begins a message before/);
  deepEqual(harness.takeTexts(), []);
});

Deno.test("RFC 9260 section 6.6: the SSNs of unordered pieces mean nothing", () => {
  const harness = new ReassemblyHarness();
  harness.giveAll({ tsn: 10, number: 5, flags: "BU", text: "a" });
  harness.giveAll({ tsn: 11, number: 900, flags: "EU", text: "b" });
  deepEqual(harness.takeTexts(), ["1:ab"]);
});

Deno.test("a TSN that is handed in twice is a defect, as its caller keeps duplicates away", () => {
  const harness = new ReassemblyHarness();
  harness.giveAll({ tsn: 10, flags: "B", text: "a" });
  match(String(harness.give({ tsn: 10, flags: "B", text: "a" })), /comes twice/);
});

/** Pieces of one message of which the last cannot be right. */
const iDataContradictions: Readonly<Record<string, readonly [string, ...SentPiece[]]>> = {
  "repeats an FSN": [
    "comes twice",
    { tsn: 1, fsn: 0, flags: "B", text: "a" },
    { tsn: 2, fsn: 1, flags: "", text: "b" },
    { tsn: 3, fsn: 1, flags: "", text: "b" },
  ],
  "begins again": [
    "comes twice",
    { tsn: 1, fsn: 0, flags: "B", text: "a" },
    { tsn: 2, fsn: 1, flags: "", text: "b" },
    { tsn: 3, fsn: 0, flags: "B", text: "a" },
  ],
  "is behind the end": [
    "behind its end",
    { tsn: 1, fsn: 3, flags: "E", text: "d" },
    { tsn: 2, fsn: 5, flags: "", text: "f" },
  ],
  "ends before another": [
    "behind its end",
    { tsn: 1, fsn: 5, flags: "", text: "f" },
    { tsn: 2, fsn: 3, flags: "E", text: "d" },
  ],
  "has FSN 0 and no B bit": ["wrong B bit", { tsn: 1, fsn: 0, flags: "", text: "a" }],
  "has a B bit and not FSN 0": ["wrong B bit", { tsn: 1, fsn: 1, flags: "B", text: "a" }],
  "is whole where there are pieces of it": [
    "behind its end",
    { tsn: 1, fsn: 1, flags: "", text: "b" },
    { tsn: 2, fsn: 0, flags: "BE", text: "a" },
  ],
};

for (const [name, [reason, ...pieces]] of Object.entries(iDataContradictions)) {
  Deno.test(`RFC 8260 section 2.1: a piece that ${name} is a defect`, () => {
    for (const u of ["", "U"]) {
      const harness = new ReassemblyHarness({ isInterleaved: true });
      const marked = pieces.map((piece) => ({ ...piece, flags: piece.flags + u }));
      const last = marked.pop();
      harness.giveAll(...marked);
      match(String(last && harness.give(last)), new RegExp(reason));
      deepEqual(harness.takeTexts(), []);
      harness.reassembly.destroy(0);
      checkEmpty(harness);
    }
  });
}

Deno.test("RFC 8260 section 2.1: ordered and unordered messages have MIDs of their own", () => {
  const harness = new ReassemblyHarness({ isInterleaved: true });
  const ordered = threePieces(1, { number: 0 });
  const unordered = threePieces(4, { number: 0 }, "U");
  for (const at of [2, 0, 1]) harness.giveAll(ordered[at] as SentPiece, unordered[at] as SentPiece);
  deepEqual(harness.takeTexts(), ["1:abc", "1:abc"]);
  checkEmpty(harness);
});

Deno.test("RFC 8260 section 2.1: the first piece says the payload protocol identifier", () => {
  const harness = new ReassemblyHarness({ isInterleaved: true });
  harness.giveAll({ tsn: 2, fsn: 1, ppid: 0, flags: "E", text: "b" });
  harness.giveAll({ tsn: 1, fsn: 0, ppid: 53, flags: "B", text: "a" });
  equal(harness.delivered[0]?.ppid, 53);
});
