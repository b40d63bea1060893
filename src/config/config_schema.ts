/** What the values of a config file have to be. */
import * as v from "valibot";
import type { ConfigKey } from "./config_key.ts";

/** A value as it was read, of any kind that a key may hold. */
export type ConfigValue = boolean | string | readonly string[];

/** Checks what a key holds; numbers become texts. */
export type ConfigSchema = v.GenericSchema<unknown, ConfigValue>;

const text = v.pipe(
  v.string((issue) => expected("a text in quotes", issue.input)),
  v.nonEmpty("expected a text that is not empty"),
);

const textOrNumber = v.union(
  [text, v.pipe(v.number(), v.safeInteger(), v.transform(String))],
  (issue) =>
    issue.input === ""
      ? "expected a text that is not empty"
      : expected("a text in quotes or a whole number", issue.input),
);

/** The schema of one key. */
export function schemaOf({ holds, choices, takesNumbers }: ConfigKey): ConfigSchema {
  if (holds === "switch") {
    return v.boolean((issue) => expected("true or false", issue.input));
  }
  const one = choices === undefined
    ? takesNumbers ? textOrNumber : text
    : v.picklist(choices, (issue) => expected(choices.map(quote).join(" or "), issue.input));
  if (holds === "text") return one;
  return v.array(one, (issue) => expected('a list of texts, ["…", "…"]', issue.input));
}

/** A table, of which nothing else is known yet. */
export const tableSchema = v.custom<Readonly<Record<string, unknown>>>(
  isTable,
  (issue) => expected("a table", issue.input),
);

/** The tables of an array of tables. */
export const tablesSchema = v.array(
  tableSchema,
  (issue) => expected("tables, each begun by [[peer]]", issue.input),
);

function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function expected(what: string, found: unknown): string {
  return `expected ${what}, found ${describe(found)}`;
}

/** A text is not repeated: it may be a secret in the wrong place. */
function describe(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return `${value}`;
  if (typeof value === "string") return "a text";
  if (Array.isArray(value)) return "a list";
  return isTable(value) ? "a table" : "a date";
}

function quote(value: string): string {
  return JSON.stringify(value);
}
