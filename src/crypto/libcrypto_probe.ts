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
import type { AeadName } from "../dtls/aead.ts";
import { keyLengths, nonceLength, tagLength } from "./aead_sizes.ts";
import { type LibcryptoAead, openLibcryptoAead } from "./libcrypto_aead.ts";

/** Names the library to the other process, and tells it that it is the other one. */
const marker = "AETHERPORT_LIBCRYPTO_PROBE";

/** Written by nothing else, so that a program that does not ask `answerProbe` is no answer. */
const answer = "aetherport: this libcrypto works";

/** Loading takes some tens of ms. */
const timeLimit = 5_000;

/**
 * In the other process, tries the library and says so: the exit code to end with. Undefined in a
 * process that is not the other one.
 */
export function answerProbe(): number | undefined {
  // Who may not read the environment was not asked by it.
  const { state } = Deno.permissions.querySync({ name: "env", variable: marker });
  const name = state === "granted" ? Deno.env.get(marker) : undefined;
  if (name === undefined) return undefined;
  if (!knowsItsVectors(name)) return 1;
  console.log(answer);
  return 0;
}

/** Sixteen zero bytes, sealed with a key and a nonce of zeros and without additional data. */
const sealedZeros: Readonly<Record<AeadName, string>> = {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 2 and 14.
  "aes-128-gcm": "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
  "aes-256-gcm": "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
  "chacha20-poly1305": "9f07e7be5551387a98ba977c732d080dc34a88047320f52aa2c6683ef8084d2f",
};

/** Whether the library loads here and gives the known answers. May end this process. */
export function knowsItsVectors(name: string): boolean {
  const provider = openLibcryptoAead(name, { capacity: 1024 * 1024 });
  if (provider === undefined) return false;
  return (Object.keys(sealedZeros) as AeadName[]).every((aead) => knowsVector(provider, aead));
}

function knowsVector(provider: LibcryptoAead, aead: AeadName): boolean {
  const key = provider.createKey(aead, new Uint8Array(keyLengths[aead]));
  const nonce = new Uint8Array(nonceLength);
  const none = new Uint8Array();
  const record = new Uint8Array(16 + tagLength);
  key.seal(record, 0, 16, nonce, none);
  const isSealed = record.toHex() === sealedZeros[aead];
  const isOpened = key.open(record, 0, 16, nonce, none) && record.subarray(0, 16).every(isZero);
  // The text is plain now, so that the tag is wrong.
  const isRefused = !key.open(record, 0, 16, nonce, none);
  key.destroy();
  return isSealed && isOpened && isRefused;
}

function isZero(byte: number): boolean {
  return byte === 0;
}

/** Whether the library works in another process. False where no process may be started. */
export async function isUsable(name: string): Promise<boolean> {
  if (!isPermitted()) return false;
  try {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: probeArguments(),
      env: { [marker]: name },
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
    `--allow-env=${marker}`,
    import.meta.url,
  ];
}

if (import.meta.main) Deno.exit(answerProbe() ?? 2);
