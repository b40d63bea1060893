import { deepEqual, match } from "node:assert/strict";
import fc from "fast-check";
import { BadInput } from "../../src/bad_input.ts";
import { parseExecCommand } from "../../src/forward/exec_command.ts";

function complaintAbout(spec: string): string {
  try {
    parseExecCommand(spec);
  } catch (error) {
    if (error instanceof BadInput) return error.message;
    throw error;
  }
  throw new Error(`${JSON.stringify(spec)} was accepted`);
}

Deno.test("splits a command into words as a shell does, and expands nothing", () => {
  const cases: [spec: string, argv: string[]][] = [
    ["a=cat", ["cat"]],
    ["a=  tar  -cf - \t/srv ", ["tar", "-cf", "-", "/srv"]],
    [`a=sh -c 'echo "$HOME" | wc'`, ["sh", "-c", 'echo "$HOME" | wc']],
    [`a=x "a b"'c d'e "" ''`, ["x", "a bc de", "", ""]],
    [`a=x "\\"\\\\\\$\\a" '\\' \\ \\'`, ["x", '"\\$\\a', "\\", " '"]],
    ["a=x $HOME * `id` ; b=c", ["x", "$HOME", "*", "`id`", ";", "b=c"]],
  ];
  for (const [spec, argv] of cases) deepEqual(parseExecCommand(spec), { name: "a", argv }, spec);
});

Deno.test("complains with a column about what is no command", () => {
  const cases: [spec: string, complaint: RegExp][] = [
    ["cat", /column 4: a command is missing/],
    ["=cat", /column 1: "" is no name/],
    ["a b=cat", /column 1: "a b" is no name/],
    ["a/../b=cat", /is no name/],
    [`${"a".repeat(65)}=cat`, /is no name/],
    ["80=cat", /column 1: "exec:80" reads as a port/],
    ["a=", /column 3: the command is empty/],
    ["a=  ", /column 3: the command is empty/],
    ["a='' x", /column 3: the command is empty/],
    ["a=x 'y", /column 5: a ' without its other one/],
    ['a=x "y\\"', /column 5: a " without its other one/],
    ["a=x \\", /column 5: a backslash with nothing after it/],
    ["a=x\0", /column 4: a command has no zero bytes/],
  ];
  for (const [spec, complaint] of cases) match(complaintAbout(spec), complaint, spec);
});

Deno.test("whatever words are quoted come back as they were", () => {
  const word = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", ""));
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const spec = `a=cat ${words.map(quote).join(" ")}`;
      deepEqual(parseExecCommand(spec).argv, ["cat", ...words]);
    }),
    { seed: 7 },
  );
});

Deno.test("whatever is given is a command or bad input", () => {
  const part = fc.constantFrom("a", "=", " ", "'", '"', "\\", "\0", "$", "é");
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      try {
        parseExecCommand(parts.join(""));
      } catch (error) {
        if (!(error instanceof BadInput)) throw error;
      }
    }),
    { seed: 8, numRuns: 2_000 },
  );
});
