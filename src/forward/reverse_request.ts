/** One reverse forward over one link, as the node that asks has it: asked for as long as it is up. */
import { getLogger } from "@logtape/logtape";
import { formatTarget, type StreamTarget } from "../access/target.ts";
import type { Channel, Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import {
  createReverseId,
  listenProtocol,
  parseListenAnswer,
  writeListenRequest,
} from "./reverse_protocol.ts";
import type { ReverseSpec } from "./reverse_spec.ts";

const log = getLogger(["aetherport", "reverse"]);

/** Until it is asked again, in ms: twice as long each time. */
const retryDelay = { first: 1_000, longest: 30_000 } as const;

/** What a request is made with. */
export interface ReverseRequestOptions {
  readonly link: Link;
  /** The other node, as the log names it. */
  readonly peer: string;
  readonly spec: ReverseSpec;
  /** What the link's ids stand for; the request enters its own while it stands. */
  readonly targets: Map<string, StreamTarget>;
}

/** Asks at once, and again whenever it is refused or over, until it is closed. */
export class ReverseRequest {
  readonly #options: ReverseRequestOptions;
  #channel: Channel | undefined;
  #id = "";
  #isClosed = false;
  #retryCount = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #addresses: readonly string[] = [];
  /** The last that was said in the log: it is not said again. */
  #warned = "";

  constructor(options: ReverseRequestOptions) {
    this.#options = options;
    this.#ask();
  }

  /** Where the other node listens; none while it does not. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Why it does not listen; empty where it does, or has not said. */
  get problem(): string {
    return this.#warned;
  }

  /** Gives the address up: the other node listens no longer. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    this.#forget();
  }

  #ask(): void {
    const { link, spec, targets } = this.#options;
    try {
      const label = formatEndpoint(spec.listen);
      const channel = link.openChannel({ label, protocol: listenProtocol });
      this.#channel = channel;
      // What was under way when the channel was closed may still come.
      const isCurrent = () => this.#channel === channel;
      channel.handler = {
        handleBinary: (_bytes, start, end) => {
          channel.consume(end - start);
          if (isCurrent()) this.#fail("it sent bytes where an answer was due");
        },
        handleText: (text) => {
          if (isCurrent()) this.#handleAnswer(text);
        },
        handleWritable: () => {},
        handleClosed: () => {
          if (isCurrent()) this.#retry();
        },
      };
      this.#id = createReverseId();
      targets.set(this.#id, spec.target);
      channel.sendText(writeListenRequest(this.#id));
    } catch (error) {
      this.#fail(messageOf(error));
    }
  }

  #handleAnswer(text: string): void {
    const answer = parseListenAnswer(text);
    if (answer === undefined) return this.#fail("its answer is none");
    if (answer.type === "refused") return this.#fail(answer.reason, answer.code);
    this.#retryCount = 0;
    this.#warned = "";
    this.#addresses = answer.addresses;
    log.info("{peer} listens on {addresses} for {target}", {
      event: "reverse-listening",
      ...this.#properties,
      addresses: answer.addresses.join(" and "),
    });
  }

  #fail(reason: string, code?: string): void {
    if (reason !== this.#warned) {
      log.warn("{peer} does not listen on {address} for {target}: {reason}; asking again", {
        event: "reverse-refused",
        ...this.#properties,
        ...(code === undefined ? {} : { code }),
        reason,
      });
    }
    this.#warned = reason;
    this.#retry();
  }

  #retry(): void {
    this.#forget();
    if (this.#isClosed) return;
    clearTimeout(this.#retryTimer);
    const { first, longest } = retryDelay;
    const delay = Math.min(first * 2 ** this.#retryCount, longest);
    this.#retryCount++;
    this.#retryTimer = setTimeout(() => this.#ask(), delay);
  }

  #forget(): void {
    this.#options.targets.delete(this.#id);
    this.#channel?.close();
    this.#channel = undefined;
    this.#addresses = [];
  }

  get #properties(): { peer: string; address: string; target: string } {
    const { peer, spec } = this.#options;
    return { peer, address: formatEndpoint(spec.listen), target: formatTarget(spec.target) };
  }
}
