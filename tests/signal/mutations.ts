/** Texts that were right once. */
import fc from "fast-check";

interface Edit {
  /** Where, from 0 to 1. */
  readonly at: number;
  readonly removeCount: number;
  readonly insert: string;
}

const edit = fc.record<Edit>({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removeCount: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(400)),
  insert: fc.oneof(
    fc.constantFrom(
      "",
      '"',
      "{",
      "}",
      "[",
      "null",
      "-1",
      "1e999",
      "__proto__",
      "\\u0000",
      "%",
      "/",
    ),
    fc.string({ maxLength: 4 }),
    fc.string({ unit: "binary", maxLength: 3 }),
    fc.constant("[".repeat(2_000)),
  ),
});

/** One of the texts after some edits. */
export function mutated(texts: readonly string[]): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(...texts), fc.array(edit, { maxLength: 3 }))
    .map(([text, edits]) => edits.reduce(applied, text));
}

function applied(text: string, { at, removeCount, insert }: Edit): string {
  const start = Math.floor(at * text.length);
  return text.slice(0, start) + insert + text.slice(start + removeCount);
}
