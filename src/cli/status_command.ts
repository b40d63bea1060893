/** `aetherport status`: how it stands with the running nodes of this user. */
import { Command, Option } from "commander";
import { controlVersion } from "../control/control_request.ts";
import { controlFlags, type ControlOptions } from "./control_flags.ts";
import { findNodes } from "./running_nodes.ts";
import { describeStatus } from "./describe_status.ts";
import { addFlag, applyEnvironment } from "./environment.ts";
import { print } from "./node_session.ts";

const examples = `
Ends with 1 where no node is running.

Examples:
  # all running nodes of this user
  aetherport status

  # for scripts: the links that are up
  aetherport status --json | jq '.nodes[].links[] | select(.state == "up") | .peer'`;

/** The command `status`. */
export function statusCommand(): Command {
  const command = new Command("status")
    .usage("[flags]")
    .description("Shows the running nodes of this user: links, traffic, forwards, certificates.")
    .addHelpText("after", examples);
  addFlag(command, new Option("--json", "print one line of JSON"));
  for (const option of controlFlags()) addFlag(command, option);
  // For the help text alone, which names a command with its parents.
  new Command("aetherport").addCommand(command);
  return command.action(async () => {
    applyEnvironment(command, Deno.env.toObject());
    await showStatus(command.opts());
  });
}

async function showStatus(options: ControlOptions & { readonly json?: boolean }): Promise<void> {
  const { nodes, problems } = await findNodes(options);
  for (const problem of problems) console.error(`aetherport: ${problem}`);
  const statuses = nodes.map(({ status }) => status);
  if (options.json) return print(JSON.stringify({ version: controlVersion, nodes: statuses }));
  print(statuses.map((status) => describeStatus(status, Date.now())).join("\n\n\n"));
}
