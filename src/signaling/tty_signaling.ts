/**
 * Signaling by hand: offers and answers are printed, and pasted at the other node. One object
 * serves a node for its life: it prints a new offer when a link has died, and takes offers of
 * further nodes at any time.
 */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../message_of.ts";
import type { Judge } from "../identity/judge.ts";
import type { Link, LinkFactory, LinkObserver, LinkOffer, LinkOptions } from "../link/link.ts";
import type { SessionDescription } from "../link/session_description.ts";
import { type PastedItem, PastedTextReader, writePastedText } from "./pasted_text.ts";

const log = getLogger(["aetherport", "signaling"]);

/** After this much silence within a text, its being cut short is said, in ms. */
const incompleteDelay = 500;

const twinReason = "there is another link to the same node";

/** What the exchange needs. */
export interface TtySignalingOptions {
  readonly factory: LinkFactory;
  /** Makes the judge of the other nodes' certificates; without it their texts alone bind links. */
  readonly judge?: () => Promise<Judge | undefined>;
  /** Whether this node prints offers, or only answers. */
  readonly isOffering: boolean;
  /** Whether it all ends with the last link, instead of beginning anew. */
  readonly exitOnFailure: boolean;
  readonly input: AsyncIterable<string>;
  /** Prints an offer or answer. */
  readonly print: (text: string) => void;
  /** Hands a link to the node, which tells how it fares. */
  readonly adopt: (link: Link, observer: LinkObserver) => void;
}

/** The offer that a link came from. */
interface Origin {
  readonly sessionId: string;
  readonly isOwn: boolean;
}

/** The exchange of one node. */
export class TtySignaling {
  readonly #options: TtySignalingOptions;
  readonly #reader = new PastedTextReader();
  /** Links that have not ended, with the offers they came from. */
  readonly #links = new Map<Link, Origin>();
  readonly #ended = Promise.withResolvers<string>();
  #ownOffer: LinkOffer | undefined;
  /** Kept until a link is up: both nodes may have answered each other, and one answer arrives. */
  #withdrawnOffer: LinkOffer | undefined;
  #isInputEnded = false;
  #isClosed = false;
  #incompleteTimer: ReturnType<typeof setTimeout> | undefined;
  /** Inputs and events are dealt with one after another. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: TtySignalingOptions) {
    this.#options = options;
  }

  /** Runs until no further exchange is possible; the reason why. */
  run(): Promise<string> {
    this.#enqueue(() => this.#begin());
    void this.#readInput();
    return this.#ended.promise;
  }

