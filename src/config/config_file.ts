/** Where config files are, and what is in them. */
import { dirname, isAbsolute, join } from "node:path";
import { BadInput } from "../bad_input.ts";
import { messageOf } from "../message_of.ts";

/** Longer files are not read, in bytes. */
const maxLength = 262_144;
/** Permission to read, of group and others. */
const othersReadBits = 0o044;

/** A file as it was read. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  /** Whether other users of this machine may read it; false where there are no such permissions. */
  readonly isReadableByOthers: boolean;
}

/** Where a config file is looked for, in this order, where none is named. */
export function defaultConfigPaths(environment: Readonly<Record<string, string>>): string[] {
  const { XDG_CONFIG_HOME: configHome = "", HOME: home = "" } = environment;
  // The XDG base directory specification: a path that is not absolute is ignored.
  const folder = isAbsolute(configHome)
    ? configHome
    : isAbsolute(home)
    ? join(home, ".config")
    : undefined;
  return [...folder === undefined ? [] : [folder], "/etc"].map((parent) =>
    join(parent, "aetherport", "config.toml")
  );
}

/**
 * The first of the paths where there is a file that this user may read; undefined where there is
 * none. What lies there may be another's, and nobody has asked for it.
 */
export async function findConfigFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isReadable(path)) return path;
  return undefined;
}

async function isReadable(path: string): Promise<boolean> {
  try {
    const { isFile } = await Deno.stat(path);
    // What is no file is refused when it is read.
    if (isFile) (await Deno.open(path)).close();
    return true;
  } catch (error) {
    if (isOutOfReach(error)) return false;
    throw unreadable(path, error);
  }
}

function isOutOfReach(error: unknown): boolean {
  const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
  return [NotFound, NotADirectory, PermissionDenied].some((kind) => error instanceof kind);
}

/** The folder where paths in a config file begin. */
export function folderOf(path: string): string {
  return dirname(path);
}

/** Reads a file. Throws {@link BadInput} where it is missing, too long, or no text. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  try {
    const { isFile, size, mode } = await Deno.stat(path);
    if (!isFile) throw new BadInput("it is no file");
    if (size > maxLength) throw new BadInput(`it is longer than ${maxLength} bytes`);
    const bytes = await Deno.readFile(path);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { path, text, isReadableByOthers: ((mode ?? 0) & othersReadBits) !== 0 };
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): BadInput {
  const problem = error instanceof Deno.errors.NotFound
    ? "there is no such file"
    : error instanceof TypeError
    ? "it is not UTF-8"
    : messageOf(error);
  return new BadInput(`cannot read the config file ${JSON.stringify(path)}: ${problem}`);
}
