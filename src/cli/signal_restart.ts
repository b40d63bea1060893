/**
 * Deno KV is there only where the runtime was started with a flag. Where it was not, the program
 * starts itself again with it, and stands in for that second process until it ends.
 */
import { stopSignals } from "./stop_signals.ts";

/** Set for the second process: it must not start a third. */
const MARKER = "AETHERPORT_RESTARTED_WITH_KV";

/** Whether this runtime has Deno KV. */
export function hasKv(): boolean {
  return typeof Deno.openKv === "function";
}

/** Whether this is the second process. Its standard input ends when the first one does. */
export function isRestarted(): boolean {
  return Deno.env.has(MARKER);
}

/**
 * Runs this program again with Deno KV, and ends this process as that one ended. Throws where that
 * cannot help.
 */
export async function restartWithKv(): Promise<never> {
  if (isRestarted()) throw new Error("this runtime has no Deno KV, though it was asked for");
  if (Deno.build.standalone) {
    throw new Error("this executable was built without Deno KV: use deno compile --unstable-kv");
  }
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--unstable-kv", Deno.mainModule, ...Deno.args],
    env: { [MARKER]: "1" },
    // A terminal sends Ctrl-C to the whole group; apart from it, the child gets each signal once.
    detached: true,
    stdin: "piped",
  }).spawn();
  for (const signal of stopSignals) Deno.addSignalListener(signal, () => child.kill(signal));
  const { code } = await child.status;
  Deno.exit(code);
}
