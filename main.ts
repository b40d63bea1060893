/**
 * Aetherport: a layer-4 proxy over WebRTC. This is the executable's entry; `src/cli/` reads the
 * command line.
 *
 * @module
 */
import { run } from "./src/cli/run.ts";
import { probedLibrary } from "./src/crypto/probe_marker.ts";

if (import.meta.main) Deno.exit(await answerProbe() ?? await run(Deno.args));

/** A compiled executable is its own probe of the system's libcrypto; otherwise this answers nothing. */
async function answerProbe(): Promise<number | undefined> {
  if (probedLibrary() === undefined) return undefined;
  return (await import("./src/crypto/libcrypto_probe.ts")).answerProbe();
}
