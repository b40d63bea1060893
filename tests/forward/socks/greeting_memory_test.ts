import { ok } from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { bytesOf } from "./proxy_stage.ts";

/** The listener's process. */
class Listener implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  constructor() {
    const script = fileURLToPath(new URL("greeting_memory.ts", import.meta.url));
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", "--v8-flags=--expose-gc", script],
      ...{ stdin: "piped", stdout: "piped" },
    }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    this.#input = this.#process.stdin.getWriter();
  }

  /** The next number that it prints. */
  async next(): Promise<number> {
    return Number((await this.#lines.next()).value);
  }

  /** What it holds, in bytes. */
  async measure(): Promise<number> {
    await this.#input.write(new Uint8Array(1));
    return await this.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#process.status;
  }
}

/** A thousand clients that have said so much, of which nothing more comes. */
async function connectAll(port: number, text: string): Promise<Socket[]> {
  const sockets = Array.from({ length: 1_000 }, () => connect(port, "127.0.0.1"));
  await Promise.all(sockets.map(async (socket) => {
    socket.on("error", () => {});
    await once(socket, "connect");
    await new Promise((resolve) => socket.write(bytesOf(text), resolve));
  }));
  return sockets;
}

for (
  const [protocol, text] of [
    ["SOCKS5", `\x05\xff${"x".repeat(254)}`],
    ["HTTP", `CONNECT a:1 HTTP/1.1\r\nX: ${"x".repeat(8_100)}`],
  ] as const
) {
  Deno.test(`K3: 1,000 clients that have not said all of their ${protocol} hold 16 MB at most`, async () => {
    await using listener = new Listener();
    const port = await listener.next();
    const before = await listener.measure();
    const sockets = await connectAll(port, text);
    let after = 0;
    // What was sent may not have been read at first.
    for (let turn = 0; turn < 8; turn++) after = Math.max(after, await listener.measure());
    const held = after - before;
    ok(held >= text.length * 1_000 && held <= 16_000_000, `${held} bytes`);
    for (const socket of sockets) socket.destroy();
  });
}
