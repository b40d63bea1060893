/** A run that failed: all that is needed to see it again. */
import type { Instant } from "../../src/sans_io.ts";
import { replayHint } from "./seeds.ts";
import type { Trace } from "./trace.ts";

export interface Failure {
  readonly reason: string;
  readonly seed: number;
  readonly at: Instant;
  readonly trace: Trace;
  readonly cause?: unknown;
}

export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly seed: number;
  readonly at: Instant;

  constructor(failure: Failure) {
    super(writeMessage(failure), { cause: failure.cause });
    this.seed = failure.seed;
    this.at = failure.at;
  }
}

function writeMessage({ reason, seed, at, trace }: Failure): string {
  const lines = trace.lines();
  return [
    `At ${at.toFixed(3)} ms of virtual time, seed=${seed}: ${reason}`,
    replayHint(seed),
    `The last ${lines.length} of ${trace.count} things that happened:`,
    ...lines,
  ].join("\n");
}