  /** Frees the offer that waits. Links are their node's. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#incompleteTimer);
    this.#ownOffer?.withdraw();
    this.#withdrawnOffer?.withdraw();
  }

  #enqueue(step: () => Promise<void> | void): void {
    this.#work = this.#work.then(step).catch((error: unknown) => {
      this.#ended.resolve(messageOf(error));
    });
  }

  async #readInput(): Promise<void> {
    try {
      for await (const piece of this.#options.input) {
        clearTimeout(this.#incompleteTimer);
        this.#handleItems(this.#reader.push(piece));
        this.#incompleteTimer = setTimeout(() => this.#warnIncomplete(), incompleteDelay);
      }
    } catch (error) {
      log.debug("reading stdin failed: {error}", { error });
    }
    clearTimeout(this.#incompleteTimer);
    this.#handleItems(this.#reader.end());
    this.#enqueue(() => this.#handleInputEnd());
  }

  #handleItems(items: readonly PastedItem[]): void {
    for (const item of items) this.#enqueue(() => this.#handleItem(item));
  }

  #warnIncomplete(): void {
    const item = this.#reader.incomplete();
    if (item !== undefined) this.#handleItems([item]);
  }

  async #begin(): Promise<void> {
    if (this.#options.isOffering) await this.#offer();
    else notice("awaiting-offer", "Paste the other node's offer here and press Enter.");
  }

  async #offer(): Promise<void> {
    this.#ownOffer = await this.#options.factory.createOffer(await this.#linkOptions());
    notice(
      "offer",
      "Paste this offer at the other node, then paste its answer here and press Enter " +
        "(or paste the other node's offer here):",
    );
    this.#options.print(writePastedText(this.#ownOffer.description));
  }

  async #handleItem(item: PastedItem): Promise<void> {
    if (item.kind !== "description") return refuse(item.kind, item.problem);
    const { description } = item;
    try {
      if (description.type === "offer") await this.#answerOffer(description);
      else this.#acceptAnswer(description);
    } catch (error) {
      refuse("wrong", `the ${description.type} cannot be used: ${messageOf(error)}`);
    }
  }

  async #answerOffer(offer: SessionDescription): Promise<void> {
    const own = [this.#ownOffer, this.#withdrawnOffer];
    if (own.some((one) => one?.description.sessionId === offer.sessionId)) {
      return notice("own-offer", "This is this node's own offer: paste it at the other node.");
    }
    const { sessionId } = offer;
    if ([...this.#links.values()].some((origin) => origin.sessionId === sessionId)) {
      return notice("answered", "This offer was answered already: paste the answer above.");
    }
    const { answer, link } = await this.#options.factory.acceptOffer(
      offer,
      await this.#linkOptions(),
    );
    this.#withdrawOwnOffer();
    this.#adopt(link, { sessionId, isOwn: false });
    notice("answer", "Paste this answer at the node that made the offer:");
    this.#options.print(writePastedText(answer));
  }

  async #linkOptions(): Promise<LinkOptions> {
    const judge = await this.#options.judge?.();
    return judge === undefined ? {} : { judge };
  }

  #withdrawOwnOffer(): void {
    if (this.#ownOffer === undefined) return;
    this.#withdrawnOffer?.withdraw();
    this.#withdrawnOffer = this.#ownOffer;
    this.#ownOffer = undefined;
    notice("offer-withdrawn", "The other node's offer is taken; this node's own is withdrawn.");
  }

  #acceptAnswer(answer: SessionDescription): void {
    const isFor = (offer: LinkOffer | undefined) =>
      answer.answers !== undefined && answer.answers === offer?.description.sessionId;
    // Another stack's answer does not say what it answers: then it is the offer that waits.
    if (this.#ownOffer !== undefined && (answer.answers === undefined || isFor(this.#ownOffer))) {
      this.#accept(this.#ownOffer, answer);
      this.#ownOffer = undefined;
    } else if (this.#withdrawnOffer !== undefined && isFor(this.#withdrawnOffer)) {
      this.#accept(this.#withdrawnOffer, answer);
      this.#withdrawnOffer = undefined;
    } else {
      refuse("wrong", "this answers another offer than the one that waits");
    }
  }

  #accept(offer: LinkOffer, answer: SessionDescription): void {
    const link = offer.accept(answer);
    notice("answer-accepted", "The answer is taken; connecting.");
    this.#adopt(link, { sessionId: offer.description.sessionId, isOwn: true });
  }

  #adopt(link: Link, origin: Origin): void {
    this.#links.set(link, origin);
    this.#options.adopt(link, {
      handleUp: () => this.#handleLinkUp(link, origin),
      handleLost: () => this.#enqueue(() => this.#handleLinkLost(origin)),
      handleClosed: (reason) => {
        this.#links.delete(link);
        this.#enqueue(() => this.#handleLinkClosed(link, { reason, origin }));
      },
    });
  }

  /**
   * Where each node answered the other's offer, two links may come up between them. Both nodes keep
   * the one whose offer has the lower session id.
   */
  #handleLinkUp(link: Link, { sessionId, isOwn }: Origin): void {
    this.#withdrawnOffer?.withdraw();
    this.#withdrawnOffer = undefined;
    for (const [other, origin] of this.#links) {
      const isTwin = origin.isOwn !== isOwn && other.peerFingerprint === link.peerFingerprint;
      if (!isTwin) continue;
      const isHigher = BigInt(origin.sessionId) > BigInt(sessionId);
      if (isHigher) other.drain(twinReason);
      else if (other.state === "up") link.drain(twinReason);
    }
  }

  /** The other node may have begun anew, and then needs another offer. */
  async #handleLinkLost({ isOwn }: Origin): Promise<void> {
    const { isOffering, exitOnFailure } = this.#options;
    const isWanted = isOffering && isOwn && !exitOnFailure && !this.#isInputEnded;
    if (isWanted && !this.#isClosed && this.#ownOffer === undefined) await this.#offer();
  }

  async #handleLinkClosed(
    { peerFingerprint }: Link,
    { reason, origin }: { reason: string; origin: Origin },
  ): Promise<void> {
    const rest = [...this.#links.keys()];
    // A twin that was closed is no loss.
    if (this.#isClosed || rest.some((link) => link.peerFingerprint === peerFingerprint)) return;
    const isLast = rest.length === 0;
    if (isLast && this.#options.exitOnFailure) this.#ended.resolve(reason);
    else if (isLast && this.#isInputEnded) this.#ended.resolve(`${reason}, and stdin has ended`);
    else if ((isLast || origin.isOwn) && this.#ownOffer === undefined) await this.#begin();
  }

  #handleInputEnd(): void {
    this.#isInputEnded = true;
    if (this.#links.size === 0) {
      this.#ended.resolve("stdin ended before offer and answer were exchanged");
    }
  }
}

function refuse(kind: string, problem: string): void {
  log.warn("{problem}.", { event: "bad-paste", kind, problem });
}

function notice(event: string, text: string): void {
  log.info(text, { event });
}
