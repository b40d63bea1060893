/**
 * A page of Chromium, driven through its DevTools protocol.
 *
 * @module
 */
import { PeerProcess } from "../peer_process.ts";
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
  #socket: WebSocket | undefined;
  #sessionId: string | undefined;
  #lastCall = 0;
  #told = "";
  #isLost = false;
  #wake = Promise.withResolvers<void>();

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
    return this.#told;
  }

  async write(text: string): Promise<void> {
    await this.#evaluate(`obey(${text})`);
  }

  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#told);
      if (found !== null) return found;
      if (this.#isLost) throw new Error(`Chromium is lost; it told: ${this.#told}`);
      await this.#wake.promise;
    }
  }

  async stop(): Promise<void> {
    const socket = this.#socket;
    if (socket !== undefined && !this.#isLost) {
      // Its processes end together with it.
      socket.send(JSON.stringify({ id: ++this.#lastCall, method: "Browser.close" }));
      while (!this.#isLost) await this.#wake.promise;
    }
    await this.#process.stop();
    await Deno.remove(this.#profile, { recursive: true });
  }

  async #open(): Promise<void> {
    const [, address = ""] = await this.#process.waitFor(/^DevTools listening on (ws:\S+)$/m);
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => this.#lose();
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("DevTools cannot be reached"));
    });
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

  #call(method: string, params: Readonly<Record<string, unknown>>): Promise<Result> {
    const id = ++this.#lastCall;
    const call = Promise.withResolvers<Result>();
    this.#calls.set(id, call);
    this.#socket?.send(JSON.stringify({ id, method, params, sessionId: this.#sessionId }));
    return call.promise;
  }

  #take({ id, method, params, result, error }: DevToolsMessage): void {
    if (method === "Runtime.bindingCalled" && params?.name === "tellPeer") {
      this.#told += `${params.payload}\n`;
      this.#notify();
    }
    const call = this.#calls.get(id ?? 0);
    this.#calls.delete(id ?? 0);
    if (result !== undefined) call?.resolve(result);
    else call?.reject(new Error(JSON.stringify(error)));
  }

  #lose(): void {
    this.#isLost = true;
    for (const { reject } of this.#calls.values()) reject(new Error("Chromium is lost"));
    this.#calls.clear();
    this.#notify();
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
