/** Reads a TOML text by a schema; an error names file, line, key and what was expected. */
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { BadInput } from "../../bad_input.ts";
import { badInputOf, type KeyPath, ValueDefect } from "./policy_error.ts";

/** A text and where it is from. */
export interface Source {
  readonly text: string;
  readonly file: string;
}

/** More characters are refused. */
const maxLength = 4_194_304;
const maxShownLength = 60;

/** Reads a document. Throws {@link BadInput}. */
export function readDocument<Output>(
  schema: v.GenericSchema<unknown, Output>,
  source: Source,
): Output {
  const found = v.safeParse(schema, parseToml(source));
  if (found.success) return found.output;
  throw badInputOf(defectOf(found.issues[0]), source);
}

function parseToml({ text, file }: Source): unknown {
  if (text.length > maxLength) throw new BadInput(`${file} is longer than ${maxLength} characters`);
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [problem = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new BadInput(`${file}, line ${error.line}, column ${error.column}: ${problem}`);
  }
}

function defectOf(issue: v.BaseIssue<unknown>): ValueDefect {
  // In a union the deeper issue says more; a list's item is such a one.
  const inner = issue.issues?.find(({ path }) => path !== undefined);
  const outer = keysOf(issue);
  if (inner !== undefined) {
    const { path, expected, found } = defectOf(inner);
    return new ValueDefect([...outer, ...path], expected, found);
  }
  return new ValueDefect(outer, issue.message, show(issue));
}

function keysOf({ path }: v.BaseIssue<unknown>): KeyPath {
  return (path ?? []).map(({ key }) => typeof key === "number" ? key : String(key));
}

function show({ input, expected, path }: v.BaseIssue<unknown>): string {
  if (input === undefined) return "none";
  if (expected === "never") return `the key ${JSON.stringify(path?.at(-1)?.key)}`;
  if (input instanceof Date) return "a date";
  return JSON.stringify(input).slice(0, maxShownLength);
}
