/**
 * The aetherlight server: a Hono app as a value, given a store and a clock. It holds no state that
 * another instance would miss; docs/aetherlight.md describes what it answers.
 */
import { type Context, Hono } from "hono";
import {
  isIngressId,
  isRandomId,
  isToken,
  MAX_BODY_LENGTH,
  parseRegistration,
  parseSequence,
  parseText,
  type Registration,
  toBase64Url,
  WEBSOCKET_PROTOCOL,
  WEBSOCKET_TOKEN_PREFIX,
} from "../src/signaling/wire.ts";
import { Bell, type BellSource } from "./bell.ts";
import { Challenges } from "./challenges.ts";
import { clientAddress, type ConnectionInfo } from "./client_address.ts";
import { Handshakes } from "./handshakes.ts";
import { emptyResponse, jsonResponse } from "./json_response.ts";
import { DEFAULT_LIMITS, type SignalLimits } from "./limits.ts";
import { Mailboxes, type SessionName } from "./mailboxes.ts";
import { RateLimit } from "./rate_limit.ts";
import { Refusal, refusalResponse } from "./refusal.ts";
import { Registrations } from "./registrations.ts";
import { readBody } from "./request_body.ts";
import { Secrets } from "./secrets.ts";
import { SocketWaiter } from "./socket_waiter.ts";
import { type KvStore, Store, StoreUnavailable } from "./store.ts";
import { type Mail, type Seat, Waiters } from "./waiters.ts";

/** What a server is made of. */
export interface SignalAppOptions {
  readonly kv: KvStore;
  /** The clock (ms since 1970); the system's where none is given. */
  readonly now?: () => number;
  readonly limits?: Partial<SignalLimits>;
  /** How to hear of what other instances store; `Deno.Kv.watch` where not given. */
  readonly bell?: BellSource;
  /**
   * The base URLs under which nodes reach this server, as `parseBaseUrl` writes them. Where none is given, the host of the request
   * is believed, which only a proxy or platform that checks it makes safe.
   */
  readonly baseUrls?: readonly string[];
  /** Whether a proxy in front writes `X-Forwarded-For`. */
  readonly isProxyTrusted?: boolean;
  /** Takes one line for each failure that is not the client's. */
  readonly log?: (line: string) => void;
}

/** A server as a value. */
export interface SignalApp {
  /** Its `fetch` takes `Deno.serve`'s second argument as Hono's environment. */
  readonly app: Hono<Env>;
  /** Ends all waiting (WebSockets with 1001), now and from now on. */
  readonly close: () => void;
}

/** What Hono hands on with each request. */
export interface Env {
  Bindings: ConnectionInfo;
}

type Call = Context<Env>;

/** One who waits for a mailbox. */
interface Waiting {
  readonly mail: Mail;
  readonly seat: Seat;
  /** The sequence number of the last message the client knows. */
  readonly after: number;
}

// Half of it without a pong is when the runtime asks, all of it when it lets the socket go.
const SOCKET_IDLE_SECONDS = 30;
const STORE_RETRY_SECONDS = 2;

/** Makes a server. Nothing runs until it is asked something. */
export function createSignalApp(options: SignalAppOptions): SignalApp {
  const server = new Server(options);
  return { app: server.routes(), close: () => server.close() };
}

class Server {
  readonly #options: SignalAppOptions;
  readonly #limits: SignalLimits;
  readonly #store: Store;
  readonly #bell: Bell;
  readonly #challenges: Challenges;
  readonly #registrations: Registrations;
  readonly #mailboxes: Mailboxes;
  readonly #waiters: Waiters;
  readonly #rateLimit: RateLimit;
  readonly #handshakes = new Handshakes();

