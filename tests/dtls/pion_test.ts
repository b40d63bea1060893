/** Against pion/dtls, in both roles. Skipped, loudly, where it is not built. */
import { equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { cipherSuiteNames } from "../../src/dtls/cipher_suite.ts";
import type { NamedGroup } from "../../src/dtls/handshake_crypto.ts";
import { namedGroups } from "../../src/dtls/named_group.ts";
import { contentTypes } from "../../src/dtls/record.ts";
import {
  type Identities,
  sentBy,
  type Session,
  type SessionOptions,
  withPeerClient,
  withPeerServer,
} from "../peers/dtls_session.ts";
import { isInstalled, PeerProcess } from "../peers/peer_process.ts";
import type { RelayedDatagram, Sender } from "../peers/udp_relay.ts";
import { Random } from "../sim/random.ts";
import { bytesOf } from "./pair.ts";

const program = fileURLToPath(new URL("../peers/bin/pion_dtls", import.meta.url));
const hasPion = await isInstalled(program, ["-help"], "DTLS");

/** pion's names. */
const curveNames: Readonly<Record<NamedGroup, string>> = {
  x25519: "X25519",
  secp256r1: "P-256",
};

interface PionOptions extends SessionOptions {
  readonly args?: readonly string[];
}

function identityArguments(identities: Identities, own: Sender, other: Sender): string[] {
  const { certificate, key } = identities[own];
  return ["-certificate", certificate, "-key", key, "-peer", identities[other].certificate];
}

/** Our server and pion's client. */
function withClient(
  { args = [], ...rest }: PionOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const start = (port: number, identities: Identities) =>
    new PeerProcess(program, [
      "-connect",
      `127.0.0.1:${port}`,
      ...identityArguments(identities, "client", "server"),
      ...args,
    ]);
  return withPeerClient(start, rest, use);
}

/** pion's server and our client. */
function withServer(
  { args = [], ...rest }: PionOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const start = (identities: Identities) =>
    new PeerProcess(program, [...identityArguments(identities, "server", "client"), ...args]);
  return withPeerServer(start, /listening on 127\.0\.0\.1:(\d+)/, rest, use);
}

/** Both ways round. */
const roles = [
  { title: "pion's client talks to our server", run: withClient, ours: "server" },
  { title: "our client talks to pion's server", run: withServer, ours: "client" },
] as const;

/** Both ends are connected, and agree on how. */
async function connect({ peer, driver }: Session): Promise<void> {
  const { cipherSuite } = await driver.waitFor("connected");
  const [, suite] = await peer.waitFor(/connected with (\w+)/);
  equal(suite, cipherSuite);
}

/** Connects, has something echoed, and has pion close. */
async function talk(session: Session): Promise<void> {
  const { driver } = session;
  await connect(session);
  driver.send(bytesOf("hello, hello"));
  const { bytes } = await driver.waitFor("data");
  equal(new TextDecoder().decode(bytes), "hello, hello");
  driver.send(bytesOf("bye"));
  equal((await driver.waitFor("ended")).code, "peer-closed");
}

const pion = (name: string, run: () => Promise<void>) =>
  Deno.test({ name: `pion: ${name}`, ignore: !hasPion, fn: run });

/** Too small for a certificate. */
const smallMtu = 256;

/** No datagram of ours is beyond the MTU; pion's may be, which does not count the headers. */
function checkLengths({ relay }: Session, ours: Sender, mtu: number): void {
  for (const { bytes } of relay.seen.filter(({ from }) => from === ours)) {
    ok(bytes.length <= mtu, `${bytes.length} bytes`);
  }
  if (mtu > smallMtu) return;
  for (const from of ["client", "server"] as const) {
    ok(sentBy(relay, from).some(({ body, length }) => body.length < length), `${from} cut nothing`);
  }
}

for (const { title, run, ours } of roles) {
  for (const suite of cipherSuiteNames) {
    pion(`${title} with ${suite}`, () =>
      run({ args: ["-suite", suite] }, async (session) => {
        await talk(session);
        equal((await session.driver.waitFor("connected")).cipherSuite, suite);
      }));
  }

  for (const group of namedGroups) {
    pion(
      `${title} with ${group}`,
      () =>
        run({ args: ["-curve", curveNames[group]] }, async (session) => {
          await talk(session);
          equal((await session.driver.waitFor("connected")).group, group);
        }),
    );
  }

  for (const mtu of [smallMtu, 576, 1_200]) {
    pion(
      `D18: ${title} with an MTU of ${mtu}`,
      () =>
        run({ args: ["-mtu", `${mtu}`], config: { mtu } }, async (session) => {
          await talk(session);
          checkLengths(session, ours, mtu);
        }),
    );
  }
}

pion(
  "D20: our client answers the HelloVerifyRequest of pion's server",
  () =>
    withServer({}, async (session) => {
      await talk(session);
      equal(sentBy(session.relay, "server")[0]?.type, "HelloVerifyRequest");
    }),
);

pion(
  "our client does without a HelloVerifyRequest, as pion's server has it in WebRTC",
  () =>
    withServer({ args: ["-skip-cookie"] }, async (session) => {
      await talk(session);
      equal(sentBy(session.relay, "server")[0]?.type, "ServerHello");
    }),
);

pion("D25: pion hears our side close, in either role", async () => {
  for (const { run } of roles) {
    await run({}, async (session) => {
      await connect(session);
      session.endpoint.close();
      session.driver.pump();
      await session.peer.waitFor(/closed by the other end/);
    });
  }
});

pion(
  "D7: pion's client is refused where its fingerprint is not the one announced",
  () =>
    withClient(
      { config: { peer: { fingerprints: [{ algorithm: "sha-256", value: new Uint8Array(32) }] } } },
      async ({ driver, peer }) => {
        equal((await driver.waitFor("ended")).code, "peer-refused");
        await peer.waitFor(/failed: handshake: .*BadCertificate/);
      },
    ),
);

const lossShare = 0.1;
const lossSeeds = [1, 2, 3, 4, 5];
const payloads = Array.from({ length: 50 }, (_, number) => `number ${number}`);

/** Drops datagrams, each way by a sequence of its own. */
function lossy(random: Random): (datagram: RelayedDatagram) => boolean {
  const lanes = { client: random.fork("client"), server: random.fork("server") };
  return ({ from }) => lanes[from].chance(lossShare);
}

/**
 * Connects through losses, and has numbers echoed through losses. What comes back was sent, and
 * comes once. Returns how many came.
 */
async function talkThroughLoss(session: Session, ours: Sender): Promise<number> {
  const { driver, relay } = session;
  await connect(session);

  const isLost = relay.drops;
  const isData = ({ bytes }: RelayedDatagram) => bytes[0] === contentTypes.applicationData;
  const allWent = Promise.withResolvers<void>();
  let restCount = payloads.length;
  relay.drops = (datagram) => {
    if (datagram.from === ours && isData(datagram) && --restCount === 0) allWent.resolve();
    return isLost(datagram);
  };
  for (const text of payloads) driver.send(bytesOf(text));
  await allWent.promise;

  // What asks to close, and what closes, is not sent again.
  relay.drops = (datagram) => datagram.from !== ours && isData(datagram) && isLost(datagram);
  driver.send(bytesOf("bye"));
  equal((await driver.waitFor("ended")).code, "peer-closed");

  const echoed = driver.events.flatMap((event) =>
    event.type === "data" ? [new TextDecoder().decode(event.bytes)] : []
  );
  ok(echoed.every((text) => payloads.includes(text)));
  equal(new Set(echoed).size, echoed.length);
  return echoed.length;
}

for (const { title, run, ours } of roles) {
  for (const mtu of [smallMtu, 576, 1_200]) {
    pion(`D19: ${title} where one datagram in ten is lost, with an MTU of ${mtu}`, async () => {
      let echoedCount = 0;
      for (const seed of lossSeeds) {
        const args = ["-mtu", `${mtu}`, "-interval", "100ms"];
        const drops = lossy(new Random(seed).fork(`${ours} ${mtu}`));
        await run({ args, config: { mtu }, drops }, async (session) => {
          echoedCount += await talkThroughLoss(session, ours);
        });
      }
      ok(echoedCount > 0 && echoedCount < lossSeeds.length * payloads.length);
    });
  }
}
