/** Factories whose links find each other by their session ids, in memory. */
import type { Link, LinkFactory, LinkOffer } from "../../src/link/link.ts";
import type { SessionDescription } from "../../src/link/session_description.ts";
import { FakeLink } from "./link_pair.ts";
import { sampleDescription } from "./sample_description.ts";

/** What all factories of one test share. */
export class FakeExchange {
  readonly #answerers = new Map<string, FakeLink>();
  readonly #joined: FakeLink[] = [];

  /** Adds the link behind an answer. */
  add(answer: SessionDescription, link: FakeLink): void {
    this.#answerers.set(answer.sessionId, link);
  }

  /** Joins the offerer's link with that of the answer. */
  join(answer: SessionDescription, offerer: FakeLink): void {
    const answerer = this.#answerers.get(answer.sessionId);
    if (answerer === undefined) throw new Error("nobody gave this answer");
    offerer.join(answerer);
    answerer.join(offerer);
    this.#joined.push(offerer, answerer);
  }

  /** Brings all links up whose two ends are alive. */
  connect(): void {
    for (const link of this.#joined) {
      if (link.other?.state !== "closed") link.goUp();
    }
  }
}

/** The factory of one node. */
export class FakeLinkFactory implements LinkFactory {
  /** The session ids of offers that were withdrawn. */
  readonly withdrawn: string[] = [];
  /** All links it has made. */
  readonly links: FakeLink[] = [];
  /** Thrown by the next `acceptOffer`. */
  acceptOfferError: Error | undefined;
  readonly #exchange: FakeExchange;
  readonly #fingerprint: string;
  #nextSessionId: number;

  /** Its offers and answers have the session ids from `firstSessionId` on. */
  constructor(exchange: FakeExchange, { firstSessionId }: { firstSessionId: number }) {
    this.#exchange = exchange;
    this.#nextSessionId = firstSessionId;
    const byte = (firstSessionId % 256).toString(16).toUpperCase().padStart(2, "0");
    this.#fingerprint = Array(32).fill(byte).join(":");
  }

  createOffer(): Promise<LinkOffer> {
    const description = this.#describe({ type: "offer", setup: "actpass" });
    return Promise.resolve({
      description,
      accept: (answer: SessionDescription) => {
        const link = this.#newLink(answer);
        this.#exchange.join(answer, link);
        return link;
      },
      withdraw: () => void this.withdrawn.push(description.sessionId),
    });
  }

  acceptOffer(offer: SessionDescription): Promise<{ answer: SessionDescription; link: Link }> {
    const error = this.acceptOfferError;
    this.acceptOfferError = undefined;
    if (error !== undefined) return Promise.reject(error);
    const link = this.#newLink(offer);
    const answer = this.#describe({ type: "answer", setup: "active", answers: offer.sessionId });
    this.#exchange.add(answer, link);
    return Promise.resolve({ answer, link });
  }

  #newLink({ fingerprint }: SessionDescription): FakeLink {
    const link = new FakeLink({ peerFingerprint: fingerprint });
    this.links.push(link);
    return link;
  }

  #describe(
    part: Pick<SessionDescription, "type" | "setup"> & { readonly answers?: string },
  ): SessionDescription {
    const sessionId = String(this.#nextSessionId++);
    return { ...sampleDescription, ...part, sessionId, fingerprint: this.#fingerprint };
  }
}
