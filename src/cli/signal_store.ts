/** The signaling server's store: which file it is by default, and how it is opened. */
import { dirname, join } from "node:path";
import { BadInput } from "../bad_input.ts";

/** The default store's name in the state directory. */
export const STORE_FILE = "aetherlight.sqlite3";

/** What SQLite says while another process writes the file, or is just making it. */
const LOCKED = "database is locked";
/** How long a locked file is tried for, and how long after each try; ms. */
const LOCKED_FOR = 10_000;
const RETRY_AFTER = 50;

/**
 * Opens what `Deno.openKv` takes: a file, a URL or `:memory:`. A file that another process holds at
 * this moment, as another server that starts, is tried again for ten seconds, which `log` is told.
 * Throws with the name of what could not be opened.
 */
export async function openStore(name: string, log: (line: string) => void): Promise<Deno.Kv> {
  const giveUpAt = performance.now() + LOCKED_FOR;
  for (let tries = 1;; tries++) {
    try {
      return await Deno.openKv(name);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const store = `the store ${JSON.stringify(name)}`;
      if (error.message !== LOCKED || performance.now() > giveUpAt) {
        throw new Error(`cannot open ${store}: ${error.message}`, { cause: error });
      }
      if (tries === 1) log(`${store} is locked by another process: trying again`);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER));
  }
}

/** A file that only this user can read, in a directory that is made where there is none. */
export async function defaultStore(): Promise<string> {
  const file = join(stateDirectory(), STORE_FILE);
  await Deno.mkdir(dirname(file), { recursive: true, mode: 0o700 });
  return file;
}

function stateDirectory(): string {
  // By systemd, which may name several.
  const [ofService] = Deno.env.get("STATE_DIRECTORY")?.split(":") ?? [];
  if (ofService !== undefined && ofService !== "") return ofService;
  const ofUser = Deno.env.get("XDG_STATE_HOME") ?? "";
  if (ofUser.startsWith("/")) return join(ofUser, "aetherport");
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? "";
  if (home !== "") return join(home, ".local", "state", "aetherport");
  throw new BadInput("there is no home directory for the store: say where with --kv <file>");
}
