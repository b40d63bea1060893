import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { globMatcher } from "../../../src/forward/filters/glob.ts";

Deno.test("a star stands for anything within a segment, two for anything", () => {
  const cases: [pattern: string, text: string, isMeant: boolean][] = [
    ["/a", "/a", true],
    ["/a", "/ab", false],
    ["/a/*", "/a/", true],
    ["/a/*", "/a/b/c", false],
    ["/a/*/c", "/a/b/c", true],
    ["/a/**", "/a/b/c", true],
    ["/a/**", "/a", false],
    ["/**/c", "/a/b/c", true],
    ["*", "", true],
    ["/*.css", "/a.css/b", false],
    ["/a.c", "/abc", false],
  ];
  for (const [pattern, text, isMeant] of cases) {
    equal(globMatcher(pattern, "/")(text), isMeant, `${pattern} ${text}`);
  }
  equal(globMatcher("a*b")("a/./b"), true);
});

Deno.test("means what a regular expression of the same pattern means", () => {
  const characters = fc.string({ unit: fc.constantFrom("a", "b", "/", "*"), maxLength: 8 });
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 12 });
  fc.assert(
    fc.property(characters, texts, (pattern, text) => {
      const source = pattern.replace(/\*+/g, (stars) => stars.length > 1 ? "[^]*" : "[^/]*");
      equal(globMatcher(pattern, "/")(text), new RegExp(`^${source}$`).test(text));
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

Deno.test("a text that nearly matches costs no more than another", () => {
  const isMeant = globMatcher("*a*a*a*a*a*a*b", "/");
  const text = "a".repeat(16_384);
  deepEqual([isMeant(text), isMeant(`${text}b`)], [false, true]);
});
