/**
 * A page of Chromium, driven through its DevTools protocol.
 *
 * @module
 */
import { messageOf } from "../../../src/message_of.ts";
import { beforeDeadline, tailOf } from "../deadline.ts";
import { PeerProcess } from "../peer_process.ts";
import { Transcript } from "../transcript.ts";
import type { Interlocutor } from "../webrtc_peer.ts";

const flags = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
  ...["--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage"],
  // Its candidates name addresses, and loopback is among them.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  "--allow-loopback-in-peer-connection",
  "--remote-debugging-port=0",
];

/** What comes from DevTools: the answer to a call, or an event. */
interface DevToolsMessage {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly payload?: string };
  readonly result?: {
    readonly targetId?: string;
    readonly sessionId?: string;
    readonly exceptionDetails?: unknown;
  };
  readonly error?: unknown;
}

type Result = NonNullable<DevToolsMessage["result"]>;

/** Chromium with one page, that speaks as webrtc_peer.ts says. */
export class Chromium implements Interlocutor {
  readonly #process: PeerProcess;
  readonly #profile: string;
  readonly #calls = new Map<number, PromiseWithResolvers<Result>>();
  readonly #told = new Transcript("Chromium's page");
  readonly #lost = Promise.withResolvers<void>();
  #socket: WebSocket | undefined;
  #sessionId: string | undefined;
  #lastCall = 0;

  private constructor(profile: string) {
    this.#profile = profile;
    this.#process = new PeerProcess("chromium", [
      ...flags,
      `--user-data-dir=${profile}`,
      "about:blank",
    ]);
  }

  /** Starts it, and loads the page. */
  static async start(): Promise<Chromium> {
    const chromium = new Chromium(await Deno.makeTempDir());
    try {
      await chromium.#open();
    } catch (error) {
      await chromium.stop();
      throw error;
    }
    return chromium;
  }

  get printed(): string {
    return this.#told.text;
  }

  write(text: string): Promise<void> {
    // DevTools answers late where there is much to do: the channel may have been open for long then.
    this.#evaluate(`obey(${text})`).catch((error) => this.#told.end(messageOf(error)));
    return Promise.resolve();
  }

  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    try {
      return await this.#told.waitFor(pattern);
    } catch (error) {
      const printed = tailOf(this.#process.printed);
      throw new Error(`${messageOf(error)}\nChromium printed: ${printed}`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    try {
      await this.#close();
    } finally {
      await this.#process.stop();
      await Deno.remove(this.#profile, { recursive: true });
    }
  }

  /** Its processes end together with it. */
  async #close(): Promise<void> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ id: ++this.#lastCall, method: "Browser.close" }));
    await this.#inTime("close", this.#lost.promise);
  }

  async #open(): Promise<void> {
    const [, address = ""] = await this.#process.waitFor(/^DevTools listening on (ws:\S+)$/m);
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => this.#lose();
    const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("DevTools cannot be reached"));
    await this.#inTime("take a connection", opened);
    const { targetId } = await this.#call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#call("Target.attachToTarget", { targetId, flatten: true });
    this.#sessionId = sessionId;
    await this.#call("Runtime.enable", {});
    await this.#call("Runtime.addBinding", { name: "tellPeer" });
    const script = await Deno.readTextFile(new URL("page.js", import.meta.url));
    await this.#evaluate(`(() => {${script}\n})()`);
  }

  async #evaluate(expression: string): Promise<void> {
    const result = await this.#call("Runtime.evaluate", { expression, awaitPromise: true });
    const { exceptionDetails } = result;
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
  }

  async #call(method: string, params: Readonly<Record<string, unknown>>): Promise<Result> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) throw new Error("Chromium is lost");
    const id = ++this.#lastCall;
    const call = Promise.withResolvers<Result>();
    this.#calls.set(id, call);
    socket.send(JSON.stringify({ id, method, params, sessionId: this.#sessionId }));
    return await this.#inTime(`answer ${method}`, call.promise);
  }

  #inTime<Value>(what: string, awaited: Promise<Value>): Promise<Value> {
    const explain = () =>
      `Chromium did not ${what} in time, and printed: ${tailOf(this.#process.printed)}`;
    return beforeDeadline(awaited, explain);
  }

  #take({ id, method, params, result, error }: DevToolsMessage): void {
    if (method === "Runtime.bindingCalled" && params?.name === "tellPeer") {
      this.#told.add(`${params.payload}\n`);
    }
    const call = this.#calls.get(id ?? 0);
    this.#calls.delete(id ?? 0);
    if (result !== undefined) call?.resolve(result);
    else call?.reject(new Error(JSON.stringify(error)));
  }

  #lose(): void {
    for (const { reject } of this.#calls.values()) reject(new Error("Chromium is lost"));
    this.#calls.clear();
    this.#told.end("Chromium is lost");
    this.#lost.resolve();
  }
}
