/**
 * SIGHUP: it asks for files to be read again. Where there are none it asks for the end, and so does a
 * terminal that is gone, but where this was started to outlive it.
 */

/** Looked at early, while a terminal that this was started from is still there. */
const hasTerminal = Deno.stdin.isTerminal();
/** Looked at early: Deno takes the signal for itself later, and would end. */
const isIgnored = isIgnoredByNow();
/** Who reads something again. */
const handlers = new Set<() => void>();
/** Ends the process in order; before there is such an end, the system's way is taken. */
let end: (() => void) | undefined;
let isListening = false;

/**
 * Calls the handler at each SIGHUP that is no terminal's end, until the function that is returned is
 * called. Windows has no SIGHUP.
 */
export function onHangUp(handle: () => void): () => void {
  if (Deno.build.os === "windows") return () => {};
  handlers.add(handle);
  listen();
  return () => {
    handlers.delete(handle);
    if (handlers.size === 0 && end === undefined) stopListening();
  };
}

/** Resolves at the first SIGHUP that asks for the end; those that follow do nothing. */
export function untilHungUp(): Promise<void> {
  return new Promise((resolve) => {
    if (Deno.build.os === "windows") return;
    end = resolve;
    listen();
  });
}

function listen(): void {
  if (!isListening) Deno.addSignalListener("SIGHUP", handleSignal);
  isListening = true;
}

function stopListening(): void {
  if (isListening) Deno.removeSignalListener("SIGHUP", handleSignal);
  isListening = false;
}

function handleSignal(): void {
  const isTerminalGone = hasTerminal && !Deno.stdin.isTerminal();
  if (handlers.size > 0 && !isTerminalGone) { for (const handle of handlers) handle(); }
  else if (isIgnored) return;
  else if (end !== undefined) end();
  else hangUp();
}

/** Any listener that is left would keep the signal from the system. */
function hangUp(): void {
  handlers.clear();
  stopListening();
  Deno.kill(Deno.pid, "SIGHUP");
}

/** Whether whoever started this has had the signal ignored, as nohup does; only Linux tells. */
function isIgnoredByNow(): boolean {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    const [, mask = "0"] = /^SigIgn:\s*([\da-f]+)$/m.exec(status) ?? [];
    // SIGHUP is 1, the lowest bit.
    return (BigInt(`0x${mask}`) & 1n) === 1n;
  } catch {
    return false;
  }
}
