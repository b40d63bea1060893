/** Finds the line of a key in a TOML text that has been parsed: parsers do not tell it. */

/** A line that begins a table or a value. */
const header = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/;
const assignment = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/;

/**
 * The line (from 1) on which the value at a path begins, or of the table around it where the key is
 * missing.
 */
export function lineOfKey(text: string, path: readonly (string | number)[]): number {
  const counts = new Map<string, number>();
  let table: (string | number)[] = [];
  let best = { line: 1, depth: 0 };
  let isInText = false;
  for (const [position, line] of text.split("\n").entries()) {
    const isContinued = isInText;
    if ((line.match(/"""|'''/g)?.length ?? 0) % 2 === 1) isInText = !isInText;
    if (isContinued) continue;
    const [, brackets, name] = header.exec(line) ?? [];
    if (name !== undefined) table = tablePath(name, brackets === "[[", counts);
    const key = name === undefined ? assignment.exec(line)?.[1] : undefined;
    if (name === undefined && key === undefined) continue;
    const here = key === undefined ? table : [...table, ...splitKey(key)];
    // A dotted key may begin the table that is looked for.
    const depth = Math.min(here.length, path.length);
    if (depth > best.depth && here.slice(0, depth).every((step, at) => step === path[at])) {
      best = { line: position + 1, depth };
    }
  }
  return best.line;
}

/** A header within an array of tables means the last of its tables. */
function tablePath(
  name: string,
  isElement: boolean,
  counts: Map<string, number>,
): (string | number)[] {
  const path: (string | number)[] = [];
  const keys = splitKey(name);
  for (const [at, key] of keys.entries()) {
    path.push(key);
    const array = path.join("\0");
    if (isElement && at === keys.length - 1) counts.set(array, (counts.get(array) ?? 0) + 1);
    const count = counts.get(array);
    if (count !== undefined) path.push(count - 1);
  }
  return path;
}

function splitKey(text: string): string[] {
  const parts = text.match(/[\w-]+|"[^"]*"|'[^']*'/g) ?? [];
  return parts.map((part) => part.replace(/^["']|["']$/g, ""));
}