  constructor(options: SignalAppOptions) {
    const now = options.now ?? Date.now;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#limits = limits;
    this.#store = new Store(options.kv, now);
    this.#bell = new Bell(this.#store, options.bell ?? { type: "watch" });
    this.#challenges = new Challenges(new Secrets(this.#store), limits.challengeMilliseconds);
    this.#registrations = new Registrations(
      this.#store,
      this.#challenges,
      limits.registrationMilliseconds,
    );
    this.#mailboxes = new Mailboxes(this.#store, limits);
    this.#waiters = new Waiters(this.#bell, limits);
    this.#rateLimit = new RateLimit({
      perSecond: limits.requestsPerSecond,
      burst: limits.requestBurst,
      addressCount: limits.addressCount,
      now,
    });
  }

  routes(): Hono<Env> {
    const app = new Hono<Env>();
    const ingress = "/ingresses/:id";
    const session = `${ingress}/sessions/:session`;
    app.use(async (call, next) => {
      this.#rateLimit.take(this.#addressOf(call));
      await next();
    });
    app.get("/healthz", () => this.#health());
    app.get(ingress, (call) => this.#getKey(call));
    app.put(ingress, (call) => this.#register(call));
    app.delete(ingress, (call) => this.#release(call));
    app.get(`${ingress}/challenge`, (call) => this.#challenge(call));
    app.get(`${ingress}/messages`, (call) => this.#wait(call, this.#ingressMail(call)));
    app.put(`${session}/messages/:message`, (call) => this.#postMessage(call));
    app.put(`${session}/replies/:message`, (call) => this.#postReply(call));
    app.get(`${session}/replies`, (call) => this.#wait(call, this.#sessionMail(call)));
    app.delete(session, (call) => this.#closeSession(call));
    app.notFound(() => refusalResponse(new Refusal("not_found", "no such path or method")));
    app.onError((error) => this.#failure(error));
    return app;
  }

  close(): void {
    this.#waiters.close();
  }

  async #health(): Promise<Response> {
    await this.#store.get(["health"]);
    return jsonResponse({ status: "ok" });
  }

  async #getKey(call: Call): Promise<Response> {
    const publicKey = await this.#registrations.publicKeyOf(ingressIdIn(call));
    return jsonResponse({ publicKey: toBase64Url(publicKey) });
  }

  async #challenge(call: Call): Promise<Response> {
    const challenge = await this.#challenges.issue(ingressIdIn(call), this.#store.now());
    return jsonResponse({ challenge });
  }

  async #register(call: Call): Promise<Response> {
    const id = ingressIdIn(call);
    const registration = parseRegistration(await this.#body(call));
    if (registration === undefined) throw new Refusal("bad_request", "not a registration");
    this.#checkAudience(call, registration);
    const token = await this.#registrations.register(id, registration);
    // Who waited under the id until now finds that it is no longer theirs.
    await this.#bell.ring(id);
    return jsonResponse({ token }, 201);
  }

  /** CHECK audience: what a node signed for another server, which passes it on, is refused. */
  #checkAudience(call: Call, { audience }: Registration): void {
    const { baseUrls = [] } = this.#options;
    const host = call.req.header("host") ?? new URL(call.req.url).host;
    const isOurs = baseUrls.length > 0
      ? baseUrls.includes(audience)
      : new URL(audience).host === host.toLowerCase();
    if (!isOurs) throw new Refusal("wrong_audience", "signed for a server of another URL");
  }

  async #release(call: Call): Promise<Response> {
    const id = ingressIdIn(call);
    await this.#registrations.release(id, tokenIn(call));
    await this.#bell.ring(id);
    return emptyResponse();
  }

  async #postMessage(call: Call): Promise<Response> {
    const name = sessionIn(call);
    const post = { ...name, messageId: messageIdIn(call), text: await this.#text(call) };
    await this.#mailboxes.postMessage(post, this.#addressOf(call));
    await this.#bell.ring(name.id);
    return emptyResponse();
  }

  async #postReply(call: Call): Promise<Response> {
    const name = sessionIn(call);
    await this.#registrations.authorize(name.id, tokenIn(call));
    const post = { ...name, messageId: messageIdIn(call), text: await this.#text(call) };
    await this.#mailboxes.postReply(post);
    await this.#bell.ring(name.session);
    return emptyResponse();
  }

  async #closeSession(call: Call): Promise<Response> {
    const name = sessionIn(call);
    await this.#mailboxes.closeSession(name);
    await this.#bell.ring(name.session);
    return emptyResponse();
  }

  #ingressMail(call: Call): Mail {
    const id = ingressIdIn(call);
    const token = tokenIn(call);
    if (token === undefined) throw new Refusal("unauthorized", "a registration's token is missing");
    return {
      name: id,
      renew: () => this.#registrations.renew(id, token),
      read: async (after) => {
        await this.#registrations.authorize(id, token);
        return await this.#mailboxes.messages(id, { after });
      },
      acknowledge: (sequence) => this.#mailboxes.acknowledgeMessages(id, sequence),
    };
  }

  #sessionMail(call: Call): Mail {
    const name = sessionIn(call);
    return {
      name: name.session,
      renew: async () => {
        await this.#mailboxes.replies(name, { after: Number.MAX_SAFE_INTEGER - 1 });
      },
      read: (after) => this.#mailboxes.replies(name, { after }),
      acknowledge: (sequence) => this.#mailboxes.acknowledgeReplies(name, sequence),
    };
  }

  async #wait(call: Call, mail: Mail): Promise<Response> {
    const after = parseSequence(call.req.query("after") ?? "0");
    if (after === undefined) throw new Refusal("bad_request", '"after" is not a sequence number');
    const waiting: Waiting = { mail, after, seat: this.#waiters.enter(this.#addressOf(call)) };
    const isUpgrade = call.req.header("upgrade")?.toLowerCase() === "websocket";
    return isUpgrade ? this.#upgrade(call, waiting) : await this.#poll(waiting);
  }

  async #poll({ mail, after, seat }: Waiting): Promise<Response> {
    try {
      await mail.renew();
      await mail.acknowledge(after);
      seat.claim(mail.name);
      return jsonResponse({ messages: await this.#waiters.poll(mail, seat, after) });
    } finally {
      seat.leave();
    }
  }

  /** Nothing may be awaited before: see handshakes.ts. The right to wait is checked after. */
  #upgrade(call: Call, waiting: Waiting): Response {
    const address = this.#addressOf(call);
    let isBegun = false;
    try {
      this.#handshakes.begin(address);
      isBegun = true;
      const { socket, response } = Deno.upgradeWebSocket(call.req.raw, {
        protocol: WEBSOCKET_PROTOCOL,
        idleTimeout: SOCKET_IDLE_SECONDS,
      });
      new SocketWaiter({
        ...waiting,
        socket,
        silenceMilliseconds: this.#limits.registrationMilliseconds,
        takeBudget: () => this.#rateLimit.take(address),
        onOpen: () => this.#handshakes.end(address),
      });
      return response;
    } catch (error) {
      waiting.seat.leave();
      if (isBegun) this.#handshakes.end(address);
      if (error instanceof Refusal || !(error instanceof Error)) throw error;
      throw new Refusal("bad_request", "not a WebSocket handshake of this protocol");
    }
  }

  #addressOf(call: Call): string {
    const { isProxyTrusted = false } = this.#options;
    return clientAddress(call.req.raw.headers, {
      connection: call.env ?? {},
      isProxyTrusted,
    });
  }

  async #text(call: Call): Promise<string> {
    const text = parseText(await this.#body(call));
    if (text !== undefined) return text;
    throw new Refusal("bad_request", 'not a message: {"text": "..."}');
  }

  #body(call: Call): Promise<string> {
    return readBody(call.req.raw, {
      maxLength: MAX_BODY_LENGTH,
      milliseconds: this.#limits.bodyMilliseconds,
    });
  }

  #failure(error: Error): Response {
    if (error instanceof Refusal) return refusalResponse(error);
    this.#options.log?.(`${error.name}: ${error.message}`);
    const refusal = error instanceof StoreUnavailable
      ? new Refusal("unavailable", "the store does not answer: try again", STORE_RETRY_SECONDS)
      : new Refusal("internal", "the server made a mistake");
    return refusalResponse(refusal);
  }
}

