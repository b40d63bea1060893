/** Listening for other nodes: who asks is judged, and what comes goes back over the link it asked on. */
import { getLogger } from "@logtape/logtape";
import type { Access, AccessPeer, RefusedRequest, Verdict } from "../access/access.ts";
import { Budget } from "../budget.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Channel, Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";
import { type Endpoint, SpecError } from "../socket/endpoint.ts";
import { type RefusalCode, writeControlMessage } from "../tunnel/control_message.ts";
import { ListenGrant } from "./listen_grant.ts";
import { parseListenLabel, parseListenRequest, writeListening } from "./reverse_protocol.ts";
import { serveReversed } from "./reversed_connection.ts";
import { TcpForward } from "./tcp_forward.ts";

const log = getLogger(["aetherport", "reverse"]);

/** Addresses that this node listens on for one link. */
const maxListeningCount = 64;
/** Connections that no target has taken yet, of all links together; further ones are reset. */
const maxWaiterCount = 1_024;
/** How long the other node has to close a channel that was refused, in ms. */
const releaseTimeout = 10_000;

/** Whose request it is. */
export interface ReverseClient {
  readonly link: Link;
  readonly peer: AccessPeer;
}

/** A listener, and whose it is. */
export interface Listening {
  /** The node that it was opened for, as the log names it. */
  readonly peer: string;
  readonly addresses: readonly string[];
  /** The name of the rule that allows it; empty where rules have none. */
  readonly rule: string;
}

/** Listens for all peers of one node. */
export class ReverseServer {
  readonly #access: Access;
  readonly #pool: BufferPool;
  /** Of each link, what it has asked for. */
  readonly #requests = new Map<Link, Set<ListenRequest>>();
  readonly #waiters = new Budget(maxWaiterCount);

  constructor({ access, pool }: { readonly access: Access; readonly pool: BufferPool }) {
    this.#access = access;
    this.#pool = pool;
  }

