/**
 * Our endpoint and another implementation's, joined by a relay on loopback.
 *
 * @module
 */
import { type DtlsConfig, DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
import type { HandshakeFragment } from "../../src/dtls/handshake_header.ts";
import { messagesIn } from "../dtls/on_path.ts";
import { clientIdentity, configOf, serverIdentity } from "../dtls/pair.ts";
import { UdpDriver } from "../dtls/udp_driver.ts";
import type { PeerProcess } from "./peer_process.ts";
import { type RelayedDatagram, type Sender, UdpRelay } from "./udp_relay.ts";

/** Where the PEM files of an identity are. */
export interface IdentityFiles {
  readonly certificate: string;
  readonly key: string;
}

/** The identities of both sides. */
export type Identities = Readonly<Record<Sender, IdentityFiles>>;

/** What differs from an ordinary session. */
export interface SessionOptions {
  readonly config?: Partial<DtlsConfig>;
  /** Which datagrams the relay drops. */
  readonly drops?: (datagram: RelayedDatagram) => boolean;
}

/** Both ends, and what is between them. */
export interface Session {
  readonly peer: PeerProcess;
  readonly driver: UdpDriver;
  readonly endpoint: DtlsEndpoint;
  readonly relay: UdpRelay;
}

/** Our server, and a peer that is told its port. */
export async function withPeerClient(
  startPeer: (port: number, identities: Identities) => PeerProcess,
  { config, drops }: SessionOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const identities = await writeIdentities(stack);
  const { driver, relay, port } = await openSockets(stack, drops);
  const relayPort = await relay.start(port);
  const endpoint = new DtlsEndpoint(configOf("server", config), performance.now());
  driver.start(endpoint);
  const peer = startPeer(relayPort, identities);
  stack.defer(() => peer.stop());
  await use({ peer, driver, endpoint, relay });
}

/** Our client, and a peer that tells its port by printing it. */
export async function withPeerServer(
  startPeer: (identities: Identities) => PeerProcess | Promise<PeerProcess>,
  listening: RegExp,
  { config, drops }: SessionOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const identities = await writeIdentities(stack);
  const { driver, relay } = await openSockets(stack, drops);
  const peer = await startPeer(identities);
  stack.defer(() => peer.stop());
  const [, port] = await peer.waitFor(listening);
  const relayPort = await relay.start(Number(port));
  const endpoint = new DtlsEndpoint(configOf("client", config), performance.now());
  driver.start(endpoint, relayPort);
  await use({ peer, driver, endpoint, relay });
}

/** The handshake messages in the clear that a side sent, or their fragments. */
export function sentBy(relay: UdpRelay, from: Sender): HandshakeFragment[] {
  return relay.seen.filter((one) => one.from === from).flatMap(({ bytes }) => messagesIn(bytes));
}

async function openSockets(
  stack: AsyncDisposableStack,
  drops: SessionOptions["drops"],
): Promise<{ readonly driver: UdpDriver; readonly relay: UdpRelay; readonly port: number }> {
  const driver = new UdpDriver();
  const port = await driver.bind();
  stack.defer(() => driver.stop());
  const relay = new UdpRelay();
  if (drops !== undefined) relay.drops = drops;
  stack.defer(() => relay.stop());
  return { driver, relay, port };
}

async function writeIdentities(stack: AsyncDisposableStack): Promise<Identities> {
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const write = async (name: Sender, { certificatePem, privateKeyPem }: typeof clientIdentity) => {
    const [certificate, key] = [`${folder}/${name}.pem`, `${folder}/${name}.key`];
    await Deno.writeTextFile(certificate, certificatePem);
    await Deno.writeTextFile(key, privateKeyPem);
    return { certificate, key };
  };
  return {
    client: await write("client", clientIdentity),
    server: await write("server", serverIdentity),
  };
}
