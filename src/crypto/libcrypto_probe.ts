/**
 * Whether a libcrypto can be loaded without harm. A library can end the process that loads it, and
 * nothing catches that; so another process does it first, seals and opens a known record, and says
 * so.
 *
 * The other process runs this same program: `deno run` of this file, or, where the program is a
 * compiled executable that knows no `run`, the executable, whose main module has to ask
 * `answerProbe` before anything else.
 *
 * @module
 */
import { probedLibrary, probeMarker } from "./probe_marker.ts";
import { openLibcryptoAead } from "./libcrypto_aead.ts";

/** Written by nothing else, so that a program that does not ask `answerProbe` is no answer. */
const answer = "aetherport: this libcrypto works";

/** Loading takes some tens of ms. */
const timeLimit = 5_000;

/**
 * In the other process, tries the library and says so: the exit code to end with. Undefined in a
 * process that is not the other one.
 */
export function answerProbe(): number | undefined {
  const name = probedLibrary();
  if (name === undefined) return undefined;
  if (!knowsItsVectors(name)) return 1;
  console.log(answer);
  return 0;
}

/** Whether the library loads here and gives the known answers. May end this process. */
export function knowsItsVectors(name: string): boolean {
  return openLibcryptoAead(name, { capacity: 1024 * 1024 }) !== undefined;
}

/** Whether the library works in another process. False where no process may be started. */
export async function isUsable(name: string): Promise<boolean> {
  if (!isPermitted()) return false;
  try {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: probeArguments(),
      env: { [probeMarker]: name },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(timeLimit),
    }).output();
    return success && new TextDecoder().decode(stdout).trim() === answer;
  } catch {
    // The process could not be started: then nobody knows, and it is not tried here.
    return false;
  }
}

/** A question to the user would be worse than doing without. */
function isPermitted(): boolean {
  return (["ffi", "run"] as const).every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
}

function probeArguments(): string[] {
  // Harmless where the main module does not ask answerProbe.
  if (Deno.build.standalone) return ["--version"];
  return [
    "run",
    "--quiet",
    "--no-config",
    "--no-lock",
    "--no-prompt",
    "--cached-only",
    "--allow-ffi",
    `--allow-env=${probeMarker}`,
    import.meta.url,
  ];
}

if (import.meta.main) Deno.exit(answerProbe() ?? 2);
