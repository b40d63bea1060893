/** What is wrong with a config file: every problem at once, each with its place. */
import { BadInput } from "../bad_input.ts";

/** One problem. */
export interface ConfigProblem {
  /** From 1; absent where the file as a whole is meant. */
  readonly line?: number;
  /** The key, or `peer[0].forward[1]` within tables and lists; absent where there is none. */
  readonly key?: string;
  /** What is wrong, and what was expected. */
  readonly problem: string;
}

/** A config file that cannot be used. */
export class ConfigError extends BadInput {
  /** One line for each problem, in the order of the file's lines: `file:line: key: problem`. */
  readonly lines: readonly string[];

  constructor(path: string, problems: readonly ConfigProblem[]) {
    const sorted = problems.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0));
    const lines = sorted.map((problem) => describe(path, problem));
    super(lines.join("; "));
    this.lines = lines;
  }
}

function describe(path: string, { line, key, problem }: ConfigProblem): string {
  const place = line === undefined ? path : `${path}:${line}`;
  const text = [place, key, problem].filter((part) => part !== undefined).join(": ");
  return text.replace(/\s*\n\s*/g, " ");
}
