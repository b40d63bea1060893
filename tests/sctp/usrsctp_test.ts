/** Against usrsctp, over UDP on loopback. Skipped, loudly, where it is not built. */
import { deepEqual, doesNotMatch, equal, ok } from "node:assert/strict";
import type { AssociationConfig } from "../../src/sctp/association.ts";
import { Tallies, type Tally } from "../peers/usrsctp/tally.ts";
import { hasUsrsctp, UsrsctpPeer } from "../peers/usrsctp/usrsctp_peer.ts";
import { Random } from "../sim/random.ts";
import { type Direction, UdpDriver } from "./udp_driver.ts";

const isBuilt = await hasUsrsctp();

const maxMessageLength = 262_144;
const transferLength = 10_000_000;
const streamCount = 8;
/** A TSN soon before they begin anew at 0. */
const lateTsn = 2 ** 32 - 50;
/** Where in a packet its first chunk is. */
const firstChunkAt = 12;
/** RFC 9260, section 3.3.4: a SACK, and where in its chunk its window is. */
const sackType = 3;
const sackWindowAt = 8;
const shutdownType = 7;
/** RFC 9260, section 3.3.10.12: User-Initiated Abort. */
const userInitiatedAbort = 12;

/** Who sends an INIT; where both do, they cross. */
const roles = ["we connect", "usrsctp connects", "both connect"] as const;
/** The chunks that carry data. */
const modes = ["DATA", "I-DATA"] as const;

interface SessionOptions {
  readonly role?: (typeof roles)[number];
  readonly mode?: (typeof modes)[number];
  /** The probability that a packet is lost, in either direction. */
  readonly loss?: number;
  /** A packet that is lost in any case: its place among all, from 0. */
  readonly lostIndex?: number;
  readonly config?: Partial<AssociationConfig>;
}

/** Both ends, up. */
interface Session {
  readonly peer: UsrsctpPeer;
  readonly driver: UdpDriver;
  readonly random: Random;
}

async function withPeer(
  { role = "we connect", mode = "I-DATA", loss = 0, lostIndex, config }: SessionOptions,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const random = new Random(`${role}, ${mode}, ${loss}`);
  const driver = new UdpDriver(config);
  const udpPort = await driver.bind();
  stack.defer(() => driver.stop());
  const losses = { out: random.fork("out"), in: random.fork("in") };
  let count = 0;
  const isLost = (direction: Direction) => losses[direction].chance(loss) || count++ === lostIndex;
  driver.drops = role === "both connect" ? connectAtFirst(driver, isLost) : isLost;
  const peer = startPeer({ role, mode, udpPort });
  stack.defer(() => peer.stop());
  const { port } = await peer.waitFor("bound");
  if (role === "we connect") driver.connect(port);
  const up = await peer.waitFor("up");
  equal(up.interleaving, mode === "I-DATA");
  ok(up.reconfiguration && up.partialReliability, "RFC 6525 and RFC 3758 are offered");
  await driver.waitUntil(() => driver.isUp, "the association is up");
  await use({ peer, driver, random });
  doesNotMatch(peer.printed, /reports an error|send failed/);
}

function startPeer(
  { role, mode, udpPort }: Required<Pick<SessionOptions, "role" | "mode">> & {
    readonly udpPort: number;
  },
): UsrsctpPeer {
  const isInterleaving = mode === "I-DATA";
  return role === "we connect"
    ? new UsrsctpPeer({ role: "listen", isInterleaving })
    : new UsrsctpPeer({ role: "connect", udpPort, isInterleaving });
}

/** Our INIT goes out when the peer's has come here, but has not been looked at. */
function connectAtFirst(driver: UdpDriver, isLost: UdpDriver["drops"]): UdpDriver["drops"] {
  return (direction, packet) => {
    driver.drops = isLost;
    driver.act((association, now) => association.connect(now));
    return isLost(direction, packet);
  };
}

/** A length: short ones are many, and the longest comes now and then. */
function lengthOf(random: Random): number {
  const limit = random.pick([4, 100, 1200, 3000, 16_384, 65_536, maxMessageLength, undefined]);
  return limit === undefined ? maxMessageLength : 1 + random.below(limit);
}

