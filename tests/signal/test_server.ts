/** A server over a store in memory, asked without a socket, with a clock set by hand. */
import assert from "node:assert/strict";
import { createSignalApp, type SignalApp, type SignalAppOptions } from "../../signal/app.ts";
import {
  parseChallengeAnswer,
  parseErrorAnswer,
  parseMessagesAnswer,
  parseTokenAnswer,
  randomId,
  type SealedMessage,
} from "../../src/signaling/wire.ts";
import { type NodeKey, registrationBody } from "./node_key.ts";

/** What a request carries besides its path. */
export interface AskOptions {
  readonly body?: BodyInit;
  readonly token?: string;
  /** Of the client's connection. */
  readonly address?: string;
  readonly headers?: Record<string, string>;
}

/** A clock set by hand. */
export interface TestClock {
  now: number;
}

/** The host that requests ask for. */
export const BASE_URL = "http://light.test";

/** Long enough for every budget to be full again. */
const REFILL_MILLISECONDS = 1_000;

/** One instance of the server. */
export class TestServer {
  readonly signalApp: SignalApp;
  readonly clock: TestClock;

  constructor(options: SignalAppOptions, clock: TestClock) {
    this.clock = clock;
    this.signalApp = createSignalApp({ ...options, now: () => this.clock.now });
  }

  /** Sends one request; the next ones find their budget full again. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<Response> {
    const headers = new Headers({ host: new URL(BASE_URL).host, ...options.headers });
    if (options.token !== undefined) headers.set("authorization", `Bearer ${options.token}`);
    const request = new Request(BASE_URL + path, {
      ...{ method, headers, body: options.body },
    });
    const { address: hostname = "192.0.2.1" } = options;
    const info = { remoteAddr: { transport: "tcp" as const, hostname, port: 1 } };
    return await this.signalApp.app.fetch(request, info);
  }

  async challenge(key: NodeKey): Promise<string> {
    const response = await this.ask("GET", `${key.path}/challenge`);
    return required(parseChallengeAnswer(await response.text()));
  }

  /** Registers a key's ingress; its token. */
  async register(key: NodeKey): Promise<string> {
    // A challenge must be newer than the one answered before.
    this.clock.now += REFILL_MILLISECONDS;
    const challenge = await this.challenge(key);
    const body = await registrationBody(key, { audience: BASE_URL, challenge });
    const response = await this.ask("PUT", key.path, { body });
    assert.equal(response.status, 201);
    return required(parseTokenAnswer(await response.text()));
  }

  /** Posts a message from an egress. */
  async post(
    key: NodeKey,
    { session, text, messageId = randomId(), address }: {
      readonly session: string;
      readonly text: string;
      readonly messageId?: string;
      readonly address?: string;
    },
  ): Promise<Response> {
    const path = `${key.path}/sessions/${session}/messages/${messageId}`;
    return await this.ask("PUT", path, { body: JSON.stringify({ text }), address });
  }

  /** Posts a reply from an ingress. */
  async reply(
    key: NodeKey,
    { session, text, token, messageId = randomId() }: {
      readonly session: string;
      readonly text: string;
      readonly token: string;
      readonly messageId?: string;
    },
  ): Promise<Response> {
    const path = `${key.path}/sessions/${session}/replies/${messageId}`;
    return await this.ask("PUT", path, { body: JSON.stringify({ text }), token });
  }

  /** What waits for an ingress. */
  async messages(key: NodeKey, token: string, after = 0): Promise<SealedMessage[]> {
    const response = await this.ask("GET", `${key.path}/messages?after=${after}`, { token });
    return required(parseMessagesAnswer(await response.text()));
  }

  /** What waits in a session. */
  async replies(key: NodeKey, session: string, after = 0): Promise<SealedMessage[]> {
    const path = `${key.path}/sessions/${session}/replies?after=${after}`;
    return required(parseMessagesAnswer(await (await this.ask("GET", path)).text()));
  }
}

/** Runs a test with a server of its own. A long poll that finds nothing is answered at once. */
export async function withServer(
  options: Partial<SignalAppOptions>,
  test: (server: TestServer, kv: Deno.Kv) => Promise<void>,
): Promise<void> {
  const kv = await Deno.openKv(":memory:");
  const limits = { pollMilliseconds: 0, ...options.limits };
  const server = new TestServer({ kv, ...options, limits }, { now: Date.now() });
  try {
    await test(server, kv);
  } finally {
    server.signalApp.close();
    kv.close();
  }
}

/** Asserts that an answer refuses, and how. */
export async function assertRefused(
  response: Response,
  status: number,
  code: string,
): Promise<void> {
  const reason = parseErrorAnswer(await response.text());
  assert.deepEqual([response.status, reason?.code], [status, code]);
}

/** Asserts that something is there. */
export function required<T>(value: T | undefined): T {
  assert(value !== undefined);
  return value;
}
