/** What sessions of SOCKS5 and of HTTP's CONNECT have in common. */
import { getLogger } from "@logtape/logtape";
import { formatTarget, type TcpTarget } from "../../access/target.ts";
import { messageOf } from "../../message_of.ts";
import type { StreamClosed } from "../../tunnel/tunnel_stream.ts";
import type { StreamEgress } from "../stream_egress.ts";
import type { StreamPort } from "../stream_port.ts";
import type { ProxyClient } from "./proxy_client.ts";
import type { ProxyCredentials } from "./proxy_credentials.ts";
import type { UdpRelay } from "./udp_relay.ts";

const log = getLogger(["aetherport", "socks"]);

/** A client that was answered "no" has so long to end, in ms. */
const lingerTimeout = 1_000;

/** One client, and what it is served with. */
export interface ProxySession {
  readonly client: ProxyClient;
  /** Required of each client, where there are any. */
  readonly credentials: ProxyCredentials | undefined;
  readonly egress: StreamEgress;
  readonly relay: UdpRelay;
  /** The client has said all that it has to: neither its deadline nor its place is needed. */
  readonly handleGreeted: () => void;
}

/** A stream that the other node has accepted, or why there is none. */
export type Dialled =
  | { readonly how: "accepted"; readonly port: StreamPort }
  | { readonly how: "no-link" }
  | StreamClosed;

/** Asks the other node for a target, and waits for its answer. */
export async function dial(
  { client, egress, handleGreeted }: ProxySession,
  target: TcpTarget,
): Promise<Dialled> {
  handleGreeted();
  const watching = client.watch();
  watching.catch(() => {});
  const port = await egress.connect(client.remote, target);
  if (port === undefined) return { how: "no-link" };
  watching.catch((error) => port.stream.reset(messageOf(error)));
  if (await port.answered) return { how: "accepted", port };
  const closed = await port.closed;
  if (closed.how === "refused") {
    const { code, reason } = closed;
    log.warn("{client} to {target}: refused by the other node: {reason}", {
      ...{ event: "refused", client: client.remote, target: formatTarget(target), code, reason },
    });
  }
  return closed;
}

/** Tells the client that it is joined, and joins it until both ways have ended. */
export async function join(
  { client, egress }: ProxySession,
  { port, target, reply }: {
    readonly port: StreamPort;
    readonly target: TcpTarget;
    readonly reply: Uint8Array;
  },
): Promise<void> {
  await client.write(reply).catch((error) => port.stream.reset(messageOf(error)));
  await egress.carry(client, port, target);
}

/**
 * Answers, and ends so that the answer arrives: what the client still sends is read for a while, or
 * some systems would throw the answer away.
 */
export async function endWith({ client }: ProxySession, answer: Uint8Array): Promise<void> {
  const timer = setTimeout(() => client.close(), lingerTimeout);
  try {
    await client.write(answer);
    await client.endWrite();
    await readToEnd(client);
  } finally {
    clearTimeout(timer);
    client.close();
  }
}

/** Reads what comes, and drops it. */
export async function readToEnd(client: ProxyClient): Promise<void> {
  const buffer = new Uint8Array(512);
  while (await client.read(buffer) !== null);
}

/** One line, which names no password. */
export function logUnauthorized({ client }: ProxySession): void {
  log.warn("{client} is not served: wrong user or password", {
    event: "socks-unauthorized",
    client: client.remote,
  });
}
