import { equal } from "node:assert/strict";
import fc from "fast-check";
import { parse, type TomlTable } from "smol-toml";
import { TomlLines, type TomlPath } from "../../src/config/toml_lines.ts";

/** Texts, the path that is looked for, and the line where it stands. */
const documents: readonly [text: string, path: TomlPath, line: number][] = [
  ["a = 1\nb = 2\n", ["b"], 2],
  ["\ufeffa = 1\r\n\r\nb = 2\r\n", ["b"], 3],
  ["# b = 1\n\n  b = 2 # c = 3\nc = 4", ["c"], 4],
  ["[t]\na = 1\n[u] # [v]\na = 2", ["u", "a"], 4],
  ["[t]\na = 1\n[u]\na = 2", ["t"], 1],
  ["[[p]]\na = 1\n\n[[p]]\na = 2", ["p", 1, "a"], 5],
  ["[[p]]\na = 1\n\n[[p]]\na = 2", ["p", 1], 4],
  ["[[p]]\na = 1\n\n[[p]]\na = 2", ["p"], 1],
  ["[[p]]\n[p.q]\na = 1\n[[p]]\n[p.q]\na = 2", ["p", 1, "q", "a"], 6],
  ["a = [\n  1,\n  2, # ]\n  3\n]\nb = 1", ["a", 2], 4],
  ["a = [\n  1,\n  2, # ]\n  3\n]\nb = 1", ["b"], 6],
  ["a = [[1,\n2],\n[3]]", ["a", 1, 0], 3],
  ['a = """\nb = 1\n"""\nb = 2', ["b"], 4],
  ['a = """\n\\"""\nb = 1\n"""""\nb = 2', ["b"], 5],
  ["a = '''\nb = 1\n'''\nb = 2", ["b"], 4],
  ["a = '\\'\nb = 2", ["b"], 2],
  ['a = "\\" # ]["\nb = 2', ["b"], 2],
  ['"a b" = 1\n"c\\u0064" = 2', ["cd"], 2],
  ["'a.b'.c = 1\n", ["a.b", "c"], 1],
  ["a . b = 1\na.c = 2", ["a", "c"], 2],
  ["a = { b = 1, c = { d = [1,\n 2] } }", ["a", "c", "d", 1], 2],
  ["a = 1979-05-27 07:32:00\nb = 1", ["b"], 2],
  ["a = 1\n", ["a", "b", 3], 1],
  ["\n\na = 1\n", ["unknown"], 1],
];

Deno.test("finds the line of keys, tables and elements, however they are written", () => {
  for (const [text, path, line] of documents) {
    parse(text);
    equal(new TomlLines(text).lineOf(path), line, JSON.stringify([text, path]));
  }
});

/** A key's spellings. */
const keyText = fc.constantFrom("a", "b-c", '"d e"', "'f'", '"\\u0067"');
const valueText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(
      "1",
      "true",
      "-inf",
      '"x # ] }"',
      "'y, ['",
      '"""\n]\n"q" """',
      "'''\n#\n'''",
      "1979-05-27",
      '"\\\\"',
    ),
    fc.array(tie("value"), { maxLength: 3 }).map((parts) => `[ # [\n${parts.join(",\n")}\n]`),
    tie("value").map((value) => `{ x = ${value.includes("\n") ? "0" : value} }`),
  ),
})).value;

Deno.test("what stands on a line of its own is found there, whatever stands around it", () => {
  const documents = fc.array(fc.tuple(keyText, valueText), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(documents, (pairs) => {
      const lines: [name: string, line: number][] = [];
      let text = "";
      for (const [position, [key, value]] of pairs.entries()) {
        lines.push([`k${position}`, text.split("\n").length]);
        text += `k${position}.${key} = ${value}${position % 2 ? " # = [" : ""}\n`;
      }
      const table: TomlTable = parse(text) as TomlTable;
      const found = new TomlLines(text);
      for (const [name, line] of lines) {
        const [inner = ""] = Object.keys(table[name] as TomlTable);
        equal(found.lineOf([name]), line, text);
        equal(found.lineOf([name, inner]), line, text);
      }
    }),
    { seed: 7, numRuns: 500 },
  );
});
