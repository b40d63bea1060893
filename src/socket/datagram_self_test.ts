/** Whether datagram sockets work here, found out on loopback. */
import { messageOf } from "../message_of.ts";
import type { DatagramHandler, DatagramSocket, DatagramSockets } from "./datagram.ts";

/** Loopback delivers within a millisecond; a busy machine may need more. */
const timeLimit = 1_000;

const segmentLength = 100;
/** Three whole segments and a short one. */
const totalLength = 3 * segmentLength + 50;

/** What the test has found. */
export interface SelfTestOutcome {
  /** Why the sockets cannot be used; undefined where they can. */
  readonly problem?: string;
  /** Whether what was sent as a batch came as a batch. */
  readonly isBatched: boolean;
}

/** Sends a batch from one socket to another, and compares what comes. Never throws. */
export async function testDatagramSockets(sockets: DatagramSockets): Promise<SelfTestOutcome> {
  const collector = new Collector();
  const open: DatagramSocket[] = [];
  try {
    const bind = { address: "127.0.0.1", handler: collector };
    const receiver = await sockets.bind(bind);
    open.push(receiver);
    const sender = await sockets.bind(bind);
    open.push(sender);
    const bytes = Uint8Array.from({ length: totalLength }, (_, at) => at % 251);
    const outcome = sender.send(bytes, 0, totalLength, segmentLength, receiver.local);
    if (outcome !== "sent") return failed(`a batch is ${outcome}`);
    const problem = await collector.result(bytes, sender.local.port);
    return problem === undefined ? { isBatched: collector.isBatched } : failed(problem);
  } catch (error) {
    return failed(messageOf(error));
  } finally {
    await Promise.all(open.map((socket) => socket.close()));
  }
}

function failed(problem: string): SelfTestOutcome {
  return { problem, isBatched: false };
}

/** Takes what comes until it is enough. */
class Collector implements DatagramHandler {
  readonly #done = Promise.withResolvers<string | undefined>();
  readonly #received = new Uint8Array(totalLength);
  #length = 0;
  #sourcePort = 0;
  isBatched = false;

  handleDatagrams(...[bytes, start, end, length, source]: HandleDatagrams): void {
    if (this.#length + end - start > totalLength || length !== expectedLength(end - start)) {
      return this.#done.resolve("what came is not what was sent");
    }
    this.isBatched ||= end - start > length;
    this.#received.set(bytes.subarray(start, end), this.#length);
    this.#length += end - start;
    this.#sourcePort = source.port;
    if (this.#length === totalLength) this.#done.resolve(undefined);
  }

  handleDrained(): void {}

  handleFailed(reason: string): void {
    this.#done.resolve(reason);
  }

  /** What is wrong, when all has come or the time is over. */
  async result(expected: Uint8Array, sourcePort: number): Promise<string | undefined> {
    const timer = setTimeout(() => this.#done.resolve("nothing comes"), timeLimit);
    const problem = await this.#done.promise;
    clearTimeout(timer);
    if (problem !== undefined) return problem;
    const isSame = this.#received.every((byte, at) => byte === expected[at]) &&
      sourcePort === this.#sourcePort;
    return isSame ? undefined : "what came is not what was sent";
  }
}

type HandleDatagrams = Parameters<DatagramHandler["handleDatagrams"]>;

/** The segment length that goes with a run of so many bytes. */
function expectedLength(length: number): number {
  return Math.min(length, segmentLength);
}