function ingressIdIn(call: Call): string {
  const id = call.req.param("id") ?? "";
  if (isIngressId(id)) return id;
  throw new Refusal("bad_request", "not an ingress id: 52 characters of base32");
}

function sessionIn(call: Call): SessionName {
  const session = call.req.param("session") ?? "";
  if (isRandomId(session)) return { id: ingressIdIn(call), session };
  throw new Refusal("bad_request", "not a session id: 128 bits as base64url");
}

function messageIdIn(call: Call): string {
  const id = call.req.param("message") ?? "";
  if (isRandomId(id)) return id;
  throw new Refusal("bad_request", "not a message id: 128 bits as base64url");
}

/** The token, from the header of a request or from among a WebSocket's subprotocols. */
function tokenIn(call: Call): string | undefined {
  const [, bearer] = /^Bearer ([\w-]+)$/i.exec(call.req.header("authorization") ?? "") ?? [];
  const protocols = call.req.header("sec-websocket-protocol")?.split(",") ?? [];
  const offered = protocols.map((one) => one.trim())
    .find((one) => one.startsWith(WEBSOCKET_TOKEN_PREFIX))?.slice(WEBSOCKET_TOKEN_PREFIX.length);
  const token = bearer ?? offered;
  return token !== undefined && isToken(token) ? token : undefined;
}
