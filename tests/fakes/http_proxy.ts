/** An HTTP proxy on loopback that notes what it is asked for, and knows names of its own. */
import net from "node:net";
import { type LocalService, serve } from "../program/local_service.ts";

/** What it does. */
export interface HttpProxyOptions {
  /** The ports on loopback of what it reaches, by `host:port` as it is asked for them. */
  readonly destinations?: Readonly<Record<string, number>>;
  /** `user:password`, wanted of everybody. */
  readonly credentials?: string;
  /** Answered to everybody. */
  readonly status?: number;
}

const maxHeadLength = 16_384;

/** One that runs. */
export class HttpProxy implements AsyncDisposable {
  /** The first line of each request, in order. */
  readonly asked: string[] = [];
  readonly #options: HttpProxyOptions;
  #service: LocalService | undefined;

  private constructor(options: HttpProxyOptions) {
    this.#options = options;
  }

  static async start(options: HttpProxyOptions = {}): Promise<HttpProxy> {
    const proxy = new HttpProxy(options);
    proxy.#service = await serve((socket) => proxy.#handle(socket));
    return proxy;
  }

  get port(): number {
    return this.#service?.port ?? 0;
  }

  /** Its URL, with a user and password where they are given. */
  url(credentials?: string): string {
    return `http://${credentials === undefined ? "" : `${credentials}@`}127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service?.[Symbol.asyncDispose]();
  }

  #handle(socket: net.Socket): void {
    let head = "";
    const read = (bytes: Uint8Array) => {
      head += new TextDecoder("latin1").decode(bytes);
      if (!head.includes("\r\n\r\n") && head.length < maxHeadLength) return;
      socket.off("data", read);
      this.#answer(socket, head);
    };
    socket.on("data", read);
  }

  #answer(socket: net.Socket, head: string): void {
    const [line = "", ...headers] = head.split("\r\n");
    this.asked.push(line);
    const { status, credentials, destinations = {} } = this.#options;
    const [, base64] = headers.map((one) => /^proxy-authorization: Basic (\S+)$/i.exec(one))
      .find((found) => found !== null) ?? [];
    const isKnown = credentials === undefined || base64 === btoa(credentials);
    const [method, target = ""] = line.split(" ");
    const url = method === "CONNECT" ? undefined : new URL(target);
    const port = destinations[url === undefined ? target : `${url.hostname}:${url.port || 80}`];
    if (status !== undefined || !isKnown || port === undefined) {
      socket.end(`HTTP/1.1 ${status ?? (isKnown ? 502 : 407)} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const upstream = net.connect(port, "127.0.0.1", () => {
      if (url === undefined) socket.write("HTTP/1.1 200 Connected\r\nx-proxy: yes\r\n\r\n");
      else upstream.write(head, "latin1");
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("close", () => upstream.destroy());
  }
}
