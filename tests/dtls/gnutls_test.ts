/** Against the gnutls-cli and gnutls-serv programs. Skipped, loudly, where there are none. */
import { equal, match, ok } from "node:assert/strict";
import { type CipherSuiteName, cipherSuiteNames } from "../../src/dtls/cipher_suite.ts";
import type { NamedGroup } from "../../src/dtls/handshake_crypto.ts";
import { namedGroups } from "../../src/dtls/named_group.ts";
import {
  type Identities,
  sentBy,
  type Session,
  type SessionOptions,
  withPeerClient,
  withPeerServer,
} from "../peers/dtls_session.ts";
import { isInstalled, PeerProcess } from "../peers/peer_process.ts";
import { findFreeUdpPort, type Sender, type UdpRelay } from "../peers/udp_relay.ts";
import { bytesOf } from "./pair.ts";

const hasGnutls = await isInstalled("gnutls-serv", ["--version"], "DTLS");

/** GnuTLS's names. */
const ciphers: Readonly<Record<CipherSuiteName, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "AES-128-GCM",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "AES-256-GCM",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "CHACHA20-POLY1305",
};
const groupNames: Readonly<Record<NamedGroup, string>> = {
  x25519: "X25519",
  secp256r1: "SECP256R1",
};

interface GnutlsOptions extends SessionOptions {
  readonly args?: readonly string[];
  readonly priority?: string;
  /** Whose certificate it shows, if any. */
  readonly shows?: "client" | "server" | "nobody";
  /** Whose certificate it trusts, instead of ours. */
  readonly trusts?: "client" | "server";
}

function identityArguments(
  identities: Identities,
  { shows, trusts }: Required<Pick<GnutlsOptions, "shows" | "trusts">>,
): string[] {
  const trusted = ["--x509cafile", identities[trusts].certificate];
  if (shows === "nobody") return trusted;
  const { certificate, key } = identities[shows];
  return [...trusted, "--x509certfile", certificate, "--x509keyfile", key];
}

/** Our server and gnutls-cli. */
function withClient(
  { args = [], priority = "NORMAL", shows = "client", trusts = "server", ...rest }: GnutlsOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const start = (port: number, identities: Identities) =>
    new PeerProcess("gnutls-cli", [
      "--udp",
      "--port",
      `${port}`,
      "--priority",
      priority,
      "--verify-hostname",
      "server",
      ...identityArguments(identities, { shows, trusts }),
      ...args,
      "127.0.0.1",
    ]);
  return withPeerClient(start, rest, use);
}

/** gnutls-serv, which echoes, and our client. */
function withServer(
  { args = [], priority = "NORMAL", shows = "server", trusts = "client", ...rest }: GnutlsOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const start = async (identities: Identities) =>
    new PeerProcess("gnutls-serv", [
      "--udp",
      "--echo",
      "--port",
      `${await findFreeUdpPort()}`,
      "--priority",
      priority,
      "--require-client-cert",
      "--verify-client-cert",
      ...identityArguments(identities, { shows, trusts }),
      ...args,
    ]);
  return withPeerServer(start, /listening on IPv4 \S+ port (\d+)\.\.\.done/, rest, use);
}

/** Connects to gnutls-cli, and says something each way. */
async function talkToClient({ peer, driver }: Session): Promise<void> {
  await driver.waitFor("connected");
  await peer.waitFor(/Handshake was completed/);
  match(peer.printed, /The certificate is trusted/);
  match(peer.printed, /Successfully sent 1 certificate/);
  match(peer.printed, /extended master secret, safe renegotiation/);
  driver.send(bytesOf("hello from us\n"));
  await peer.waitFor(/hello from us/);
  await peer.write("hello from gnutls\n");
  const { bytes } = await driver.waitFor("data");
  equal(new TextDecoder().decode(bytes), "hello from gnutls\n");
}

/** Connects to gnutls-serv, and has it echo something. */
async function talkToServer({ driver }: Session): Promise<void> {
  await driver.waitFor("connected");
  driver.send(bytesOf("hello, hello\n"));
  const { bytes } = await driver.waitFor("data");
  equal(new TextDecoder().decode(bytes), "hello, hello\n");
}

const gnutls = (name: string, run: () => Promise<void>) =>
  Deno.test({ name: `gnutls: ${name}`, ignore: !hasGnutls, fn: run });

gnutls(
  "gnutls-cli talks to our server, each with its defaults",
  () => withClient({}, talkToClient),
);
gnutls(
  "our client talks to gnutls-serv, each with its defaults",
  () => withServer({}, talkToServer),
);

