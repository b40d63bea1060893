/** The ingress's side of a signaling server: it registers its key's id, waits there and replies. */
import { pause } from "./aetherlight_backoff.ts";
import { receiveMessages, type Transport } from "./aetherlight_channel.ts";
import { postMessage } from "./aetherlight_post.ts";
import { AetherlightError, ignoreBody, request } from "./aetherlight_request.ts";
import { type ClientTiming, DEFAULT_TIMING } from "./aetherlight_timing.ts";
import {
  ingressIdOf,
  ingressPath,
  parseChallengeAnswer,
  parseKeyAnswer,
  parseTokenAnswer,
  registrationStatement,
  sessionPath,
  writeRegistration,
} from "./wire.ts";
import { readBaseUrl } from "./server_url.ts";

/** How it stands with the waiting. */
export type WaiterState =
  | { readonly name: "connecting" }
  | { readonly name: "waiting"; readonly transport: Transport }
  /** The server was lost, or refused. */
  | { readonly name: "backing-off"; readonly error: Error; readonly retryMilliseconds: number }
  /** Another node with the same key waits; this one takes its place when it has gone. */
  | { readonly name: "standing-by" }
  | { readonly name: "closed" };

/** Who waits, and where. */
export interface IngressWaiterOptions {
  /** Of the server; http or https, perhaps with a path. */
  readonly baseUrl: string;
  /** The node's P-256 key as SubjectPublicKeyInfo (DER). */
  readonly publicKeySpki: Uint8Array<ArrayBuffer>;
  /** Signs with the node's key: ES256, r and s of 32 bytes each. */
  readonly sign: (statement: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Takes each message once for each registration; who sent it is for the receiver to find out.
   * Must not throw.
   */
  readonly onMessage: (session: string, sealedText: string) => void;
  /** Must not throw. */
  readonly onState?: (state: WaiterState) => void;
  readonly timing?: Partial<ClientTiming>;
}

/** Waits at a signaling server, through losses of it, until closed. */
export class IngressWaiter {
  /** The URL that egress nodes are given. It names the key, and is the same after each start. */
  readonly url: string;
  readonly #baseUrl: string;
  readonly #id: string;
  readonly #options: IngressWaiterOptions;
  readonly #timing: ClientTiming;
  readonly #closed = new AbortController();
  /** The end of each session's line of replies: they are posted one after the other. */
  readonly #replies = new Map<string, Promise<void>>();
  #registered = Promise.withResolvers<string>();
  #token: string | undefined;
  #running: Promise<void> | undefined;

  /** Throws {@link BadInput} where the base URL is none. */
  constructor(options: IngressWaiterOptions) {
    const baseUrl = readBaseUrl(options.baseUrl);
    this.#options = options;
    this.#baseUrl = baseUrl;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#id = ingressIdOf(options.publicKeySpki);
    this.url = `${baseUrl}${ingressPath(this.#id)}`;
  }

