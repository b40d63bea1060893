/** What is wrong in a policy file, and where. */
import { BadInput } from "../../bad_input.ts";
import { lineOfKey } from "./line_of_key.ts";

/** Where in a document a value is: keys, and positions in lists (from 0). */
export type KeyPath = readonly (string | number)[];

/** A value that cannot be used. Whoever knows the file makes a {@link BadInput} of it. */
export class ValueDefect extends Error {
  override readonly name = "ValueDefect";

  constructor(readonly path: KeyPath, readonly expected: string, readonly found: string) {
    super(`expected ${expected}, found ${found}`);
  }
}

/** The defect as one line that names file, line and key. */
export function badInputOf(
  { path, message }: ValueDefect,
  { text, file }: { readonly text: string; readonly file: string },
): BadInput {
  const line = lineOfKey(text, path);
  return new BadInput(`${file}, line ${line}: ${formatPath(path)}: ${message}`);
}

/** A path as people count: `rule 2, target.port`. */
function formatPath(path: KeyPath): string {
  const words: string[] = [];
  const keys: string[] = [];
  for (const step of path) {
    if (typeof step === "string") keys.push(step);
    else if (words.length === 0) words.push(`${keys.splice(0).join(".")} ${step + 1}`);
  }
  return [...words, ...(keys.length > 0 ? [keys.join(".")] : [])].join(", ") || "the document";
}
