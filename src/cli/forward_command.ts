/** `aetherport forward`: the forwards of a running node, while it runs. */
import { Command, Option } from "commander";
import { BadInput } from "../bad_input.ts";
import { type Asking, askNode } from "../control/control_client.ts";
import type { ForwardStatus } from "../control/control_answer.ts";
import { controlVersion } from "../control/control_request.ts";
import { parseForwardName } from "../control/forward_name.ts";
import { parseForwardSpecs } from "../forward/forward_spec.ts";
import { readIngressUrl } from "../signaling/server_url.ts";
import { controlFlags, type ControlOptions } from "./control_flags.ts";
import { findNodes, type RunningNode } from "./running_nodes.ts";
import { describeForwards } from "./describe_status.ts";
import { addFlag, applyEnvironment } from "./environment.ts";
import { print } from "./node_session.ts";
import { requireSubCommand } from "./unknown_command.ts";

interface Flags extends ControlOptions {
  readonly json?: boolean;
  readonly to?: string;
}

const examples = `
Where several nodes are running, --pid says which is meant ("aetherport status" shows them).

Examples:
  aetherport forward add 8080:127.0.0.1:80
  aetherport forward remove 8080
  aetherport forward list`;

/** The command `forward` with its sub-commands. */
export function forwardCommand(): Command {
  const command = new Command("forward")
    .usage("<add|remove|list> [flags]")
    .description("Adds forwards to a running node, removes them and lists them.")
    .addHelpText("after", examples)
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(listCommand());
  requireSubCommand(command);
  // For the help texts alone, which name a command with its parents.
  new Command("aetherport").addCommand(command);
  return command;
}

function addCommand(): Command {
  const command = new Command("add")
    .description("Begins to listen; prints where.")
    .argument("<spec>", "what is forwarded, as --forward takes it: [lhost:]lport:rhost:rport");
  addFlag(command, new Option("--to <ingress url>", "which ingress it goes to, of several"));
  return withNode(command, async (node, spec, { to }) => {
    const request = { request: "add-forward", spec, ...(to === undefined ? {} : { to }) } as const;
    const added = await change(node, request);
    for (const { addresses, target } of added) {
      print(`listening on ${addresses.join(" and ")} for ${target}`);
    }
  }, (spec, { to }) => {
    checkSpec(spec);
    if (to !== undefined) readIngressUrl(to);
  });
}

function removeCommand(): Command {
  const command = new Command("remove")
    .description("Stops listening; connections that are open go on.")
    .argument("<forward>", "the address where it listens, or its spec");
  return withNode(command, async (node, forward) => {
    for (
      const { addresses, target } of await change(node, { request: "remove-forward", forward })
    ) {
      print(`no longer listening on ${addresses.join(" and ")} for ${target}`);
    }
  }, (forward) => void parseForwardName(forward));
}

function listCommand(): Command {
  const command = new Command("list").description("Prints the forwards, and what they carry.");
  addFlag(command, new Option("--json", "print one line of JSON"));
  return withNode(command, ({ status: { forwards } }, _text, { json }) => {
    if (json) return print(JSON.stringify({ version: controlVersion, forwards }));
    print(forwards.length === 0 ? "no forwards" : describeForwards(forwards).join("\n"));
  }, () => {});
}

/** Has the command find its node and do its work; `check` throws {@link BadInput} before. */
function withNode(
  command: Command,
  work: (node: RunningNode, text: string, flags: Flags) => Promise<void> | void,
  check: (text: string, flags: Flags) => void,
): Command {
  for (const option of controlFlags()) addFlag(command, option);
  return command.action(async () => {
    applyEnvironment(command, Deno.env.toObject());
    const [text = ""] = command.args;
    const flags = command.opts<Flags>();
    check(text, flags);
    await work(await findNode(flags), text, flags);
  });
}

/** The one node that is meant; where one does not answer, it may be that one. */
async function findNode(flags: ControlOptions): Promise<RunningNode> {
  const { nodes, problems: [problem] } = await findNodes(flags);
  const [node, other] = nodes;
  if (node !== undefined && other === undefined && problem === undefined) return node;
  const pids = nodes.map(({ status }) => status.pid).join(", ");
  throw new Error(`${problem ?? "several nodes are running"}: say which with --pid, of ${pids}`);
}

async function change(node: RunningNode, asking: Asking): Promise<ForwardStatus[]> {
  const answer = await askNode(node.path, asking);
  if (answer === undefined) throw new Error(`the node with pid ${node.status.pid} has ended`);
  if (!answer.ok) throw new Error(answer.reason);
  if (!("forwards" in answer)) throw new Error("the node has answered something else");
  return answer.forwards;
}

/** Says what is wrong with a spec as it was given here. */
function checkSpec(spec: string): void {
  try {
    parseForwardSpecs(spec);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    throw new BadInput(error.message.replaceAll("--forward ", "forward add "));
  }
}
