/**
 * An ingress at an aetherlight server: opens sealed offers, answers those of nodes it accepts, and
 * says nothing to the others, not even that it is there.
 */
import { getLogger } from "@logtape/logtape";
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { type Judge, judgeByCertificate } from "../identity/judge.ts";
import type { NodeIdentity } from "../identity/node_identity.ts";
import type { NodeIdentitySource } from "../identity/node_identity_source.ts";
import { ReplayCache } from "../identity/replay_cache.ts";
import type { Link, LinkFactory, LinkObserver } from "../link/link.ts";
import {
  DescriptionError,
  parseSessionDescription,
  writeSessionDescription,
} from "../link/session_description.ts";
import { IngressWaiter, type WaiterState } from "./aetherlight_client.ts";
import { type EnvelopeType, type OpenedEnvelope, openEnvelope, sealEnvelope } from "./envelope.ts";
import { addCandidates, CandidateBatcher } from "./trickle.ts";

const log = getLogger(["aetherport", "signaling"]);

/** Sessions whose candidates are still taken; the oldest goes first. */
const maxSessionCount = 256;

/** What an ingress needs. */
export interface AetherlightIngressOptions {
  readonly baseUrl: string;
  readonly identities: NodeIdentitySource;
  /** Makes the judge of offers from the identity that is in force. */
  readonly judgeOf: (identity: NodeIdentity) => Judge;
  readonly factory: LinkFactory;
  readonly adopt: (link: Link, observer: LinkObserver) => void;
  /** Whether losing the server, or not reaching it, ends it. */
  readonly exitOnFailure: boolean;
}

interface IngressSession {
  readonly senderKeyId: string;
  readonly link: Link;
}

/** One ingress at one server. */
export class AetherlightIngress {
  readonly #options: AetherlightIngressOptions;
  readonly #waiter: IngressWaiter;
  readonly #replays = new ReplayCache();
  readonly #sessions = new Map<string, IngressSession>();
  /** Sessions that began with a refusal: the rest of them is of no interest. */
  readonly #refused = new Map<string, true>();
  /** Messages are dealt with in the order they came. */
  #work: Promise<void> = Promise.resolve();
  readonly #failed = Promise.withResolvers<string>();
  readonly #waiting = Promise.withResolvers<void>();
  #lastProblem = "";
  #state: WaiterState = { name: "connecting" };