for (const suite of cipherSuiteNames) {
  const only = { priority: `NORMAL:-CIPHER-ALL:+${ciphers[suite]}` };

  gnutls(`gnutls-cli talks to our server with ${suite}`, () =>
    withClient(only, async (session) => {
      await talkToClient(session);
      match(session.peer.printed, new RegExp(`\\(DTLS1\\.2-X\\.509\\).*\\(${ciphers[suite]}\\)`));
      equal((await session.driver.waitFor("connected")).cipherSuite, suite);
    }));

  gnutls(
    `our client talks to gnutls-serv with ${suite}`,
    () =>
      withServer(only, async (session) => {
        await talkToServer(session);
        equal((await session.driver.waitFor("connected")).cipherSuite, suite);
      }),
  );
}

for (const group of namedGroups) {
  const only = { priority: `NORMAL:-GROUP-ALL:+GROUP-${groupNames[group]}` };

  gnutls(`gnutls-cli talks to our server with ${group}`, () =>
    withClient(only, async (session) => {
      await talkToClient(session);
      match(session.peer.printed, new RegExp(`\\(ECDHE-${groupNames[group]}\\)`));
      equal((await session.driver.waitFor("connected")).group, group);
    }));

  gnutls(
    `our client talks to gnutls-serv with ${group}`,
    () =>
      withServer(only, async (session) => {
        await talkToServer(session);
        equal((await session.driver.waitFor("connected")).group, group);
      }),
  );
}

gnutls(
  "D20: our client answers the HelloVerifyRequest of gnutls-serv",
  () =>
    withServer({}, async (session) => {
      await talkToServer(session);
      equal(sentBy(session.relay, "server")[0]?.type, "HelloVerifyRequest");
    }),
);

gnutls(
  "our client does without a HelloVerifyRequest where gnutls-serv sends none",
  () =>
    withServer({ args: ["--nocookie"] }, async (session) => {
      await talkToServer(session);
      equal(sentBy(session.relay, "server")[0]?.type, "ServerHello");
    }),
);

/** Too small for a certificate, and not the same for both. */
const ourMtu = 256;
const gnutlsMtu = 300;
const smallMtu = { args: ["--mtu", `${gnutlsMtu}`], config: { mtu: ourMtu } };

/** Both sides cut messages, and neither sends a datagram beyond its MTU. */
function checkLengths(relay: UdpRelay, mtu: Readonly<Record<Sender, number>>): void {
  for (const from of ["client", "server"] as const) {
    ok(sentBy(relay, from).some(({ body, length }) => body.length < length), `${from} cut nothing`);
    for (const { bytes } of relay.seen.filter((one) => one.from === from)) {
      ok(bytes.length <= mtu[from], `${from} sent ${bytes.length} bytes`);
    }
  }
}

gnutls(
  "D18: gnutls-cli with a small MTU talks to our server",
  () =>
    withClient(smallMtu, async (session) => {
      await talkToClient(session);
      checkLengths(session.relay, { client: gnutlsMtu, server: ourMtu });
    }),
);

gnutls(
  "D18: our client talks to gnutls-serv with a small MTU",
  () =>
    withServer(smallMtu, async (session) => {
      await talkToServer(session);
      checkLengths(session.relay, { client: ourMtu, server: gnutlsMtu });
    }),
);

gnutls(
  "D2: gnutls-cli without a certificate is refused",
  () =>
    withClient({ shows: "nobody" }, async ({ peer, driver }) => {
      equal((await driver.waitFor("ended")).code, "peer-refused");
      await peer.waitFor(/Received alert \[40\]: Handshake failed/);
    }),
);

gnutls(
  "D7: gnutls-cli is refused where its fingerprint is not the one announced",
  () =>
    withClient({ shows: "server" }, async ({ peer, driver }) => {
      equal((await driver.waitFor("ended")).code, "peer-refused");
      await peer.waitFor(/Received alert \[42\]: Certificate is bad/);
    }),
);

gnutls(
  "our server hears that gnutls-cli does not trust its certificate",
  () =>
    withClient({ trusts: "client" }, async ({ peer, driver }) => {
      await peer.waitFor(/NOT trusted/);
      equal((await driver.waitFor("ended")).code, "peer-alert");
    }),
);

gnutls(
  "our client hears that gnutls-serv does not trust its certificate",
  () =>
    withServer({ trusts: "server" }, async ({ driver }) => {
      equal((await driver.waitFor("ended")).code, "peer-alert");
    }),
);

gnutls("D25: our server hears gnutls-cli close", () =>
  withClient({}, async (session) => {
    await talkToClient(session);
    await session.peer.closeInput();
    equal((await session.driver.waitFor("ended")).code, "peer-closed");
  }));

gnutls("D25: gnutls-cli hears our server close", () =>
  withClient({}, async (session) => {
    await talkToClient(session);
    session.endpoint.close();
    session.driver.pump();
    await session.peer.waitFor(/Peer has closed the GnuTLS connection/);
  }));
