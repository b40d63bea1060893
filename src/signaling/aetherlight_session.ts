/** The egress's side of a signaling server: one session with one ingress. */
import { pause } from "./aetherlight_backoff.ts";
import { type Cursor, receiveMessages } from "./aetherlight_channel.ts";
import { postMessage } from "./aetherlight_post.ts";
import { AetherlightError, badAnswer, ignoreBody, request } from "./aetherlight_request.ts";
import { type ClientTiming, DEFAULT_TIMING } from "./aetherlight_timing.ts";
import {
  type IngressAddress,
  ingressIdOf,
  ingressPath,
  parseKeyAnswer,
  randomId,
  sessionPath,
} from "./wire.ts";
import { readIngressUrl } from "./server_url.ts";

/** With whom, and whom to tell. */
export interface EgressSessionOptions {
  /** `<base>/ingresses/<id>`, as the ingress printed it. */
  readonly ingressUrl: string;
  /** Takes each sealed reply once; who sent it is for the receiver to find out. Must not throw. */
  readonly onReply: (sealedText: string) => void;
  /**
   * Called once when no reply can come any more, unless it was {@link EgressSession.close} or the
   * signal that ended the session.
   */
  readonly onEnd?: (error: Error) => void;
  /** The ingress's key where it is known already: the server is not asked for it. */
  readonly publicKeySpki?: Uint8Array<ArrayBuffer>;
  /** Ends the session. */
  readonly signal?: AbortSignal;
  readonly timing?: Partial<ClientTiming>;
}

/**
 * Opens a session: learns the ingress's public key, and checks that it is the one that the URL
 * names. Throws {@link BadInput} where the URL is none, {@link AetherlightError} where no ingress
 * waits there or the server does not do its part, or the signal's reason.
 */
export async function openEgressSession(options: EgressSessionOptions): Promise<EgressSession> {
  const address = readIngressUrl(options.ingressUrl);
  options.signal?.throwIfAborted();
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const { publicKeySpki: known } = options;
  const isRight = known !== undefined && ingressIdOf(known) === address.id;
  const publicKeySpki = isRight ? known : await fetchKey(address, { ...options, timing });
  return new EgressSession({ ...options, address, timing, publicKeySpki });
}

interface SessionParts extends EgressSessionOptions {
  readonly address: IngressAddress;
  readonly timing: ClientTiming;
  readonly publicKeySpki: Uint8Array<ArrayBuffer>;
}

/** A session with an ingress; {@link openEgressSession} makes it. */
export class EgressSession {
  /** 128 random bits as base64url. Who knows it can read the replies. */
  readonly id: string = randomId();
  readonly ingressId: string;
  /** The ingress's P-256 key (SubjectPublicKeyInfo, DER). Its hash is {@link ingressId}. */
  readonly publicKeySpki: Uint8Array<ArrayBuffer>;
  readonly #options: SessionParts;
  readonly #url: string;
  readonly #ended = new AbortController();
  readonly #onAbort = () => this.#stop(this.#options.signal?.reason);
  /** The server has the first message, and knows the session by it. */
  readonly #known = Promise.withResolvers<void>();
  #posts: Promise<void> = Promise.resolve();
  #isReceiving = false;
  #lifetime: ReturnType<typeof setTimeout> | undefined;

  /** For {@link openEgressSession}. */
  constructor(parts: SessionParts) {
    const { baseUrl, id } = parts.address;
    this.#options = parts;
    this.#url = `${baseUrl}${sessionPath(id, this.id)}`;
    this.ingressId = id;
    this.publicKeySpki = parts.publicKeySpki;
    // Only who waits for it is concerned by an end before.
    this.#known.promise.catch(() => {});
    parts.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * Posts a sealed message, after those posted before it. What may pass is tried again for a while.
   * Throws {@link AetherlightError}, or the reason for which the session ended.
   */
  async post(sealedText: string): Promise<void> {
    const { timing, ingressUrl } = this.#options;
    const { signal } = this.#ended;
    const posted = this.#posts.then(() =>
      postMessage({ url: `${this.#url}/messages`, text: sealedText, timing, signal })
    );
    // The next one is tried whether or not this one got through.
    this.#posts = posted.catch(() => {});
    // The way for replies is made meanwhile: the message is mostly there before it.
    this.#startReceiving();
    try {
      await posted;
    } catch (error) {
      throw explained(error, ingressUrl);
    }
    if (this.#lifetime === undefined && !signal.aborted) this.#begin();
  }

  /** Ends the session, and tells the server so where it answers in time. */
  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    const isKnown = this.#lifetime !== undefined;
    this.#stop(new Error("the session was closed"));
    if (isKnown) await this.#leave();
  }

  #begin(): void {
    const { sessionMilliseconds } = this.#options.timing;
    this.#known.resolve();
    this.#lifetime = setTimeout(() => {
      this.#fail(new AetherlightError("no_session", "the signaling session is over"));
    }, sessionMilliseconds);
  }

  #startReceiving(): void {
    if (this.#isReceiving || this.#ended.signal.aborted) return;
    this.#isReceiving = true;
    this.#receive().catch((error) => this.#fail(error));
  }

  async #receive(): Promise<void> {
    const { timing, ingressUrl, onReply } = this.#options;
    const { signal } = this.#ended;
    const cursor: Cursor = { after: 0 };
    for (let attempt = 0;; attempt++) {
      const wasKnown = this.#lifetime !== undefined;
      try {
        await receiveMessages({
          ...{ url: `${this.#url}/replies`, cursor, timing, signal },
          onReady: () => {},
          onMessage: ({ text }) => onReply(text),
        });
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof AetherlightError)) throw error;
        if (error.code === "no_session" && !wasKnown) {
          // It came before the first message.
          await this.#known.promise;
          continue;
        }
        if (error.code === "no_session") throw explained(error, ingressUrl);
        await pause(Math.max(timing.backoff(attempt), error.retryAfterMilliseconds ?? 0), signal);
      }
    }
  }

  #fail(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#stop(error);
    this.#options.onEnd?.(error instanceof Error ? error : new Error(String(error)));
  }

  #stop(reason: unknown): void {
    clearTimeout(this.#lifetime);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#ended.abort(reason);
    this.#known.reject(reason);
  }

  async #leave(): Promise<void> {
    try {
      await request({
        method: "DELETE",
        url: this.#url,
        signal: new AbortController().signal,
        milliseconds: this.#options.timing.leaveMilliseconds,
      }, ignoreBody);
    } catch (error) {
      // The session ends by itself a little later.
      if (!(error instanceof AetherlightError)) throw error;
    }
  }
}

async function fetchKey(
  { baseUrl, id }: IngressAddress,
  { ingressUrl, signal = new AbortController().signal, timing }: EgressSessionOptions & {
    readonly timing: ClientTiming;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const url = `${baseUrl}${ingressPath(id)}`;
  try {
    const milliseconds = timing.requestMilliseconds;
    const key = await request({ method: "GET", url, signal, milliseconds }, parseKeyAnswer);
    // CHECK key: a server that gives its own key would read what is meant for the ingress.
    if (ingressIdOf(key) !== id) throw badAnswer(url, "the key it gave is not the ingress's");
    return key;
  } catch (error) {
    throw explained(error, ingressUrl);
  }
}

/** Says what to do where it can be said. */
function explained(error: unknown, ingressUrl: string): unknown {
  if (!(error instanceof AetherlightError) || error.code !== "no_ingress") return error;
  const message = `no ingress waits at ${ingressUrl}: start it, or check the id`;
  return new AetherlightError("no_ingress", message, { cause: error });
}