  /** Serves one channel for as long as it is open. */
  serve(channel: Channel, { link, peer }: ReverseClient): void {
    const requests = this.#requests.get(link) ?? new Set();
    const request = new ListenRequest(channel, {
      peer: peer.name,
      admit: (end) =>
        this.#admit(channel.label, { link, peer, count: listeningCount(requests), end }),
      judge: (address) => this.#access.judge({ peer, wanted: { kind: "listen", ...address } }),
      onConnection: (connection, { id, grant }) =>
        void serveReversed(connection, {
          ...{ link, id, grant, peer: peer.name, pool: this.#pool, waiters: this.#waiters },
          address: channel.label,
        }),
      onClosed: () => {
        requests.delete(request);
        if (requests.size === 0) this.#requests.delete(link);
      },
    });
    requests.add(request);
    this.#requests.set(link, requests);
  }

  /** All that is listened on. */
  listening(): Listening[] {
    return [...this.#requests.values()].flatMap((requests) =>
      [...requests].flatMap(({ listening }) => listening ?? [])
    );
  }

  /** Other rules hold: what they do not allow is listened on no longer; connections go on. */
  judgeAgain(): void {
    for (const requests of [...this.#requests.values()]) {
      for (const request of [...requests]) request.judgeAgain();
    }
  }

  /** Listens no longer for a link; connections that are under way go on. */
  release(link: Link): void {
    for (const request of this.#requests.get(link) ?? []) request.close();
  }

  /** Listens for nobody any more. */
  close(): void {
    for (const link of [...this.#requests.keys()]) this.release(link);
  }

  #admit(
    label: string,
    { link, peer, count, end }: ReverseClient & {
      readonly count: number;
      readonly end: (reason: string) => void;
    },
  ): Refusal | Admitted {
    const address = readAddress(label);
    if ("problem" in address) {
      const { problem: reason } = address;
      return this.#refuse("malformed", { peer, asked: `listen:${label}`, reason });
    }
    const wanted = { kind: "listen", ...address } as const;
    const obstacle = obstacleOf(link, count);
    if (obstacle !== undefined) {
      return this.#refuse("exhausted", { peer, asked: wanted, reason: obstacle });
    }
    const admission = this.#access.admit({ peer, wanted, addresses: [], end });
    if (!admission.isAllowed) return { code: "denied", reason: admission.reason };
    return { address, grant: new ListenGrant(admission.grant) };
  }

  #refuse(code: RefusalCode, refused: RefusedRequest): Refusal {
    this.#access.handleRefused(refused);
    return { code, reason: refused.reason };
  }
}

function readAddress(label: string): Endpoint | { readonly problem: string } {
  try {
    return parseListenLabel(label);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return { problem: error.message };
  }
}

/** Why a link may have no further listener now; undefined where it may. */
function obstacleOf(link: Link, count: number): string | undefined {
  if (link.state === "draining") return "this link is ending";
  if (count < maxListeningCount) return undefined;
  return `a link may have ${maxListeningCount} listeners at most`;
}

function listeningCount(requests: ReadonlySet<ListenRequest>): number {
  return [...requests].filter(({ isListening }) => isListening).length;
}

interface Refusal {
  readonly code: RefusalCode;
  readonly reason: string;
}

/** What may be listened on. */
interface Admitted {
  readonly address: Endpoint;
  readonly grant: ListenGrant;
}

interface ListenRequestOptions {
  readonly peer: string;
  /** Admits it, until the reason for its end is told; or refuses. */
  readonly admit: (end: (reason: string) => void) => Refusal | Admitted;
  /** Whether an address may still be listened on. */
  readonly judge: (address: Endpoint) => Verdict;
  readonly onConnection: (
    connection: Connection,
    by: { readonly id: string; readonly grant: ListenGrant },
  ) => void;
  readonly onClosed: () => void;
}

/** One channel of a node that asks, and the listener that it got. */
class ListenRequest {
  readonly #channel: Channel;
  readonly #options: ListenRequestOptions;
  #forward: TcpForward | undefined;
  /** What was asked for, where it is listened on. */
  #address: Endpoint | undefined;
  /** What it was admitted with; it outlives the listener for as long as connections do. */
  #grant: ListenGrant | undefined;
  #isAnswered = false;
  #isClosed = false;
  #releaseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: Channel, options: ListenRequestOptions) {
    this.#channel = channel;
    this.#options = options;
    channel.handler = {
      handleBinary: (_bytes, start, end) => {
        channel.consume(end - start);
        this.close();
      },
      handleText: (text) => this.#handleRequest(text),
      handleWritable: () => {},
      handleClosed: () => this.close(),
    };
  }

  /** Whether it got its listener. */
  get isListening(): boolean {
    return this.#forward !== undefined;
  }

  /** The listener; undefined where it got none. */
  get listening(): Listening | undefined {
    if (this.#forward === undefined || this.#grant === undefined) return undefined;
    const { addresses } = this.#forward;
    return { peer: this.#options.peer, addresses, rule: this.#grant.rule };
  }

  /** Listens no longer, and closes the channel. A second call does nothing. */
  close(how = "finished"): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#releaseTimer);
    this.#channel.close();
    if (this.#forward !== undefined) {
      this.#forward.close();
      const { addresses } = this.#forward;
      this.#log("no longer listening on {addresses} for {peer}", "reverse-closed", addresses);
    }
    this.#grant?.release(how);
    this.#options.onClosed();
  }

  /** Listens no longer where that is no longer allowed; what came by it goes on. */
  judgeAgain(): void {
    if (this.#address === undefined) return;
    const verdict = this.#options.judge(this.#address);
    if (!verdict.isAllowed) this.#withdraw(`no longer allowed: ${verdict.reason}`);
  }

  /** It is no longer allowed, and neither is what came by it. */
  #end(reason: string): void {
    this.#grant?.end(reason);
    this.#withdraw(reason);
  }

  #withdraw(reason: string): void {
    if (this.#isClosed) return;
    this.#refuse({ code: "denied", reason });
    this.close(reason);
  }

  #handleRequest(text: string): void {
    // What was under way when the channel was closed may still come.
    if (this.#isClosed) return;
    const id = parseListenRequest(text);
    // A second request, or what is none, is a fault.
    if (this.#isAnswered || id === undefined) return this.close();
    this.#isAnswered = true;
    const refusal = this.#listen(id);
    if (refusal !== undefined) this.#refuse(refusal);
  }

  #listen(id: string): Refusal | undefined {
    const { admit, onConnection } = this.#options;
    const admitted = admit((reason) => this.#end(reason));
    if ("code" in admitted) return admitted;
    const { address, grant } = admitted;
    this.#grant = grant;
    try {
      this.#forward = new TcpForward(
        address,
        (connection) => onConnection(connection, { id, grant }),
      );
      this.#address = address;
      const { addresses } = this.#forward;
      grant.handleBound(addresses);
      this.#log("listening on {addresses} for {peer}", "reverse-bound", addresses);
      this.#channel.sendText(writeListening(addresses));
      return undefined;
    } catch (error) {
      const reason = messageOf(error);
      grant.release(reason);
      return { code: "unreachable", reason };
    }
  }

  /** The other node closes the channel, as that of any stream that is refused. */
  #refuse({ code, reason }: Refusal): void {
    log.warn("refused to listen on {address} for {peer}: {reason}", {
      event: "refused",
      address: JSON.stringify(this.#channel.label.slice(0, 64)),
      peer: this.#options.peer,
      code,
      reason,
    });
    this.#channel.sendText(writeControlMessage({ type: "refused", code, reason }));
    this.#releaseTimer = setTimeout(() => this.close(), releaseTimeout);
  }

  #log(text: string, event: string, addresses: readonly string[]): void {
    log.info(text, { event, addresses: addresses.join(" and "), peer: this.#options.peer });
  }
}
