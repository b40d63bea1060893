/** The program as one process that ends by itself. */
import { programCommand } from "../../demo/node_process.ts";

/** How the program ended, and what it wrote. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program to its end, without input; behind a command that runs it, where one is given. */
export async function runProgram(
  args: readonly string[],
  env: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Promise<Result> {
  const [program = "", ...first] = [...wrapper, ...programCommand];
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...first, ...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
