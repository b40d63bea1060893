/**
 * Ends stdout while the program goes on, so that whoever reads it sees the end. Deno offers no such
 * call: it keeps a copy of the descriptor. On Linux every copy of a pipe is replaced by stderr with
 * dup2(2), and a socket is shut down with shutdown(2). Elsewhere the end is seen when the program ends.
 */

const libcNames = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];
const [stdout, stderr] = [1, 2];
const shutWrite = 1;
const descriptors = "/proc/self/fd";

const symbols = {
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
} as const;

/** Ends it where that can be done. Nothing may be written to it any more. Never throws. */
export function endStdout(): void {
  if (Deno.build.os !== "linux") return;
  const [ended, kept] = [openFileOf(stdout), openFileOf(stderr)];
  // A file and a terminal have no end, and what stderr is too is still needed.
  if (ended === undefined || ended === kept) return;
  if (ended.startsWith("socket:")) return void openLibc()?.shutdown(stdout, shutWrite);
  if (!ended.startsWith("pipe:")) return;
  const libc = openLibc();
  for (const { name } of Deno.readDirSync(descriptors)) {
    if (openFileOf(Number(name)) === ended) libc?.dup2(stderr, Number(name));
  }
}

/** What a descriptor is of, as the kernel writes it. */
function openFileOf(descriptor: number): string | undefined {
  try {
    return Deno.readLinkSync(`${descriptors}/${descriptor}`);
  } catch {
    // It has been closed, or there is no /proc.
    return undefined;
  }
}

function openLibc() {
  for (const name of libcNames) {
    try {
      return Deno.dlopen(name, symbols).symbols;
    } catch {
      // Not this libc, or no permission for FFI: the next name, or none.
    }
  }
  return undefined;
}