  /** Starts to wait; {@link IngressWaiterOptions.onState} tells how it goes. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Posts a reply into a session. Waits for the server for a while where it is lost. Throws
   * {@link AetherlightError} where the session is over or the server does not take it.
   */
  async reply(session: string, sealedText: string): Promise<void> {
    const before = this.#replies.get(session) ?? Promise.resolve();
    const posted = before.then(() =>
      postMessage({
        url: `${this.#baseUrl}${sessionPath(this.#id, session)}/replies`,
        text: sealedText,
        token: () => this.#currentToken(),
        timing: this.#timing,
        signal: this.#closed.signal,
      })
    );
    // The next reply is tried whether or not this one got through.
    const settled = posted.catch(() => {});
    this.#replies.set(session, settled);
    try {
      await posted;
    } finally {
      if (this.#replies.get(session) === settled) this.#replies.delete(session);
    }
  }

  /** Stops waiting, and tells the server so where it answers in time. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new Error("the waiting was closed"));
    await this.#running;
    await this.#leave();
    this.#options.onState?.({ name: "closed" });
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    for (let attempt = 0; !signal.aborted;) {
      const startedAt = performance.now();
      try {
        this.#options.onState?.({ name: "connecting" });
        await this.#registerAndReceive();
      } catch (error) {
        if (signal.aborted) return;
        this.#lose();
        if (performance.now() - startedAt > this.#timing.stableMilliseconds) attempt = 0;
        await this.#recover(error, attempt++).catch(rethrowUnless(signal));
      }
    }
  }

  async #registerAndReceive(): Promise<never> {
    const token = await this.#register();
    this.#token = token;
    this.#registered.resolve(token);
    return await receiveMessages({
      url: `${this.url}/messages`,
      token,
      cursor: { after: 0 },
      timing: this.#timing,
      signal: this.#closed.signal,
      onReady: (transport) => this.#options.onState?.({ name: "waiting", transport }),
      onMessage: ({ session, text }) => this.#options.onMessage(session, text),
    });
  }

  async #register(): Promise<string> {
    const { publicKeySpki: publicKey, sign } = this.#options;
    const audience = this.#baseUrl;
    const challenge = await this.#get("/challenge", parseChallengeAnswer);
    const signature = await sign(registrationStatement({ audience, id: this.#id, challenge }));
    const body = writeRegistration({ publicKey, audience, challenge, signature });
    return await request({
      method: "PUT",
      url: this.url,
      body,
      signal: this.#closed.signal,
      milliseconds: this.#timing.requestMilliseconds,
    }, parseTokenAnswer);
  }

  async #recover(error: unknown, attempt: number): Promise<void> {
    if (!(error instanceof Error)) throw error;
    if (error instanceof AetherlightError && error.code === "taken_over") {
      // Two nodes that take over from each other would keep both from working.
      this.#options.onState?.({ name: "standing-by" });
      return await this.#standBy();
    }
    const wish = error instanceof AetherlightError ? error.retryAfterMilliseconds : undefined;
    const retryMilliseconds = Math.max(this.#timing.backoff(attempt), wish ?? 0);
    this.#options.onState?.({ name: "backing-off", error, retryMilliseconds });
    await pause(retryMilliseconds, this.#closed.signal);
  }

  /** Returns when the server says that nobody waits under the id. */
  async #standBy(): Promise<void> {
    for (;;) {
      await pause(this.#timing.standBy(), this.#closed.signal);
      try {
        await this.#get("", parseKeyAnswer);
      } catch (error) {
        if (!(error instanceof AetherlightError)) throw error;
        // What else can go wrong says nothing of the other node.
        if (error.code === "no_ingress") return;
      }
    }
  }

  async #leave(): Promise<void> {
    const token = this.#token;
    if (token === undefined) return;
    try {
      await request({
        method: "DELETE",
        url: this.url,
        token,
        signal: new AbortController().signal,
        milliseconds: this.#timing.leaveMilliseconds,
      }, ignoreBody);
    } catch (error) {
      // The registration ends by itself a little later.
      if (!(error instanceof AetherlightError)) throw error;
    }
  }

  #get<T>(path: string, parse: (body: string) => T | undefined): Promise<T> {
    const { signal } = this.#closed;
    const milliseconds = this.#timing.requestMilliseconds;
    const url = `${this.url}${path}`;
    return request({ method: "GET", url, signal, milliseconds }, parse);
  }

  #lose(): void {
    if (this.#token === undefined) return;
    this.#token = undefined;
    this.#registered = Promise.withResolvers();
  }

  /** Throws {@link AetherlightError} where there is none for the time of a request. */
  async #currentToken(): Promise<string> {
    const waited = new AbortController();
    const tooLong = pause(this.#timing.requestMilliseconds, waited.signal).then(() => {
      throw new AetherlightError("unreachable", "the signaling server is lost at the moment");
    });
    try {
      return await Promise.race([this.#registered.promise, tooLong]);
    } finally {
      waited.abort();
      tooLong.catch(() => {});
    }
  }
}

/** For a pause that ended because the waiter was closed. */
function rethrowUnless(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
