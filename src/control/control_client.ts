/** Asks a running node over its control socket. */
import {
  type ControlAnswer,
  maxAnswerLength,
  type NodeStatus,
  parseControlAnswer,
} from "./control_answer.ts";
import { type ControlRequest, controlVersion } from "./control_request.ts";
import { LineReader, writeLine } from "./line_stream.ts";

/** A node answers within this, in ms. */
const patience = 5_000;

/** A request as a client makes it. */
export type Asking<Request extends ControlRequest = ControlRequest> = Request extends unknown
  ? Omit<Request, "version">
  : never;

/**
 * What the node at the path answers; undefined where no node listens there. Throws an Error where it
 * answers nothing of use.
 */
export async function askNode(path: string, asking: Asking): Promise<ControlAnswer | undefined> {
  const connection = await connectTo(path);
  if (connection === undefined) return undefined;
  let isOverdue = false;
  let isClosed = false;
  const close = () => {
    if (!isClosed) connection.close();
    isClosed = true;
  };
  const timer = setTimeout(() => {
    isOverdue = true;
    close();
  }, patience);
  try {
    // A node that sends its client away has said why before.
    await writeLine(connection, { version: controlVersion, ...asking }).catch(() => {});
    const line = await new LineReader(connection, maxAnswerLength).next();
    const answer = line === undefined ? undefined : parseControlAnswer(line);
    if (answer === undefined) throw new Error("it speaks another protocol, or none");
    return answer;
  } catch (cause) {
    const { message } = isOverdue
      ? new Error(`no answer within ${patience / 1_000} s`)
      : cause as Error;
    throw new Error(`the node at ${path} cannot be asked: ${message}`, { cause });
  } finally {
    clearTimeout(timer);
    close();
  }
}

/** How it stands with the node at the path; undefined where no node listens. Throws as {@link askNode}. */
export async function askStatus(path: string): Promise<NodeStatus | undefined> {
  const answer = await askNode(path, { request: "status" });
  if (answer === undefined) return undefined;
  if (!answer.ok) throw new Error(`the node at ${path} has refused: ${answer.reason}`);
  if ("status" in answer) return answer.status;
  throw new Error(`the node at ${path} has answered something else`);
}

async function connectTo(path: string): Promise<Deno.UnixConn | undefined> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    const isNobody = error instanceof Deno.errors.ConnectionRefused ||
      error instanceof Deno.errors.NotFound;
    if (isNobody) return undefined;
    throw new Error(`cannot connect to ${path}: ${(error as Error).message}`, { cause: error });
  }
}
