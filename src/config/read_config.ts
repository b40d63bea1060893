/**
 * Reads a config file's text: TOML, in which keys are the names of flags, and each `[[peer]]` is an
 * ingress URL with what goes there. What it says comes out as flags would say it, one by one, so
 * that both are read by the same code from there on.
 */
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import type { ConfigProblem } from "./config_error.ts";
import type { ConfigKey } from "./config_key.ts";
import { type ConfigValue, schemaOf, tablesSchema } from "./config_schema.ts";
import { TomlLines, type TomlPath } from "./toml_lines.ts";

/** The array of tables that has a table for each ingress that is called. */
const peerTables = "peer";
/** In such a table, what the flag of {@link ingressUrlFlag} says. */
const peerUrl = "url";
/** Names of tables and lists within one another are of no use here. */
const maxDepth = 16;

/** The flag that a peer's `url` stands for. */
export const ingressUrlFlag = "aetherlight-ingress-url";

/** One value, where a flag would stand: one for each element of a list. */
export interface ConfigEntry {
  /** The flag's name. */
  readonly flag: string;
  readonly value: string | boolean;
  /** Whether it stands in the table of a peer. */
  readonly isOfPeer: boolean;
  /** From 1. */
  readonly line: number;
  /** As problems name it: `hold`, `peer[0].forward[1]`. */
  readonly key: string;
}

/** What a file says, as far as it is right, and what is wrong with it. */
export interface ConfigReading {
  /** In the order in which flags would stand: what is no peer's, then each peer's URL and the rest. */
  readonly entries: readonly ConfigEntry[];
  readonly problems: readonly ConfigProblem[];
}

/** Reads the text; paths in it begin at the folder. Never throws. */
export function readConfig(
  text: string,
  { keys, folder }: { readonly keys: readonly ConfigKey[]; readonly folder: string },
): ConfigReading {
  try {
    const table = parse(text, { maxDepth });
    const reader = new ConfigReader({ lines: new TomlLines(text), keys, folder });
    reader.readTop(table);
    return reader;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ""] = error.message.split("\n");
    const reason = first.replace(/^Invalid TOML document: /, "");
    const problem = `not TOML, column ${error.column}: ${reason}`;
    return { entries: [], problems: [{ line: error.line, problem }] };
  }
}

class ConfigReader implements ConfigReading {
  readonly entries: ConfigEntry[] = [];
  readonly problems: ConfigProblem[] = [];
  readonly #lines: TomlLines;
  readonly #keys: ReadonlyMap<string, ConfigKey>;
  readonly #folder: string;
  /** The first place of each URL. */
  readonly #urls = new Map<string, number>();

  constructor(
    { lines, keys, folder }: {
      readonly lines: TomlLines;
      readonly keys: readonly ConfigKey[];
      readonly folder: string;
    },
  ) {
    this.#lines = lines;
    this.#keys = new Map(keys.map((key) => [key.name, key]));
    this.#folder = folder;
  }

  readTop(table: Readonly<Record<string, unknown>>): void {
    const known = new Map([...this.#keys].filter(([name]) => name !== ingressUrlFlag));
    for (const [name, value] of Object.entries(table)) {
      if (name === peerTables) continue;
      const key = known.get(name);
      if (key === undefined) this.#refuseUnknown([name], [...known.keys(), peerTables]);
      else this.#readValue(key, value, { path: [name], isOfPeer: false });
    }
    const tables = Object.hasOwn(table, peerTables) ? table[peerTables] : [];
    const peers = this.#check(tablesSchema, tables, [peerTables]) ?? [];
    for (const [position, peer] of peers.entries()) this.#readPeer(peer, [peerTables, position]);
  }

  #readPeer(table: Readonly<Record<string, unknown>>, path: TomlPath): void {
    const known = new Map([...this.#keys].filter(([, { isPerPeer }]) => isPerPeer));
    this.#readUrl(table, path);
    for (const [name, value] of Object.entries(table)) {
      if (name === peerUrl) continue;
      const key = known.get(name);
      const place = [...path, name];
      if (key === undefined) this.#refuseUnknown(place, [peerUrl, ...known.keys()]);
      else this.#readValue(key, value, { path: place, isOfPeer: true });
    }
  }

  #readUrl(table: Readonly<Record<string, unknown>>, path: TomlPath): void {
    const key = this.#keys.get(ingressUrlFlag);
    if (key === undefined) return;
    if (!Object.hasOwn(table, peerUrl)) {
      this.#refuse(path, `a ${peerUrl} is missing: the ingress URL that the other node prints`);
      return;
    }
    const place = { path: [...path, peerUrl], isOfPeer: true };
    const url = table[peerUrl];
    const before = typeof url === "string" ? this.#urls.get(url) : undefined;
    if (before !== undefined) {
      this.#refuse(place.path, `another [[peer]] has the same one (line ${before}): join the two`);
    }
    if (typeof url === "string") this.#urls.set(url, this.#lines.lineOf(place.path));
    this.#readValue({ ...key, holds: "text", takesNumbers: false }, url, place);
  }

  #readValue(
    key: ConfigKey,
    input: unknown,
    { path, isOfPeer }: { readonly path: TomlPath; readonly isOfPeer: boolean },
  ): void {
    const value = this.#check(schemaOf(key), input, path);
    if (value === undefined) return;
    for (const [one, place] of partsOf(value, path)) {
      this.entries.push({
        flag: key.name,
        value: typeof one === "string" ? key.resolve?.(one, this.#folder) ?? one : one,
        isOfPeer,
        line: this.#lines.lineOf(place),
        key: formatPath(place),
      });
    }
  }

  /** What is right; undefined, with its problems noted, for anything else. */
  #check<Output>(
    schema: v.GenericSchema<unknown, Output>,
    input: unknown,
    path: TomlPath,
  ): Output | undefined {
    const result = v.safeParse(schema, input);
    if (result.success) return result.output;
    for (const issue of result.issues) {
      const inner = issue.path?.map(({ key }) => key as string | number) ?? [];
      this.#refuse([...path, ...inner], issue.message);
    }
    return undefined;
  }

  #refuseUnknown(path: TomlPath, known: readonly string[]): void {
    const problem = path[0] === ingressUrlFlag
      ? `unknown key: an ingress URL is the ${peerUrl} of a [[${peerTables}]]`
      : `unknown key: expected one of ${known.join(", ")}`;
    this.#refuse(path, problem);
  }

  #refuse(path: TomlPath, problem: string): void {
    this.problems.push({ line: this.#lines.lineOf(path), key: formatPath(path), problem });
  }
}

/** A list's elements, each with its place; a value that is no list is its own only one. */
function partsOf(value: ConfigValue, path: TomlPath): [string | boolean, TomlPath][] {
  if (typeof value === "string" || typeof value === "boolean") return [[value, path]];
  return value.map((one, position) => [one, [...path, position]]);
}

/** As a programmer would write it; what is no plain name stands in quotes. */
function formatPath(path: TomlPath): string {
  const parts = path.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^[\w-]{1,64}$/.test(part) ? `.${part}` : `.${JSON.stringify(part.slice(0, 64))}`;
  });
  return parts.join("").replace(/^\./, "");
}