/** Sends a mixture of messages of so many bytes, as the streams have room; those of odd ones unordered. */
function sendMixture({ driver, random }: Session, length: number): Tallies {
  const sent = new Tallies();
  const block = random.bytes(2 * maxMessageLength);
  const room = 65_536;
  for (let id = 0; id < streamCount; id++) {
    driver.association.setBufferedAmountLowThreshold(id, room);
  }
  let streamId = 0;
  const sendOne = () => {
    const start = random.below(maxMessageLength);
    const end = start + Math.min(lengthOf(random), length - sent.length);
    const ppid = random.next32();
    sent.add(streamId, ppid, block, start, end);
    driver.send(streamId, ppid, block.subarray(start, end), { isUnordered: streamId % 2 === 1 });
    streamId = random.below(streamCount);
  };
  const sendSome = () => {
    while (sent.length < length && driver.association.bufferedAmount(streamId) <= room) sendOne();
  };
  driver.onBufferedAmountLow = sendSome;
  sendSome();
  return sent;
}

/** Carries so many bytes in both directions at once, and compares them. */
async function transfer(session: Session, length: number): Promise<void> {
  const { peer, driver, random } = session;
  const received = new Tallies();
  driver.onMessage = (...message) => received.add(...message);
  await peer.tell(`receive ${length}`);
  await peer.tell(`send ${1 + random.below(1000)} ${length} ${streamCount}`);
  const sent = sendMixture(session, length);
  await driver.waitUntil(() => received.length >= length, `${length} bytes come`);
  deepEqual(comparable(received.take()), comparable((await peer.waitFor("sent")).streams));
  deepEqual(comparable((await peer.waitFor("received")).streams), comparable(sent.take()));
  await holdsNothing(driver);
}

/** What the peer has and what we have read takes no memory here. */
async function holdsNothing(driver: UdpDriver): Promise<void> {
  await driver.waitUntil(() => driver.store.heldLength === 0, "all memory is given back");
}

/** Unordered messages have no order to compare. */
function comparable(tallies: readonly Tally[]): Tally[] {
  return tallies.map((tally) => tally.id % 2 === 1 ? { ...tally, chain: "" } : tally);
}

/** One message, from us to the peer, and what it says of it. */
async function say({ peer, driver }: Session, streamId: number, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  const sent = new Tallies();
  sent.add(streamId, 51, bytes, 0, bytes.length);
  await peer.tell(`receive ${bytes.length}`);
  driver.send(streamId, 51, bytes);
  deepEqual((await peer.waitFor("received")).streams, sent.take());
}

/** One message, from the peer to us on stream 0. */
async function hear({ peer, driver }: Session): Promise<void> {
  const received = new Tallies();
  driver.onMessage = (...message) => received.add(...message);
  await peer.tell("send 7 4 1");
  await driver.waitUntil(() => received.length === 4, "a message comes");
  deepEqual(received.take(), (await peer.waitFor("sent")).streams);
}

/** What came back of what was sent to a peer that echoes. */
interface Echo {
  readonly streamId: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
}

async function collectEchoes({ peer, driver }: Session): Promise<Echo[]> {
  const echoes: Echo[] = [];
  driver.onMessage = (streamId, ppid, bytes, start, end) => {
    echoes.push({ streamId, ppid, bytes: Uint8Array.from(bytes.subarray(start, end)) });
  };
  await peer.tell("echo");
  return echoes;
}

const usrsctp = (name: string, run: () => Promise<void>) =>
  Deno.test({ name: `usrsctp: ${name}`, ignore: !isBuilt, fn: run });

for (const role of roles) {
  for (const mode of modes) {
    usrsctp(
      `S3: 10 MB go both ways in ${mode} at 5 % loss, when ${role}`,
      () =>
        withPeer(
          { role, mode, loss: 0.05, config: { initialTsn: lateTsn } },
          (session) => transfer(session, transferLength),
        ),
    );
  }
}

/** How many packets set up an association. */
const setupCounts = { "we connect": 4, "usrsctp connects": 4, "both connect": 8 } as const;

for (const role of roles) {
  usrsctp(
    `S4: the association comes up, whichever packet of its setup is lost, when ${role}`,
    async () => {
      const indices = Array.from({ length: setupCounts[role] }, (_, index) => index);
      await Promise.all(
        indices.map((lostIndex) =>
          withPeer({ role, lostIndex }, async (session) => {
            await say(session, 0, "hello");
            await hear(session);
          })
        ),
      );
    },
  );
}

