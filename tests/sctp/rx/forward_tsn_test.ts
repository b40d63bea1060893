import { deepEqual, equal } from "node:assert/strict";
import type { SkippedMessage } from "../../../src/sctp/packet/forward_tsn_chunk.ts";
import { pieceCost } from "../../../src/sctp/rx/held_pieces.ts";
import { ReassemblyHarness } from "./reassembly_harness.ts";

function ordered(streamId: number, messageNumber: number): SkippedMessage {
  return { streamId, isUnordered: false, messageNumber };
}

function unordered(streamId: number, messageNumber: number): SkippedMessage {
  return { streamId, isUnordered: true, messageNumber };
}

function checkEmpty(harness: ReassemblyHarness): void {
  equal(harness.reassembly.heldLength, 0);
  equal(harness.store.heldLength, 0);
}

for (const isInterleaved of [false, true]) {
  const kind = isInterleaved ? "I-DATA" : "DATA";

  Deno.test(`S13 ${kind}: pieces of a message given up are freed, and its stream goes on`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll(
      { tsn: 1, number: 0, fsn: 0, flags: "B", text: "lost" },
      { tsn: 3, number: 0, fsn: 2, flags: "E", text: "lost" },
      { tsn: 4, number: 1, flags: "BE", text: "next" },
    );
    harness.forward(3, ordered(1, 0));
    deepEqual(harness.takeTexts(), ["1:next"]);
    checkEmpty(harness);
    harness.giveAll({ tsn: 5, number: 2, flags: "BE", text: "more" });
    deepEqual(harness.takeTexts(), ["1:more"]);
  });

  Deno.test(`S13 ${kind}: a message that is named is freed though it misses later TSNs only`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll({ tsn: 5, number: 0, flags: "B", text: "lost" });
    harness.giveAll({ tsn: 9, number: 1, fsn: 0, flags: "B", text: "ne" });
    harness.forward(4, ordered(1, 0));
    equal(harness.reassembly.heldLength, pieceCost(2));
    harness.giveAll({ tsn: 10, number: 1, fsn: 1, flags: "E", text: "xt" });
    deepEqual(harness.takeTexts(), ["1:next"]);
    checkEmpty(harness);
  });

  Deno.test(`S13 ${kind}: of several streams each goes on after its own message`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    for (const streamId of [1, 2, 3]) {
      harness.giveAll(
        { tsn: streamId * 10, streamId, number: 1, flags: "BE", text: "b" },
        { tsn: streamId * 10 + 1, streamId, number: 2, flags: "BE", text: "c" },
        { tsn: streamId * 10 + 3, streamId, number: 4, flags: "BE", text: "e" },
      );
    }
    harness.forward(9, ordered(1, 0), ordered(3, 3), ordered(7, 4));
    deepEqual(harness.takeTexts(), ["1:b", "1:c", "3:b", "3:c", "3:e"]);
    harness.giveAll({ tsn: 50, streamId: 7, number: 5, flags: "BE", text: "f" });
    harness.giveAll({ tsn: 51, streamId: 7, number: 4, flags: "BE", text: "late" });
    deepEqual(harness.takeTexts(), ["7:f"]);
  });

  Deno.test(`RFC 3758 section 3.2 ${kind}: what came whole before the last one given up is delivered`, () => {
    const initialMessageNumber = 2 ** (isInterleaved ? 32 : 16) - 2;
    const wrap = initialMessageNumber + 2;
    const harness = new ReassemblyHarness({ isInterleaved, initialMessageNumber });
    for (const ahead of [3, 1, 4, 6]) {
      const number = (initialMessageNumber + ahead) % wrap;
      harness.giveAll({ tsn: 10 + ahead, number, flags: "BE", text: `${ahead}` });
    }
    harness.forward(15, ordered(1, 3));
    deepEqual(harness.takeTexts(), ["1:1", "1:3", "1:4", "1:6"]);
    checkEmpty(harness);
  });

  Deno.test(`${kind}: a stream named with a past message, or twice, stays in order`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.giveAll({ tsn: 1, number: 0, flags: "BE", text: "a" });
    harness.giveAll({ tsn: 9, number: 2, fsn: 1, flags: "", text: "freed" });
    harness.giveAll({ tsn: 12, number: 3, fsn: 1, flags: "E", text: "d" });
    harness.forward(8, ordered(1, 0), ordered(1, 2), ordered(1, 1));
    harness.giveAll({ tsn: 11, number: 3, fsn: 0, flags: "B", text: "D" });
    deepEqual(harness.takeTexts(), ["1:a", "1:Dd"]);
    checkEmpty(harness);
  });

  Deno.test(`${kind}: the rest of an ordered message given up is dropped as it comes`, () => {
    const harness = new ReassemblyHarness({ isInterleaved });
    harness.forward(2, ordered(1, 0));
    harness.giveAll({ tsn: 3, number: 0, fsn: 2, flags: "", text: "late" });
    harness.giveAll({ tsn: 4, number: 0, fsn: 3, flags: "E", text: "late" });
    deepEqual(harness.takeTexts(), []);
    checkEmpty(harness);
  });
}

