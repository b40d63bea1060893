/**
 * Where the sockets of this user's nodes are, and whose they have to be: whoever can connect can
 * command the node, and whoever could put a socket there could answer for it.
 */
import { dirname, join } from "node:path";
import { messageOf } from "../message_of.ts";

const groupAndOthers = 0o077;
const privateMode = { directory: 0o700, umask: 0o177 } as const;
const socketName = /^(\d{1,10})\.sock$/;

/** A socket that a node may listen on. */
export interface NodeSocket {
  readonly pid: number;
  readonly path: string;
}

/** The directory of this user's sockets, from the value of XDG_RUNTIME_DIR. */
export function controlDirectory(runtimeDirectory: string | undefined): string {
  // The XDG Base Directory Specification has paths that are not absolute ignored.
  if (runtimeDirectory?.startsWith("/")) return join(runtimeDirectory, "aetherport");
  return `/tmp/aetherport-${Deno.uid()}`;
}

/** The socket of the node with this process id. */
export function nodeSocketPath(directory: string, pid: number): string {
  return join(directory, `${pid}.sock`);
}

/** Makes the directory where there is none. Throws an Error where it is not this user's alone. */
export function prepareDirectory(directory: string): void {
  try {
    Deno.mkdirSync(directory, { mode: privateMode.directory });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  checkDirectory(directory);
}

/** The sockets in the directory, by process id. Throws an Error where it is not this user's alone. */
export function listNodeSockets(directory: string): NodeSocket[] {
  if (!checkDirectory(directory)) return [];
  return [...Deno.readDirSync(directory)]
    .flatMap(({ name }) => {
      const [, pid] = socketName.exec(name) ?? [];
      return pid === undefined ? [] : [{ pid: Number(pid), path: join(directory, name) }];
    })
    .sort((one, other) => one.pid - other.pid);
}

/** Whether it is there. Throws an Error where it is not this user's alone. */
function checkDirectory(directory: string): boolean {
  const found = lookAt(directory);
  if (found === undefined) return false;
  if (!found.isDirectory) throw new Error(`${directory} is no directory`);
  if (found.uid !== Deno.uid()) throw new Error(`${directory} belongs to another user`);
  if (((found.mode ?? 0) & groupAndOthers) !== 0) {
    throw new Error(`${directory} is open to other users: chmod 700 it`);
  }
  return true;
}

/**
 * Listens, in the place of a socket that nobody listens on any more. Throws an Error where somebody
 * does, or where something else is there.
 */
export async function listenPrivately(path: string): Promise<Deno.UnixListener> {
  const found = lookAt(path);
  if (found !== undefined) await removeStale(path, found);
  // The socket is this user's alone from its first moment on.
  const umask = Deno.umask(privateMode.umask);
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    if (lookAt(dirname(path)) === undefined) throw new Error(`${dirname(path)} does not exist`);
    throw error;
  } finally {
    Deno.umask(umask);
  }
}

/** Removes what was made by {@link listenPrivately}; what stands in its place by now, stays. */
export function removeSocket(path: string, inode: number | null): void {
  try {
    if (lookAt(path)?.ino === inode) Deno.removeSync(path);
  } catch {
    // It has gone with its directory, or is to be found stale.
  }
}

/** What is there, itself and not what it leads to; undefined where nothing is. */
export function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function removeStale(path: string, found: Deno.FileInfo): Promise<void> {
  if (!found.isSocket) throw new Error("something that is no socket is there");
  if (await isLive(path)) throw new Error("a running node listens there");
  removeSocket(path, found.ino);
}

async function isLive(path: string): Promise<boolean> {
  try {
    const connection = await Deno.connect({ transport: "unix", path });
    connection.close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    // Somebody whose queue is full, or who lets nobody in, is somebody.
    if (!(error instanceof Deno.errors.NotFound)) return true;
    throw new Error(`it is gone: ${messageOf(error)}`, { cause: error });
  }
}