for (const mode of modes) {
  usrsctp(
    `messages of all lengths about a packet's come back in ${mode}`,
    () =>
      withPeer({ mode }, async (session) => {
        const { driver, random } = session;
        const echoes = await collectEchoes(session);
        const piece = driver.association.maxPieceLength;
        const lengths = [1, 2, 3, 4, 5, 65_535, 65_536, maxMessageLength - 1, maxMessageLength];
        for (const count of [1, 2, 3]) {
          for (const difference of [-4, -1, 0, 1, 4]) lengths.push(count * piece + difference);
        }
        for (const [at, length] of lengths.entries()) {
          const [streamId, ppid] = [at % 5, random.next32()];
          const bytes = random.bytes(length);
          driver.send(streamId, ppid, bytes, { isUnordered: at % 2 === 1 });
          await driver.waitUntil(() => echoes.length === 1, `${length} bytes come back`);
          deepEqual(echoes.pop(), { streamId, ppid, bytes });
        }
        await holdsNothing(driver);
      }),
  );

  usrsctp(
    `S13: what is given up is skipped in ${mode}, and what follows arrives`,
    () =>
      withPeer({ mode, loss: 0.1 }, async (session) => {
        const { driver, random } = session;
        const echoes = await collectEchoes(session);
        for (let count = 0; count < 300; count++) {
          const bytes = random.bytes(lengthOf(random) % 20_000 + 1);
          const isUnordered = count % 4 === 0;
          driver.send(count % 3, 0, bytes, { isUnordered, maxRetransmissions: 0 });
        }
        for (const streamId of [0, 1, 2]) driver.send(streamId, 1, random.bytes(10));
        const lastOnes = () => echoes.filter(({ ppid }) => ppid === 1);
        await driver.waitUntil(() => lastOnes().length === 3, "the last of each stream comes back");
        ok(echoes.length < 303, "something was given up");
        await holdsNothing(driver);
      }),
  );

  usrsctp(
    `S14: a stream that either end resets begins anew in ${mode}`,
    () =>
      withPeer({ mode, loss: 0.05 }, async (session) => {
        const { peer, driver } = session;
        for (let round = 1; round <= 10; round++) {
          await say(session, 0, `round ${round}`);
          await hear(session);
          driver.act((association) => association.resetStream(0));
          await peer.tell("reset 0");
          await driver.waitUntil(() => driver.outgoingResets.length === round, "ours is reset");
          await driver.waitUntil(() => driver.incomingResets.length === round, "theirs is reset");
          const resets = [await peer.waitFor("reset"), await peer.waitFor("reset")];
          const directions = resets.map(({ direction }) => direction);
          deepEqual(directions.toSorted((one, other) => one < other ? -1 : 1), [
            "incoming",
            "outgoing",
          ]);
          for (const { result, streams } of resets) {
            deepEqual([result, streams], ["performed", [0]]);
          }
        }
        deepEqual([...new Set([...driver.outgoingResets, ...driver.incomingResets])], [0]);
      }),
  );
}

usrsctp(
  "S14: a reset takes effect after all that was sent before it, and leaves other streams",
  () =>
    withPeer({ loss: 0.05 }, async (session) => {
      const { peer, driver } = session;
      await say(session, 3, "kept");
      const sent = new Tallies();
      const bytes = session.random.bytes(maxMessageLength);
      await peer.tell(`receive ${4 * bytes.length}`);
      for (let count = 0; count < 4; count++) {
        sent.add(2, 0, bytes, 0, bytes.length);
        driver.send(2, 0, bytes);
      }
      driver.act((association) => association.resetStream(2));
      deepEqual((await peer.waitFor("received")).streams, sent.take());
      deepEqual((await peer.waitFor("reset")).streams, [2]);
      await say(session, 2, "from the beginning");
      await say(session, 3, "went on");
    }),
);

usrsctp("S12: we send DATA to a peer that could interleave, where we do not offer it", async () => {
  const driver = new UdpDriver({ isInterleavingOffered: false });
  const peer = new UsrsctpPeer({ role: "listen", isInterleaving: true });
  try {
    await driver.bind();
    driver.connect((await peer.waitFor("bound")).port);
    equal((await peer.waitFor("up")).interleaving, false);
    await say({ peer, driver, random: new Random(1) }, 0, "hello");
  } finally {
    await peer.stop();
    await driver.stop();
  }
});

usrsctp(
  "S9: we wait while the peer does not read, and go on once it does",
  () =>
    withPeer({}, async (session) => {
      const { peer, driver } = session;
      let peerWindow = Infinity;
      driver.drops = (direction, packet) => {
        if (direction === "in") peerWindow = windowIn(packet) ?? peerWindow;
        return false;
      };
      await peer.tell("pause");
      const sent = sendMixture(session, transferLength);
      await driver.waitUntil(() => peerWindow < 1_000, "the peer's window closes");
      ok(sent.length < transferLength);
      await peer.tell(`receive ${transferLength}`);
      await peer.tell("resume");
      deepEqual(comparable((await peer.waitFor("received")).streams), comparable(sent.take()));
      await holdsNothing(driver);
    }),
);

