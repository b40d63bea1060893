/**
 * An egress at an aetherlight server: calls one ingress, makes a link with it, and makes a new one
 * whenever that has ended, until closed.
 */
import { getLogger } from "@logtape/logtape";
import { BadInput } from "../bad_input.ts";
import { type Judge, judgeByCertificate } from "../identity/judge.ts";
import type { NodeIdentity } from "../identity/node_identity.ts";
import type { NodeIdentitySource } from "../identity/node_identity_source.ts";
import type { Peer } from "../identity/verify.ts";
import { ReplayCache } from "../identity/replay_cache.ts";
import type { Link, LinkFactory, LinkObserver, LinkOffer } from "../link/link.ts";
import {
  parseSessionDescription,
  type SessionDescription,
  writeSessionDescription,
} from "../link/session_description.ts";
import { messageOf } from "../message_of.ts";
import { backoffDelay, pause } from "./aetherlight_backoff.ts";
import { AetherlightError, type EgressSession, openEgressSession } from "./aetherlight_client.ts";
import {
  type EnvelopeType,
  type OpenedEnvelope,
  openEnvelope,
  prepareSealing,
  sealEnvelope,
} from "./envelope.ts";
import { addCandidates, CandidateBatcher } from "./trickle.ts";

const log = getLogger(["aetherport", "signaling"]);

/** How long an ingress may take to answer, in ms. */
const answerTimeout = 15_000;
/** A link that was up so long was a good one: the next is tried at once, in ms. */
const stableDuration = 10_000;

/** What an egress needs. */
export interface AetherlightEgressOptions {
  readonly ingressUrl: string;
  readonly identities: NodeIdentitySource;
  /** Makes the judge of the ingress from its key id and the identity that is in force. */
  readonly judgeOf: (identity: NodeIdentity, ingressId: string) => Judge;
  readonly factory: LinkFactory;
  readonly adopt: (link: Link, observer: LinkObserver) => void;
  /** Whether the first failure ends it. */
  readonly exitOnFailure: boolean;
}

/** One egress calling one ingress. */
export class AetherlightEgress {
  readonly #options: AetherlightEgressOptions;
  readonly #closed = new AbortController();
  readonly #replays = new ReplayCache();
  /** The latest link that came up. */
  #use: LinkUse | undefined;
  /** The ingress's key, once it was found to be the one that the URL names. */
  #publicKeySpki: Uint8Array<ArrayBuffer> | undefined;
  /** No call was in vain since the last link. */
  #isHopeful = true;
  #lastProblem = "";

  constructor(options: AetherlightEgressOptions) {
    this.#options = options;
  }

  /**
   * Calls until closed. Throws BadInput where the ingress URL is none, and, with `exitOnFailure`,
   * what went wrong first.
   */
  async run(): Promise<void> {
    const { signal } = this.#closed;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const begun = Date.now();
      let wish = 0;
      try {
        const { reason, isEnded } =
          await (this.#use?.isServing === true ? this.#use.untilLost() : this.#linkOnce());
        if (this.#options.exitOnFailure) throw new Error(reason);
        if (Date.now() - begun > stableDuration) attempt = -1;
        // The seconds of silence were wait enough.
        if (!isEnded) continue;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof BadInput || this.#options.exitOnFailure) throw error;
        this.#report(error);
        if (error instanceof AetherlightError) wish = error.retryAfterMilliseconds ?? 0;
      }
      await pause(Math.max(backoffDelay(Math.max(attempt, 0)), wish), signal).catch(() => {});
    }
  }

  /** Stops calling. Links are their node's. */
  close(): void {
    this.#closed.abort(new Error("the calling was closed"));
  }

  /** Makes one link and waits until another is wanted; the reason. Throws where none came up. */
  async #linkOnce(): Promise<LinkLoss> {
    const { identities, ingressUrl } = this.#options;
    log.debug("calling {ingressUrl}", { event: "calling", ingressUrl });
    const identity = await identities.current();
    const call = new Call();
    const isHopeful = this.#isHopeful;
    this.#isHopeful = false;
    // After a call in vain, STUN and TURN servers are left alone until the ingress is there.
    let offering = isHopeful ? this.#createOffer(call) : undefined;
    try {
      const session = await this.#openSession({ identity, call, isHopeful });
      offering ??= this.#createOffer(call);
      return await this.#linkOver({ session, identity, call, offering });
    } finally {
      call.close();
      void offering?.then((offer) => offer.withdraw(), () => {});
    }
  }

