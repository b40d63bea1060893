/** Which running nodes a command is about. */
import { Option } from "commander";
import { resolve } from "node:path";
import { parsePath } from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import { askStatus } from "../control/control_client.ts";
import type { NodeStatus } from "../control/control_answer.ts";
import { controlDirectory, listNodeSockets } from "../control/control_socket.ts";
import { messageOf } from "../message_of.ts";
import { SpecError } from "../socket/endpoint.ts";

/** A socket at this path, or none. */
export type ControlSocketOption = { readonly path: string } | "none";

/** What commander makes of {@link controlFlags}. */
export interface ControlOptions {
  readonly pid?: number;
  readonly controlSocket?: ControlSocketOption;
}

/** A node that has answered. */
export interface RunningNode {
  readonly path: string;
  readonly status: NodeStatus;
}

/** New ones for each command: it adds their variables to them. */
export function controlFlags(): Option[] {
  return [
    new Option("--pid <pid>", "the node with this process id").argParser(parsePid),
    new Option("--control-socket <path>", "the node that was started with this --control-socket")
      .argParser(parseControlSocket).conflicts("pid"),
  ];
}

/** Reads `--control-socket`. Throws {@link BadInput}. */
export function parseControlSocket(text: string): ControlSocketOption {
  if (text === "none") return "none";
  try {
    return { path: parsePath(resolve(text), 1) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(`--control-socket ${JSON.stringify(text)}: ${error.message}`);
  }
}

/** Where this user's nodes listen unless they are told otherwise. */
export function ownControlDirectory(): string {
  return controlDirectory(Deno.env.get("XDG_RUNTIME_DIR"));
}

/**
 * The nodes that the flags mean, all of this user's where they name none, and why others could not be
 * asked. Throws BadInput, or an Error where there is none.
 */
export async function findNodes(
  { pid, controlSocket }: ControlOptions,
): Promise<{ readonly nodes: readonly RunningNode[]; readonly problems: readonly string[] }> {
  if (controlSocket === "none") throw new BadInput("--control-socket none is no running node");
  const directory = ownControlDirectory();
  const sockets = controlSocket === undefined
    ? listNodeSockets(directory).filter((socket) => pid === undefined || socket.pid === pid)
    : [controlSocket];
  const problems: string[] = [];
  const asked = await Promise.all(sockets.map(async ({ path }) => {
    try {
      const status = await askStatus(path);
      return status && { path, status };
    } catch (error) {
      problems.push(messageOf(error));
      return undefined;
    }
  }));
  const nodes = asked.filter((node) => node !== undefined);
  if (nodes.length > 0) return { nodes, problems };
  const where = controlSocket === undefined ? `in ${directory}` : `at ${controlSocket.path}`;
  const which = pid === undefined ? "no node is running" : `no node with pid ${pid} is running`;
  throw new Error(problems[0] ?? `${which} (looked for a control socket ${where})`);
}

function parsePid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new BadInput(`--pid ${JSON.stringify(text)} is not a process id`);
}
