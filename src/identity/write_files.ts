/**
 * Writes files that belong together: all of them appear, each at once and whole, or none does.
 */
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { BadInput } from "../bad_input.ts";

/** A file to be written. */
export interface NewFile {
  readonly path: string;
  readonly text: string;
  /** Permission bits; narrowed further by the umask. */
  readonly mode: number;
  /** Whether a file that is already there may be replaced. */
  readonly overwrite: boolean;
}

/**
 * Writes every file beside its place under another name first, so that a full disk or a missing
 * directory shows before anything is in place. Then each is moved in: exclusively, unless it may
 * overwrite. Where one fails, those that were newly made are taken away again.
 *
 * @throws {BadInput} where a file is there and may not be replaced, or a directory is missing
 */
export async function writeFiles(files: readonly NewFile[]): Promise<void> {
  refuseRepeatedPaths(files);
  const staged: StagedFile[] = [];
  const created: string[] = [];
  try {
    for (const file of files) await stage(file, staged);
    for (const file of staged) await moveIn(file, created);
  } catch (error) {
    for (const path of created) await removeIfThere(path);
    throw error;
  } finally {
    for (const { temporaryPath } of staged) await removeIfThere(temporaryPath);
  }
}

interface StagedFile extends NewFile {
  readonly temporaryPath: string;
}

async function stage(file: NewFile, staged: StagedFile[]): Promise<void> {
  const temporaryPath = `${file.path}.${randomUUID()}.tmp`;
  try {
    await createExclusively(temporaryPath, {
      ...file,
      created: () => staged.push({ ...file, temporaryPath }),
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new BadInput(
        `cannot write "${file.path}": its directory does not exist, make it first`,
      );
    }
    throw failure(file.path, error);
  }
}

/** Records in `created` what was not there before. */
async function moveIn(file: StagedFile, created: string[]): Promise<void> {
  const { path, temporaryPath, overwrite } = file;
  try {
    await linkExclusively(file, () => created.push(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw failure(path, error);
    if (!overwrite) throw new BadInput(`"${path}" is there already: give --force to replace it`);
    await Deno.rename(temporaryPath, path);
  }
}

/** link() fails where the path exists; rename() would replace it, whatever was checked before. */
async function linkExclusively(file: StagedFile, created: () => void): Promise<void> {
  try {
    await Deno.link(file.temporaryPath, file.path);
    created();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    // A file system without hard links (FAT, some network mounts): still exclusive, not at once.
    await createExclusively(file.path, { ...file, created });
  }
}

async function createExclusively(
  path: string,
  { text, mode, created }: { text: string; mode: number; created: () => void },
): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode });
  created();
  await writeAll(file, new TextEncoder().encode(text));
  await file.sync();
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function refuseRepeatedPaths(files: readonly NewFile[]): void {
  const seen = new Set<string>();
  for (const { path } of files) {
    if (seen.has(resolve(path))) {
      throw new BadInput(`"${path}" is given for two files: give each its own name`);
    }
    seen.add(resolve(path));
  }
}

function failure(path: string, error: unknown): Error {
  const why = error instanceof Error ? error.message : String(error);
  return new Error(`cannot write "${path}": ${why}`, { cause: error });
}
