/**
 * Aetherport: a layer-4 proxy over WebRTC. This is the executable's entry; `src/cli/` reads the
 * command line.
 *
 * @module
 */
import { run } from "./src/cli/run.ts";
import { answerProbe } from "./src/crypto/libcrypto_probe.ts";

// A compiled executable is its own probe of the system's libcrypto; otherwise this answers nothing.
if (import.meta.main) Deno.exit(answerProbe() ?? await run(Deno.args));
