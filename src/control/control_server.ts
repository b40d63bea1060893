/** A node's control socket: takes requests, one at a time from each client, and has them answered. */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../message_of.ts";
import { AcceptPause } from "../socket/accept_pause.ts";
import { type ControlAnswer, refusal } from "./control_answer.ts";
import { type ControlRequest, maxRequestLength, parseControlRequest } from "./control_request.ts";
import { listenPrivately, lookAt, removeSocket } from "./control_socket.ts";
import { LineError, LineReader, writeLine } from "./line_stream.ts";

const log = getLogger(["aetherport", "control"]);

/** Clients at once; further ones are told so, and sent away. */
const maxClientCount = 16;
/** A client has so long to ask, and to take its answer, in ms. */
const patience = 10_000;

/** Does what was asked. What it throws is the reason why it could not. */
export type AnswerRequest = (request: ControlRequest) => Promise<ControlAnswer> | ControlAnswer;

/** One control socket. */
export class ControlServer {
  readonly path: string;
  readonly #listener: Deno.UnixListener;
  readonly #inode: number | null;
  readonly #answer: AnswerRequest;
  readonly #clients = new Set<Deno.Conn>();
  #isClosed = false;

  private constructor(path: string, listener: Deno.UnixListener, answer: AnswerRequest) {
    this.path = path;
    this.#listener = listener;
    this.#inode = lookAt(path)?.ino ?? null;
    this.#answer = answer;
    // For an end that waits for nothing.
    globalThis.addEventListener("unload", this.#remove);
    void this.#acceptAll();
  }

  /** Listens at the path, for this user alone. Throws an Error where that cannot be. */
  static async open(path: string, answer: AnswerRequest): Promise<ControlServer> {
    return new ControlServer(path, await listenPrivately(path), answer);
  }

  /** Sends its clients away, and removes the socket. A second call does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#remove();
    globalThis.removeEventListener("unload", this.#remove);
    this.#listener.close();
    for (const client of this.#clients) this.#end(client);
  }

  readonly #remove = (): void => removeSocket(this.path, this.#inode);

  async #acceptAll(): Promise<void> {
    const pause = new AcceptPause();
    while (!this.#isClosed) {
      try {
        this.#take(await this.#listener.accept());
        pause.end();
      } catch (error) {
        if (this.#isClosed) return;
        const length = pause.begin(this.path, error);
        await new Promise((resolve) => setTimeout(resolve, length));
      }
    }
  }

  #take(client: Deno.Conn): void {
    const isBusy = this.#clients.size >= maxClientCount;
    if (isBusy) {
      // A socket that nothing was written to takes so short a line at once.
      const reason = `${maxClientCount} clients are connected already`;
      writeLine(client, refusal("busy", reason)).catch(() => {}).finally(() => client.close());
      return;
    }
    this.#clients.add(client);
    this.#serve(client).catch((error) => {
      log.debug("a client of the control socket has gone: {error}", { error });
    }).finally(() => this.#end(client));
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const lines = new LineReader(client, maxRequestLength);
    while (!this.#isClosed) {
      const timer = setTimeout(() => this.#end(client), patience);
      try {
        if (!await this.#serveOne(client, lines)) return;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /** False where that was the last. */
  async #serveOne(client: Deno.Conn, lines: LineReader): Promise<boolean> {
    let line: string | undefined;
    try {
      line = await lines.next();
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      await writeLine(client, refusal("bad-request", error.message));
      return false;
    }
    if (line === undefined) return false;
    const request = parseControlRequest(line);
    if ("problem" in request) {
      await writeLine(client, refusal("bad-request", request.problem));
      return true;
    }
    await writeLine(client, await this.#answerOrRefuse(request));
    return true;
  }

  async #answerOrRefuse(request: ControlRequest): Promise<ControlAnswer> {
    try {
      return await this.#answer(request);
    } catch (error) {
      return refusal("failed", messageOf(error));
    }
  }

  #end(client: Deno.Conn): void {
    if (this.#clients.delete(client)) client.close();
  }
}