usrsctp(
  "S9: the peer waits while we do not read, and goes on once we do",
  () =>
    withPeer({ config: { receiveWindow: 4 * 1024 * 1024 } }, async ({ peer, driver }) => {
      const window = 4 * 1024 * 1024;
      const received = new Tallies();
      let ownWindow = Infinity;
      driver.drops = (direction, packet) => {
        if (direction === "out") ownWindow = windowIn(packet) ?? ownWindow;
        return false;
      };
      driver.onMessage = (...message) => {
        received.add(...message);
        driver.act((association) => association.setUnreadLength(received.length));
      };
      await peer.tell(`send 3 ${transferLength} ${streamCount}`);
      await driver.waitUntil(() => ownWindow === 0, "our window closes");
      ok(received.length <= window && received.length < transferLength);
      driver.onMessage = (...message) => received.add(...message);
      driver.act((association) => association.setUnreadLength(0));
      await driver.waitUntil(() => received.length === transferLength, "the rest comes");
      deepEqual(
        comparable(received.take()),
        comparable((await peer.waitFor("sent")).streams),
      );
    }),
);

/** The receive window that a packet tells, where its first chunk is a SACK. */
function windowIn(packet: Uint8Array): number | undefined {
  if (packet[firstChunkAt] !== sackType) return undefined;
  return new DataView(packet.buffer, packet.byteOffset).getUint32(firstChunkAt + sackWindowAt);
}

usrsctp(
  "we end in order, and what was sent before arrives",
  () =>
    withPeer({ loss: 0.05 }, async (session) => {
      const { peer, driver } = session;
      await peer.tell("receive 1000000");
      const sent = new Tallies();
      const bytes = session.random.bytes(250_000);
      for (const streamId of [0, 2, 4, 6]) {
        sent.add(streamId, 7, bytes, 0, bytes.length);
        driver.send(streamId, 7, bytes);
      }
      driver.act((association, now) => association.shutdown(now));
      deepEqual((await peer.waitFor("received")).streams, sent.take());
      await peer.waitFor("peer shuts down");
      equal((await driver.waitForEnd()).code, "shutdown");
      await peer.waitFor("closed");
      equal(driver.store.heldLength, 0);
    }),
);

usrsctp(
  "the peer ends in order, and what either sent before arrives",
  () =>
    withPeer({ loss: 0.05 }, async (session) => {
      const { peer, driver } = session;
      const received = new Tallies();
      driver.onMessage = (...message) => received.add(...message);
      const bytes = session.random.bytes(maxMessageLength);
      const sent = new Tallies();
      sent.add(0, 7, bytes, 0, bytes.length);
      await peer.tell(`receive ${bytes.length}`);
      driver.send(0, 7, bytes);
      await peer.tell(`send 5 1000000 ${streamCount}`);
      await peer.tell("shutdown");
      equal((await driver.waitForEnd()).code, "shutdown");
      equal(received.length, 1_000_000);
      deepEqual(comparable(received.take()), comparable((await peer.waitFor("sent")).streams));
      deepEqual((await peer.waitFor("received")).streams, sent.take());
      await peer.waitFor("closed");
      equal(driver.store.heldLength, 0);
    }),
);

usrsctp("both end in order at once", () =>
  withPeer({}, async ({ peer, driver }) => {
    // The peer's SHUTDOWN has been sent when ours is, and neither has been seen.
    driver.drops = (direction, packet) => {
      if (direction === "out" || packet[firstChunkAt] !== shutdownType) return false;
      driver.drops = () => false;
      driver.act((association, now) => association.shutdown(now));
      return false;
    };
    await peer.tell("shutdown");
    equal((await driver.waitForEnd()).code, "shutdown");
    await peer.waitFor("closed");
  }));

usrsctp(
  "S21: the peer learns that we end at once, and why",
  () =>
    withPeer({}, async ({ peer, driver }) => {
      driver.act((association, now) => association.abort("had enough", now));
      equal((await driver.waitForEnd()).code, "aborted");
      deepEqual(await peer.waitFor("lost"), {
        event: "lost",
        error: userInitiatedAbort,
        reason: "had enough",
      });
    }),
);

usrsctp(
  "S21: we learn that the peer ends at once, and why",
  () =>
    withPeer({}, async ({ peer, driver }) => {
      await peer.tell("abort had enough");
      const { code, reason } = await driver.waitForEnd();
      equal(code, "peer-aborted");
      ok(reason.includes("had enough"), reason);
    }),
);

usrsctp(
  "S3: a peer that begins anew ends the association",
  () =>
    withPeer({ role: "usrsctp connects" }, async (session) => {
      const { peer, driver } = session;
      await say(session, 0, "hello");
      await peer.stop();
      const again = startPeer({ role: "usrsctp connects", mode: "I-DATA", udpPort: driver.port });
      try {
        equal((await driver.waitForEnd()).code, "restarted");
      } finally {
        await again.stop();
      }
    }),
);
