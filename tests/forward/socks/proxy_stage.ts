/** A listener for SOCKS5 and HTTP CONNECT, over a link in memory to an ingress with real targets. */
import { Buffer } from "node:buffer";
import { AllowList, parseAllowRule } from "../../../src/access/allow_list.ts";
import { BufferPool } from "../../../src/buffer_pool.ts";
import type { DatagramEgress } from "../../../src/forward/datagram_flow.ts";
import type { Forward } from "../../../src/forward/forward.ts";
import { LinkDatagramEgress } from "../../../src/forward/datagram_egress.ts";
import { SocksForward } from "../../../src/forward/socks/socks_forward.ts";
import { StreamEgress } from "../../../src/forward/stream_egress.ts";
import { parseProxyCredentials } from "../../../src/forward/socks/proxy_credentials.ts";
import { parseSocksListen, socksSpec } from "../../../src/forward/socks/socks_spec.ts";
import { serveStreamChannel } from "../../../src/forward/stream_ingress.ts";
import type { Channel } from "../../../src/link/link.ts";
import { type FakeLink, linkPair } from "../../fakes/link_pair.ts";
import { somePeer } from "../../fakes/sample_specs.ts";
import { closeQuietly } from "../../fakes/sockets.ts";

/** What a stage is made with. */
export interface ProxyStageOptions {
  /** As `--allow` has them. */
  readonly allowed?: readonly string[];
  /** `user:password` lines. */
  readonly credentials?: string;
  readonly datagrams?: DatagramEgress;
  /** Serves the ingress's channels in its place. */
  readonly serve?: (channel: Channel) => void;
  /** What the ingress resolves by itself: names with ports, to targets. */
  readonly names?: Readonly<Record<string, string>>;
  readonly isLinkUp?: boolean;
  readonly listen?: string;
}

/** The listener and the link. */
export class ProxyStage implements AsyncDisposable {
  readonly pool = new BufferPool();
  readonly forward: Forward;
  readonly a: FakeLink;
  readonly z: FakeLink;
  /** The labels of the channels that were opened. */
  readonly labels: string[] = [];
  readonly #clients: Deno.TcpConn[] = [];

  constructor(
    {
      allowed = [],
      credentials,
      datagrams,
      serve,
      names = {},
      isLinkUp = true,
      listen = "0",
    }: ProxyStageOptions = {},
  ) {
    const { a, z } = linkPair({ pace: "turn" });
    this.a = a;
    this.z = z;
    const access = new AllowList(allowed.map(parseAllowRule));
    z.handler = {
      handleUp: () => {},
      handleClosed: () => {},
      handleChannel: (channel) => {
        this.labels.push(channel.label);
        const label = names[channel.label] ?? channel.label;
        Object.defineProperty(channel, "label", { value: label });
        if (serve !== undefined) return serve(channel);
        void serveStreamChannel(channel, { access, peer: somePeer, pool: this.pool });
      },
    };
    a.goUp();
    z.goUp();
    const spec = socksSpec(
      parseSocksListen(listen),
      credentials === undefined ? undefined : parseProxyCredentials(credentials, "the test"),
    );
    const links = { acquire: () => Promise.resolve(isLinkUp ? a : undefined) };
    this.forward = new SocksForward(spec, {
      egress: new StreamEgress({ links, pool: this.pool }),
      datagrams: datagrams ?? new LinkDatagramEgress({ links }),
    });
  }

  get port(): number {
    return Number(this.forward.addresses[0]?.split(":").at(-1));
  }

  /** A client that speaks by itself. */
  async connect(hostname = "127.0.0.1"): Promise<Deno.TcpConn> {
    const client = await Deno.connect({ hostname, port: this.port });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.forward.close();
    this.#clients.forEach(closeQuietly);
    await this.a.close("done");
    while (this.pool.lentCount > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Characters up to 255, as bytes. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

/** SOCKS5's request by address type 3, a name. */
export function nameRequest(name: string, port: number, command = 1): string {
  const length = String.fromCharCode(name.length);
  return `\x05${String.fromCharCode(command)}\x00\x03${length}${name}${portBytes(port)}`;
}

/** A port as two characters. */
export function portBytes(port: number): string {
  return String.fromCharCode(port >> 8, port & 255);
}
