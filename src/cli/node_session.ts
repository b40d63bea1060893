/** What is around every command that makes links: the log, the memory, and what nobody has caught. */
import { getLogger } from "@logtape/logtape";
import { BadInput } from "../bad_input.ts";
import { BufferPool } from "../buffer_pool.ts";
import { LoggedFailure } from "./logged_failure.ts";
import { configureLogging, type LoggingOptions } from "./logging.ts";
import { ReaderGone } from "./reader_gone.ts";

const log = getLogger(["aetherport", "cli"]);

/** How often memory that nobody needs any more is looked for, in ms. */
const trimInterval = 5_000;
/** The other nodes hear of the end within this, in ms. */
const shutdownTimeout = 2_000;

/** Runs the command's work with a log and a pool. Throws BadInput, or LoggedFailure where it fails. */
export async function runSession(
  logging: LoggingOptions,
  work: (pool: BufferPool) => Promise<void>,
): Promise<void> {
  configureLogging(logging);
  surviveStrayFaults();
  const pool = new BufferPool();
  const trimming = setInterval(() => pool.trim(performance.now()), trimInterval);
  Deno.unrefTimer(trimming);
  try {
    await work(pool);
  } catch (error) {
    if (error instanceof BadInput || error instanceof LoggedFailure) throw error;
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    log.error("{message}", { event: "failed", message });
    log.debug("{stack}", { event: "failed", stack });
    throw new LoggedFailure(message);
  } finally {
    clearInterval(trimming);
  }
}

/** Waits until all is closed, or the time for it is over. */
export async function closeAll(closing: readonly (Promise<void> | void)[]): Promise<void> {
  await Promise.race([Promise.all(closing), delay(shutdownTimeout)]);
}

/** Prints what a command is run for: nothing else goes to stdout. Throws {@link ReaderGone}. */
export function print(text: string): void {
  let rest = new TextEncoder().encode(`${text}\n`);
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
  } catch (error) {
    throw error instanceof Deno.errors.BrokenPipe ? new ReaderGone() : error;
  }
}

/** A fault in one link is not to end the others. */
function surviveStrayFaults(): void {
  const survive = (event: Event, reason: unknown) => {
    event.preventDefault();
    log.error("unexpected: {reason}", { event: "unexpected", reason });
  };
  globalThis.addEventListener("unhandledrejection", (event) => survive(event, event.reason));
  globalThis.addEventListener("error", (event) => survive(event, event.error));
}

function delay(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
