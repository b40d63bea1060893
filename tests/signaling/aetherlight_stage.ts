/** A signaling server and its clients on loopback, with times short enough for a test. */
import { createSignalApp, type SignalApp } from "../../signal/app.ts";
import type { SignalLimits } from "../../signal/limits.ts";
import { SignalServer } from "../../signal/server.ts";
import {
  type ClientTiming,
  EgressSession,
  type EgressSessionOptions,
  IngressWaiter,
  openEgressSession,
  type WaiterState,
} from "../../src/signaling/aetherlight_client.ts";
import { Arrivals } from "../signal/arrivals.ts";
import { createNodeKey, type NodeKey } from "../signal/node_key.ts";

/** Nobody waits long for what has failed. */
export const quick: Partial<ClientTiming> = {
  backoff: () => 5,
  standBy: () => 5,
  emptyPollMilliseconds: 1,
};

/** What an ingress was told. */
export interface Told {
  readonly session: string;
  readonly text: string;
}

/** An ingress that notes what it is told. */
export class TestIngress {
  readonly waiter: IngressWaiter;
  readonly states = new Arrivals<WaiterState>();
  readonly messages = new Arrivals<Told>();

  constructor(baseUrl: string, key: NodeKey, timing: Partial<ClientTiming> = {}) {
    this.waiter = new IngressWaiter({
      baseUrl,
      publicKeySpki: key.publicKeySpki,
      sign: key.sign,
      onMessage: (session, text) => this.messages.add({ session, text }),
      onState: (state) => this.states.add(state),
      timing: { ...quick, ...timing },
    });
  }

  /** Starts, and returns when it waits. */
  async start(): Promise<WaiterState> {
    this.waiter.start();
    return await this.until("waiting");
  }

  async until(name: WaiterState["name"]): Promise<WaiterState> {
    return await this.states.until((state) => state.name === name);
  }
}

/** An egress's session that notes the replies. */
export interface TestSession {
  readonly session: EgressSession;
  readonly replies: Arrivals<string>;
  readonly ends: Arrivals<Error>;
}

/** Opens a session. */
export async function openSession(
  ingressUrl: string,
  options: Partial<EgressSessionOptions> = {},
): Promise<TestSession> {
  const replies = new Arrivals<string>();
  const ends = new Arrivals<Error>();
  const session = await openEgressSession({
    ingressUrl,
    onReply: (text) => replies.add(text),
    onEnd: (error) => ends.add(error),
    ...options,
    timing: { ...quick, ...options.timing },
  });
  return { session, replies, ends };
}

/** A server of a test. */
export interface Stage {
  readonly url: string;
  readonly key: NodeKey;
  readonly server: SignalServer;
  readonly kv: Deno.Kv;
}

/** Runs a test with a server and a key. */
export async function withStage(
  test: (stage: Stage) => Promise<void>,
  { limits, front = (signalApp) => signalApp }: {
    readonly limits?: Partial<SignalLimits>;
    /** Stands between the clients and the app. */
    readonly front?: (signalApp: SignalApp) => SignalApp;
  } = {},
): Promise<void> {
  const kv = await Deno.openKv(":memory:");
  const signalApp = front(createSignalApp({ kv, limits }));
  const server = new SignalServer({ signalApp, hostname: "127.0.0.1", port: 0, log: () => {} });
  const key = await createNodeKey();
  try {
    await test({ url: `http://127.0.0.1:${server.address.port}`, key, server, kv });
  } finally {
    await server.close();
    kv.close();
  }
}