  #createOffer(call: Call): Promise<LinkOffer> {
    // Who answers is known, and judged, before DTLS begins.
    const judge: Judge = (chain, now) =>
      call.answerer === undefined
        ? { ok: false, reason: "nobody has answered" }
        : judgeByCertificate(call.answerer)(chain, now);
    const offering = this.#options.factory.createOffer({
      judge,
      onCandidate: (candidate) => call.candidates.take(candidate),
    });
    // Whoever awaits it hears of a failure; nobody does while the session is opened.
    offering.catch(() => {});
    return offering;
  }

  async #openSession(
    { identity, call, isHopeful }: {
      identity: NodeIdentity;
      call: Call;
      isHopeful: boolean;
    },
  ): Promise<EgressSession> {
    // While the server is asked for the key; that it works is found when it is used.
    if (this.#publicKeySpki === undefined) void prepareSealing(identity).catch(() => {});
    const session: EgressSession = await openEgressSession({
      ingressUrl: this.#options.ingressUrl,
      // An ingress that may be gone is asked for, which costs a server less than an offer.
      ...(isHopeful && this.#publicKeySpki && { publicKeySpki: this.#publicKeySpki }),
      signal: this.#closed.signal,
      onReply: (sealed) =>
        call.enqueue(() => this.#handleReply({ sealed, session, identity, call })),
      onEnd: (error) => call.fail(error),
    });
    this.#publicKeySpki = session.publicKeySpki;
    return session;
  }

  async #linkOver(
    { session, identity, call, offering }: {
      session: EgressSession;
      identity: NodeIdentity;
      call: Call;
      offering: Promise<LinkOffer>;
    },
  ): Promise<LinkLoss> {
    try {
      const offer = await offering;
      call.begin(poster(session, identity), offer.description);
      const { body } = await call.answered;
      const answer = parseSessionDescription("answer", typeof body === "string" ? body : "");
      call.link = offer.accept(answer);
      return await this.#useLink(call.link, () => {
        call.close();
        void session.close();
      });
    } finally {
      void session.close();
    }
  }

  /** Hands the link to the node; resolves with the reason when another is wanted. */
  #useLink(link: Link, endSignaling: () => void): Promise<LinkLoss> {
    const use = new LinkUse();
    const { exitOnFailure, adopt } = this.#options;
    adopt(link, {
      handleUp: () => {
        this.#lastProblem = "";
        this.#isHopeful = true;
        this.#use = use;
        endSignaling();
      },
      // With `exitOnFailure`, a link's end is the end of all: it is waited for.
      handleLost: () => {
        if (!exitOnFailure) use.lose();
      },
      handleFound: () => use.find(),
      handleClosed: (reason) => use.end(reason),
    });
    return use.untilLost();
  }

  async #handleReply(
    { sealed, session, identity, call }: {
      sealed: string;
      session: EgressSession;
      identity: NodeIdentity;
      call: Call;
    },
  ): Promise<void> {
    const verdict = await openEnvelope(sealed, {
      identity,
      direction: "ingress-to-egress",
      sessionId: session.id,
      senderKeyId: session.ingressId,
      judge: this.#options.judgeOf(identity, session.ingressId),
      replayCache: this.#replays,
      now: Date.now(),
    });
    if (!verdict.ok) {
      const { reason } = verdict;
      log.warn("refused a reply: {reason}", { event: "signal-refused", reason });
    } else if (verdict.envelope.type === "answer") {
      call.answer(verdict.envelope);
    } else if (verdict.envelope.type === "candidates" && call.link !== undefined) {
      addCandidates(call.link, verdict.envelope.body);
    }
  }

  /** Says a problem once, however often it is met again. */
  #report(error: unknown): void {
    const problem = messageOf(error);
    const { ingressUrl } = this.#options;
    const properties = { event: "call-failed", ingressUrl, problem };
    if (problem === this.#lastProblem) log.debug("still no link: {problem}", properties);
    else log.warn("no link to {ingressUrl} yet, trying on: {problem}", properties);
    this.#lastProblem = problem;
  }
}

