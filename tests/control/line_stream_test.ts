import { deepEqual, equal, rejects } from "node:assert/strict";
import fc from "fast-check";
import { type ByteSource, LineError, LineReader } from "../../src/control/line_stream.ts";

const maxLength = 4_000;

/** Gives the bytes in pieces of these lengths, one after the other, over and over. */
function inPieces(bytes: Uint8Array, lengths: readonly number[]): ByteSource {
  let [at, turn] = [0, 0];
  return {
    read: (into) => {
      if (at === bytes.length) return Promise.resolve(null);
      const wanted = lengths[turn++ % lengths.length] ?? 1;
      const piece = bytes.subarray(at, at + Math.min(wanted, into.length));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
  };
}

function readerOf(text: string, lengths: readonly number[] = [7]): LineReader {
  return new LineReader(inPieces(new TextEncoder().encode(text), lengths), maxLength);
}

async function allLines(reader: LineReader): Promise<string[]> {
  const lines: string[] = [];
  for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
    lines.push(line);
  }
  return lines;
}

Deno.test("lines come whole, however they are cut", async () => {
  const line = fc.string({ unit: "binary", maxLength: 900 }).map((text) =>
    text.replaceAll("\n", "")
  );
  const lengths = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), lengths, async (lines, lengths) => {
      const text = lines.map((each) => `${each}\n`).join("");
      deepEqual(await allLines(readerOf(text, lengths)), lines);
    }),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("a line may be as long as agreed, and no longer", async () => {
  const longest = "x".repeat(maxLength);
  deepEqual(await allLines(readerOf(`${longest}\n${longest}\n`)), [longest, longest]);
  for (const text of [`${longest}x\n`, `${longest}xx`, "x".repeat(100_000)]) {
    await rejects(allLines(readerOf(text, [100_000])), LineError);
  }
});

Deno.test("what is not ended by a line feed is no line", async () => {
  equal(await readerOf("half").next(), undefined);
});

Deno.test("what is no UTF-8 is refused", async () => {
  const reader = new LineReader(inPieces(Uint8Array.of(0xff, 10), [2]), maxLength);
  await rejects(reader.next(), LineError);
});