Deno.test("RFC 3758 section 3.6: an unordered message that misses a TSN given up is freed", () => {
  for (const missing of [2 ** 32 - 1, 0, 1]) {
    const harness = new ReassemblyHarness();
    for (const [tsn, flags] of [[2 ** 32 - 1, "BU"], [0, "U"], [1, "EU"]] as const) {
      if (tsn !== missing) harness.giveAll({ tsn, flags, text: "x" });
    }
    harness.forward(1);
    deepEqual(harness.takeTexts(), []);
    checkEmpty(harness);
  }
});

Deno.test("RFC 3758 section 3.6: an incomplete message that misses only later TSNs is kept", () => {
  const harness = new ReassemblyHarness();
  harness.giveAll({ tsn: 1, flags: "BU", text: "a" });
  harness.giveAll({ tsn: 2, flags: "U", text: "b" });
  harness.giveAll({ tsn: 5, streamId: 2, flags: "B", text: "x" });
  harness.forward(2);
  harness.giveAll({ tsn: 3, flags: "EU", text: "c" });
  harness.giveAll({ tsn: 6, streamId: 2, flags: "E", text: "y" });
  deepEqual(harness.takeTexts(), ["1:abc", "2:xy"]);
  checkEmpty(harness);
});

Deno.test("a FORWARD TSN that names no stream frees ordered pieces too where they miss a TSN", () => {
  const harness = new ReassemblyHarness();
  harness.giveAll({ tsn: 1, flags: "B", text: "a" });
  harness.giveAll({ tsn: 5, flags: "E", text: "b" });
  harness.forward(4);
  checkEmpty(harness);
});

Deno.test("a FORWARD TSN for DATA gives up no unordered messages by their SSN", () => {
  const harness = new ReassemblyHarness();
  harness.giveAll({ tsn: 10, number: 0, flags: "BU", text: "a" });
  harness.forward(5, ordered(1, 7), unordered(1, 7));
  harness.giveAll({ tsn: 11, number: 0, flags: "EU", text: "b" });
  deepEqual(harness.takeTexts(), ["1:ab"]);
});

Deno.test("RFC 8260 section 2.3.1: unordered messages are given up by name, the ordered ones not", () => {
  const harness = new ReassemblyHarness({ isInterleaved: true });
  for (const [number, u] of [[0, ""], [0, "U"], [1, "U"], [2, "U"]] as const) {
    harness.giveAll({ tsn: 10 + number, number, fsn: 0, flags: `B${u}`, text: `${number}` });
  }
  harness.forward(12, unordered(1, 1));
  for (const [number, u] of [[0, "U"], [1, "U"], [2, "U"], [0, ""]] as const) {
    harness.giveAll({ tsn: 20 + number, number, fsn: 1, flags: `E${u}`, text: "end" });
  }
  deepEqual(harness.takeTexts(), ["1:2end", "1:0end"]);
  checkEmpty(harness);
});

Deno.test("I-DATA: unordered messages long after those given up are taken, in any round of MIDs", () => {
  const harness = new ReassemblyHarness({ isInterleaved: true });
  harness.forward(12, unordered(1, 5));
  for (const number of [6, 2 ** 30, 2 ** 30 + 6, 2 ** 31 + 4, 2 ** 32 - 1, 3, 5]) {
    harness.giveAll({ tsn: 20, number, fsn: 0, flags: "BU", text: "a" });
    harness.giveAll({ tsn: 21, number, fsn: 1, flags: "EU", text: "b" });
  }
  equal(harness.takeTexts().length, 7);
  checkEmpty(harness);
});

Deno.test("I-DATA: a reset forgets which unordered messages were given up", () => {
  for (const streamIds of [[1], undefined]) {
    const harness = new ReassemblyHarness({ isInterleaved: true });
    harness.forward(12, unordered(1, 5));
    harness.reassembly.resetStreams(streamIds, 0);
    harness.giveAll({ tsn: 20, number: 0, fsn: 0, flags: "BU", text: "a" });
    harness.giveAll({ tsn: 21, number: 0, fsn: 1, flags: "EU", text: "b" });
    deepEqual(harness.takeTexts(), ["1:ab"]);
  }
});