  private constructor(options: AetherlightIngressOptions, identity: NodeIdentity) {
    this.#options = options;
    const publicKey = createPublicKey(createPrivateKey(identity.privateKeyPem));
    this.#waiter = new IngressWaiter({
      baseUrl: options.baseUrl,
      publicKeySpki: new Uint8Array(publicKey.export({ format: "der", type: "spki" })),
      sign: (statement) => Promise.resolve(signWith(identity, statement)),
      onMessage: (sessionId, sealed) => this.#enqueue(sessionId, sealed),
      onState: (state) => this.#report(state),
    });
  }

  /** Throws BadInput where the base URL is none. */
  static async open(options: AetherlightIngressOptions): Promise<AetherlightIngress> {
    return new AetherlightIngress(options, await options.identities.current());
  }

  /** What egress nodes are given. */
  get url(): string {
    return this.#waiter.url;
  }

  /** How it stands with the waiting. */
  get state(): WaiterState {
    return this.#state;
  }

  /** Resolves, with `exitOnFailure`, with the reason why it cannot wait. */
  get failed(): Promise<string> {
    return this.#failed.promise;
  }

  /** Resolves when it waits for the first time. */
  get waiting(): Promise<void> {
    return this.#waiting.promise;
  }

  /** Registers and waits, through losses of the server, until closed. */
  start(): void {
    this.#waiter.start();
  }

  /** Stops waiting. Links are their node's. */
  close(): Promise<void> {
    return this.#waiter.close();
  }

  #enqueue(sessionId: string, sealed: string): void {
    this.#work = this.#work.then(() => this.#handleMessage(sessionId, sealed)).catch(
      (error: unknown) => {
        log.warn("a message of an egress could not be dealt with: {error}", { error });
      },
    );
  }

  async #handleMessage(sessionId: string, sealed: string): Promise<void> {
    if (this.#refused.has(sessionId)) return;
    const identity = await this.#options.identities.current();
    const session = this.#sessions.get(sessionId);
    const verdict = await openEnvelope(sealed, {
      identity,
      direction: "egress-to-ingress",
      sessionId,
      ...(session === undefined ? {} : { senderKeyId: session.senderKeyId }),
      judge: this.#options.judgeOf(identity),
      replayCache: this.#replays,
      now: Date.now(),
    });
    if (!verdict.ok) {
      const { reason } = verdict;
      log.warn("refused a message of an egress: {reason}", { event: "signal-refused", reason });
      if (session === undefined) remember(this.#refused, sessionId, true);
      return;
    }
    const { envelope } = verdict;
    if (envelope.type === "offer" && session === undefined) await this.#answer(envelope, identity);
    else if (envelope.type === "candidates" && session !== undefined) {
      addCandidates(session.link, envelope.body);
    }
  }

  async #answer(envelope: OpenedEnvelope, identity: NodeIdentity): Promise<void> {
    const { sessionId, sender, body } = envelope;
    const reply = this.#replier(envelope, identity);
    const batcher = new CandidateBatcher((batch) => reply("candidates", batch));
    try {
      const offer = parseSessionDescription("offer", typeof body === "string" ? body : "");
      const { answer, link } = await this.#options.factory.acceptOffer(offer, {
        judge: judgeByCertificate(sender),
        onCandidate: (candidate) => batcher.take(candidate),
      });
      remember(this.#sessions, sessionId, { senderKeyId: sender.keyId, link });
      this.#options.adopt(link, {
        handleUp: () => {},
        handleClosed: () => {
          batcher.close();
          this.#sessions.delete(sessionId);
        },
      });
      reply("answer", writeSessionDescription(answer));
      batcher.open();
    } catch (error) {
      if (!(error instanceof DescriptionError)) throw error;
      log.warn("the offer of {name} cannot be used: {problem}", {
        event: "signal-refused",
        name: sender.name,
        problem: error.message,
      });
    }
  }

  /** Seals and posts the replies of one session, numbered from 0. */
  #replier(
    { sessionId, sender }: OpenedEnvelope,
    identity: NodeIdentity,
  ): (type: EnvelopeType, body: unknown) => void {
    let sequence = 0;
    let posted: Promise<void> = Promise.resolve();
    return (type, body) => {
      const content = { sessionId, direction: "ingress-to-egress", type, body } as const;
      const sealed = sealEnvelope({ ...content, sequence: sequence++ }, {
        identity,
        receiver: sender,
        now: Date.now(),
      });
      posted = posted.then(async () => this.#waiter.reply(sessionId, await sealed)).catch(
        (error: unknown) => {
          log.debug("a reply did not reach {name}: {error}", { name: sender.name, error });
        },
      );
    };
  }

  /** Says once that waiting works or why not, instead of every few seconds. */
  #report(state: WaiterState): void {
    this.#state = state;
    if (state.name === "backing-off" && this.#options.exitOnFailure) {
      this.#failed.resolve(`cannot wait at ${this.url}: ${state.error.message}`);
      return;
    }
    if (state.name === "waiting") {
      this.#lastProblem = "";
      this.#waiting.resolve();
      log.info("waiting at {url}", { event: "waiting", url: this.url });
    } else if (state.name === "standing-by") {
      log.warn("another node with this key has taken over at {url}: standing by", {
        event: "standing-by",
        url: this.url,
      });
    } else if (state.name === "backing-off" && state.error.message !== this.#lastProblem) {
      this.#lastProblem = state.error.message;
      log.warn("cannot wait at {url}, trying on: {problem}", {
        event: "signal-lost",
        url: this.url,
        problem: state.error.message,
      });
    }
  }
}

/** Adds to a table of bounded size. */
function remember<Value>(table: Map<string, Value>, sessionId: string, value: Value): void {
  const [oldest] = table.keys();
  if (table.size >= maxSessionCount && oldest !== undefined) table.delete(oldest);
  table.set(sessionId, value);
}

function signWith(
  { privateKeyPem }: NodeIdentity,
  statement: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const key = { key: privateKeyPem, dsaEncoding: "ieee-p1363" } as const;
  return new Uint8Array(sign("sha256", statement, key));
}
