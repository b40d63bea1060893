/** What asks a running command to stop. */

/** The signals that stop a command; of these, Windows knows only the first. */
export const stopSignals: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

const exitCodes: Partial<Record<Deno.Signal, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Returns at the first signal. A later one ends the process at once. */
export function untilStopped(signals = stopSignals): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of signals) {
      Deno.addSignalListener(signal, () => {
        if (isStopping) Deno.exit(exitCodes[signal] ?? 1);
        isStopping = true;
        resolve();
      });
    }
  });
}
