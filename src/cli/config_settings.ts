/**
 * A config file below flags and variables: its keys are the flags', and what it says is parsed by
 * them.
 */
import type { Command, Option } from "commander";
import { isAbsolute, join } from "node:path";
import { BadInput } from "../bad_input.ts";
import { ConfigError, type ConfigProblem } from "../config/config_error.ts";
import { type ConfigFile, folderOf, readConfigFile } from "../config/config_file.ts";
import type { ConfigKey } from "../config/config_key.ts";
import { type ConfigEntry, ingressUrlFlag, readConfig } from "../config/read_config.ts";
import { resolveSecretFile } from "../link/ice_server.ts";
import { excludedBy, ListOption, PeerListOption } from "./environment.ts";
import type { FlagValue } from "./flag_problem.ts";

/** Values by the flags' attributes, as commander's `opts()` has them. */
export type Settings = Readonly<Record<string, unknown>>;

/** What a file says, parsed. */
export interface FileSettings {
  readonly values: Settings;
  /** Without what its peers' tables say. */
  readonly ownValues: Settings;
  /** What the values were parsed from. */
  readonly entries: readonly ConfigEntry[];
  /** Whether a secret stands in it. */
  readonly hasSecret: boolean;
}

/** All that flags, variables and a file say. */
export interface LoadedSettings {
  readonly settings: Settings;
  readonly warnings: readonly string[];
  readonly text: string;
  /** Where a value stands in the file; nothing where it is not from there. */
  placeOf(value: FlagValue): Pick<ConfigProblem, "line" | "key">;
}

/** The keys of a config file, one for each flag. */
export function configKeysOf(flags: readonly Option[]): ConfigKey[] {
  return flags.map((option) => ({
    name: option.name(),
    holds: option.isBoolean() ? "switch" : option instanceof ListOption ? "list" : "text",
    ...(option.argChoices === undefined ? {} : { choices: option.argChoices }),
    takesNumbers: option.parseArg !== undefined && !option.flags.includes("<file>"),
    isPerPeer: option instanceof PeerListOption,
    ...resolverOf(option),
  }));
}

/** A `<file>` and a `<path|none>` are paths, and an ICE server may name that of its secret. */
function resolverOf({ flags }: Option): Pick<ConfigKey, "resolve"> {
  if (flags.includes("<file>")) return { resolve: resolvePath };
  if (flags.includes("<path|none>")) {
    return { resolve: (value, folder) => value === "none" ? value : resolvePath(value, folder) };
  }
  if (!flags.includes("--ice-server")) return {};
  return {
    resolve: (url, folder) => resolveSecretFile(url, (path) => resolvePath(path, folder)),
  };
}

function resolvePath(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

/**
 * Reads the file and puts what it says of the flags that are taken from it below what the command was
 * given. Throws {@link BadInput}, a {@link ConfigError} with all problems where it is what the file
 * says.
 */
export async function loadConfig(
  path: string,
  { command, flags, taken }: {
    readonly command: Command;
    readonly flags: readonly Option[];
    readonly taken: readonly Option[];
  },
): Promise<LoadedSettings> {
  const file = await readConfigFile(path);
  const settings = parseConfig(file, flags);
  const warnings = settings.hasSecret && file.isReadableByOthers
    ? [
      `${path} holds a TURN server's secret and other users can read it: take that from them ` +
      "(chmod 600), or use ?secret-file=",
    ]
    : [];
  const merged = mergeSettings(settings, { command, flags: taken });
  return {
    settings: merged,
    warnings,
    text: file.text,
    placeOf: ({ flag, position }) => {
      const attribute = flags.find((option) => option.name() === flag)?.attributeName() ?? flag;
      if (merged[attribute] !== settings.values[attribute]) return {};
      const entry = settings.entries.filter((each) => each.flag === flag)[position];
      return entry === undefined ? {} : { line: entry.line, key: entry.key };
    },
  };
}

/** Reads a file's text. Throws {@link ConfigError} with all problems. */
export function parseConfig(
  { path, text }: Pick<ConfigFile, "path" | "text">,
  flags: readonly Option[],
): FileSettings {
  const reading = readConfig(text, { keys: configKeysOf(flags), folder: folderOf(path) });
  const problems = [...reading.problems];
  // Before any peer's URL is read, which is where forwards go from then on.
  const own = reading.entries.filter(({ isOfPeer }) => !isOfPeer);
  const ownValues = valuesOf(own, { flags, problems: [] });
  const values = valuesOf(reading.entries, { flags, problems });
  problems.push(...conflictsIn(reading.entries, flags));
  if (problems.length > 0) {
    throw new ConfigError(path, problems);
  }
  return {
    ...{ values, ownValues, entries: reading.entries },
    hasSecret: [values.iceServer].flat().some(hasPassword),
  };
}

/**
 * Flags and variables win. A list of theirs replaces the file's, that of its peers included; ingress
 * URLs replace the peers with all that is in their tables.
 */
export function mergeSettings(
  { values, ownValues }: FileSettings,
  { command, flags }: { readonly command: Command; readonly flags: readonly Option[] },
): Settings {
  const isGiven = (attribute: string) =>
    ["cli", "env"].includes(command.getOptionValueSource(attribute) ?? "");
  const urlAttribute = flags.find((option) => option.name() === ingressUrlFlag)?.attributeName();
  const usable = urlAttribute !== undefined && isGiven(urlAttribute) ? ownValues : values;
  const merged: Record<string, unknown> = { ...command.opts() };
  for (const option of flags) {
    const attribute = option.attributeName();
    const isOverridden = [attribute, ...excludedBy(option)].some(isGiven);
    if (!isOverridden && Object.hasOwn(usable, attribute)) merged[attribute] = usable[attribute];
  }
  delete merged.config;
  return merged;
}

/** What the entries say; those that the flags' parsers refuse go to the problems. */
function valuesOf(
  entries: readonly ConfigEntry[],
  { flags, problems }: {
    readonly flags: readonly Option[];
    readonly problems: ConfigProblem[];
  },
): Settings {
  const options = new Map(flags.map((option) => [option.name(), option]));
  const values: Record<string, unknown> = {};
  for (const { flag, value, line, key } of entries) {
    const option = options.get(flag);
    if (option === undefined) continue;
    const attribute = option.attributeName();
    try {
      values[attribute] = parseValue(option, value, values[attribute]);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      problems.push({ line, key, problem: error.message });
    }
  }
  return values;
}

function parseValue(option: Option, value: string | boolean, previous: unknown): unknown {
  // The schema has seen to a choice, which commander's own parser would complain of as of a flag.
  const isParsed = typeof value === "boolean" || option.argChoices !== undefined;
  if (isParsed || option.parseArg === undefined) return value;
  return option.parseArg(value, previous);
}

/** Switches that are on and exclude one another. */
function conflictsIn(entries: readonly ConfigEntry[], flags: readonly Option[]): ConfigProblem[] {
  const options = new Map(flags.map((option) => [option.name(), option]));
  const on = entries.filter(({ value }) => value !== false).map((entry) => ({
    ...entry,
    attribute: options.get(entry.flag)?.attributeName() ?? entry.flag,
  }));
  return on.flatMap(({ flag, key, line }, position) => {
    const option = options.get(flag);
    const excluded = option === undefined ? [] : excludedBy(option);
    const other = on.slice(0, position).find(({ attribute }) => excluded.includes(attribute));
    if (other === undefined) return [];
    return [{ line, key, problem: `excludes ${other.key} (line ${other.line}): leave one out` }];
  });
}

function hasPassword(server: unknown): boolean {
  return typeof server === "object" && server !== null && "password" in server;
}