/** Why another link is wanted. */
interface LinkLoss {
  readonly reason: string;
  /** Whether the link is over, rather than silent. */
  readonly isEnded: boolean;
}

/** A link that a call has made, for as long as it serves. */
class LinkUse {
  #isEnded = false;
  #isServing = true;
  #lost = Promise.withResolvers<LinkLoss>();

  /** Whether no other link is wanted. */
  get isServing(): boolean {
    return this.#isServing;
  }

  /** Resolves when another link is wanted. */
  untilLost(): Promise<LinkLoss> {
    return this.#lost.promise;
  }

  /** The other node is not heard. */
  lose(): void {
    this.#settle({ reason: "the other node is not heard", isEnded: false });
  }

  /** It is heard again. */
  find(): void {
    if (this.#isServing || this.#isEnded) return;
    this.#isServing = true;
    this.#lost = Promise.withResolvers();
  }

  end(reason: string): void {
    this.#isEnded = true;
    this.#settle({ reason, isEnded: true });
  }

  #settle(loss: LinkLoss): void {
    this.#isServing = false;
    this.#lost.resolve(loss);
  }
}

type Post = (type: EnvelopeType, body: unknown) => Promise<void>;

/** What is waited for in one call. */
class Call {
  /** The answer. Rejects where none comes in time. */
  readonly answered: Promise<OpenedEnvelope>;
  link: Link | undefined;
  /** Takes what is found beside the offer. */
  readonly candidates = new CandidateBatcher((batch) =>
    void this.#post?.("candidates", batch).catch(() => {})
  );
  /** Who signed the answer. */
  answerer: Peer | undefined;
  readonly #answered = Promise.withResolvers<OpenedEnvelope>();
  #post: Post | undefined;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor() {
    this.answered = this.#answered.promise;
    // Whoever awaits the answer hears of a failure; before that nobody may be listening.
    this.answered.catch(() => {});
  }

  /** Posts the offer. The answer may be here before the server has confirmed that. */
  begin(post: Post, description: SessionDescription): void {
    this.#post = post;
    post("offer", writeSessionDescription(this.candidates.complete(description))).then(
      () => this.#expectAnswer(),
      (error: unknown) => this.fail(error),
    );
  }

  /** The offer was posted: candidates may follow, and from now on the answer is due. */
  #expectAnswer(): void {
    if (this.#isOver) return;
    this.candidates.open();
    if (this.answerer !== undefined) return;
    const problem =
      `no answer within ${answerTimeout / 1000} s: the ingress is gone, or does not ` +
      "accept this node (its log says why)";
    this.#timer = setTimeout(() => this.fail(new Error(problem)), answerTimeout);
  }

  /** Replies are dealt with in the order they came. */
  enqueue(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch((error: unknown) => this.fail(error));
  }

  answer(envelope: OpenedEnvelope): void {
    this.answerer ??= envelope.sender;
    clearTimeout(this.#timer);
    this.#answered.resolve(envelope);
  }

  fail(error: unknown): void {
    this.#answered.reject(error);
  }

  /** Nothing of it is sent any more. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.candidates.close();
  }
}

/** Seals and posts the messages of one session, numbered from 0, in their order. */
function poster(
  session: EgressSession,
  identity: NodeIdentity,
): Post {
  const receiver = { keyId: session.ingressId, publicKey: session.publicKeySpki };
  let sequence = 0;
  let posted: Promise<void> = Promise.resolve();
  return (type, body) => {
    const content = { sessionId: session.id, direction: "egress-to-ingress", type, body } as const;
    const sealed = sealEnvelope({ ...content, sequence: sequence++ }, {
      identity,
      receiver,
      now: Date.now(),
    });
    const post = posted.then(async () => session.post(await sealed));
    posted = post.catch(() => {});
    return post;
  };
}
