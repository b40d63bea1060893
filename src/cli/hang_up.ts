/** SIGHUP: it asks for files to be read again, and tells of a terminal that is gone. */

/** Looked at early, while a terminal that this was started from is still there. */
const hasTerminal = Deno.stdin.isTerminal();
/** Who reads something again. */
const handlers = new Set<() => void>();

/**
 * Calls the handler at each SIGHUP, until the function that is returned is called. A terminal's end
 * ends the process instead, as it would without handlers. Windows has no SIGHUP.
 */
export function onHangUp(handle: () => void): () => void {
  if (Deno.build.os === "windows") return () => {};
  if (handlers.size === 0) Deno.addSignalListener("SIGHUP", handleSignal);
  handlers.add(handle);
  return () => {
    const wasThere = handlers.delete(handle);
    if (wasThere && handlers.size === 0) Deno.removeSignalListener("SIGHUP", handleSignal);
  };
}

function handleSignal(): void {
  if (hasTerminal && !Deno.stdin.isTerminal()) hangUp();
  else for (const handle of handlers) handle();
}

/** Any listener that is left would keep the signal from the system. */
function hangUp(): void {
  handlers.clear();
  Deno.removeSignalListener("SIGHUP", handleSignal);
  Deno.kill(Deno.pid, "SIGHUP");
}
