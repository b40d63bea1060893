/** Forwards whose clients say where to: listeners for SOCKS5, and for HTTP's CONNECT. */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../message_of.ts";
import type { Connection } from "../../socket/connection.ts";
import type { DatagramEgress } from "../datagram_flow.ts";
import type { Forward } from "../forward.ts";
import type { StreamEgress } from "../stream_egress.ts";
import { TcpForward } from "../tcp_forward.ts";
import { isHttpStart } from "./http_connect.ts";
import { ClientGone, ProxyClient } from "./proxy_client.ts";
import type { ProxySession } from "./proxy_session.ts";
import { serveHttpConnect } from "./serve_http_connect.ts";
import { serveSocks5 } from "./serve_socks5.ts";
import { socksVersion } from "./socks5_message.ts";
import type { SocksSpec } from "./socks_spec.ts";
import { UdpRelay } from "./udp_relay.ts";

const log = getLogger(["aetherport", "socks"]);

/** Clients that have not said yet where to, at once; further ones are reset. */
const maxGreetingCount = 1_024;
/** A client has so long to say where to, in ms. */
const greetingTimeout = 10_000;

/** One listener, or one on either loopback address. */
export class SocksForward implements Forward {
  readonly #shared: Pick<ProxySession, "credentials" | "egress" | "relay">;
  readonly #listeners: TcpForward;
  #greetingCount = 0;

  /** Binds its listeners. Throws an Error naming the address that cannot be bound. */
  constructor(
    { listen, socks }: SocksSpec,
    { egress, datagrams }: {
      readonly egress: StreamEgress;
      readonly datagrams: DatagramEgress;
    },
  ) {
    const relay = new UdpRelay({ egress: datagrams, addresses: () => this.addresses });
    this.#shared = { credentials: socks.credentials, egress, relay };
    this.#listeners = new TcpForward(listen, (connection) => void this.#serve(connection));
  }

  get addresses(): string[] {
    return this.#listeners.addresses;
  }

  close(): void {
    this.#listeners.close();
  }

  async #serve(connection: Connection): Promise<void> {
    if (this.#greetingCount >= maxGreetingCount) return connection.reset();
    const client = new ProxyClient(connection);
    const handleGreeted = this.#beginGreeting(client);
    try {
      await serveClient({ ...this.#shared, client, handleGreeted });
    } catch (error) {
      log.debug("{client} is not served: {problem}", {
        ...{ event: "socks-failed", client: client.remote, problem: messageOf(error) },
      });
    } finally {
      handleGreeted();
      client.close();
    }
  }

  /** What it returns ends the greeting, and may be called again. */
  #beginGreeting(client: ProxyClient): () => void {
    this.#greetingCount++;
    const timer = setTimeout(() => client.close(), greetingTimeout);
    let isGreeting = true;
    return () => {
      clearTimeout(timer);
      if (isGreeting) this.#greetingCount--;
      isGreeting = false;
    };
  }
}

/** The first byte tells what is spoken. */
async function serveClient(session: ProxySession): Promise<void> {
  const { first } = await session.client.readMessage(peek, 1);
  if (first === socksVersion) return await serveSocks5(session);
  if (isHttpStart(first)) return await serveHttpConnect(session);
  throw new ClientGone(`it speaks neither SOCKS5 nor HTTP: its first byte is ${first}`);
}

function peek([first]: Uint8Array): { readonly first: number; readonly length: 0 } | undefined {
  return first === undefined ? undefined : { first, length: 0 };
}
