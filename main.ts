/**
 * Aetherport: a layer-4 proxy over WebRTC. This is the executable's entry; `src/cli/` reads the
 * command line.
 *
 * @module
 */
import { run } from "./src/cli/run.ts";

if (import.meta.main) Deno.exit(await run(Deno.args));
