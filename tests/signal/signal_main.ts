/** Runs `aetherport signal` by itself, for tests that need it as a process. */
import { BadInput } from "../../src/bad_input.ts";
import { signalCommand } from "../../src/cli/signal_command.ts";

try {
  await signalCommand().parseAsync(Deno.args, { from: "user" });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(error instanceof BadInput ? 2 : 1);
}
Deno.exit(0);
