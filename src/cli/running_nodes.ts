/** The running nodes that a command is about, asked. */
import { BadInput } from "../bad_input.ts";
import type { NodeStatus } from "../control/control_answer.ts";
import { askStatus } from "../control/control_client.ts";
import { listNodeSockets } from "../control/control_socket.ts";
import { messageOf } from "../message_of.ts";
import { type ControlOptions, ownControlDirectory } from "./control_flags.ts";

/** A node that has answered. */
export interface RunningNode {
  readonly path: string;
  readonly status: NodeStatus;
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
