/** Offers and requests without measure (reliability row I4). */
import { equal, ok } from "node:assert/strict";
import type { Candidate } from "../../src/ice/candidate.ts";
import { shortTermKey } from "../../src/ice/stun/integrity.ts";
import { writeStunMessage } from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { Random } from "../sim/random.ts";
import { addressOfZ, createTwoPeers, linkTwoPeers } from "./two_peers.ts";

const addresses = ["203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14"];

function strayCandidate(number: number): Candidate {
  return {
    foundation: String(number),
    component: 1,
    transport: "udp",
    priority: 2 ** 30 + number,
    address: `198.18.${number >> 8}.${number & 255}`,
    port: 1_000 + number,
    type: "host",
  };
}

Deno.test("of 40 candidates that are told, 32 are taken", () => {
  const { world, a } = createTwoPeers();
  const refusals = Array.from(
    { length: 40 },
    (_, number) => a.agent.addRemoteCandidate(strayCandidate(number), world.now),
  );
  equal(refusals.filter((reason) => reason === undefined).length, 32);
  equal(refusals.at(-1), "there are too many");
});

Deno.test("an offer of 10,000 candidates makes 100 pairs, and 20 packets a second", () => {
  const { world, a, z } = createTwoPeers({ a: { addresses } });
  const sentAt: number[] = [];
  const sentTo = new Set<string>();
  a.onSend = (_bytes, { address, port }) => {
    sentAt.push(world.now);
    sentTo.add(`${address}:${port}`);
  };
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  for (let number = 0; number < 10_000; number++) {
    a.agent.addRemoteCandidate(strayCandidate(number), world.now);
  }
  a.agent.endOfRemoteCandidates(world.now);
  equal(a.agent.pairs().length, 100);
  world.runFor(120_000);
  equal(a.agent.pairs().length, 100);
  ok(sentTo.size <= 32, `${sentTo.size} addresses`);
  for (const [at, instant] of sentAt.entries()) {
    const later = sentAt[at + 20];
    if (later !== undefined) ok(later - instant >= 1_000 - 1e-6, `21 packets by ${later}`);
  }
  equal(a.agent.state, "failed");
});

Deno.test("memory stays where it is, however many candidates come", () => {
  const { world, a, z } = createTwoPeers({ a: { addresses } });
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  const fill = (from: number) => {
    for (let number = from; number < from + 50_000; number++) {
      a.agent.addRemoteCandidate(strayCandidate(number), world.now);
    }
  };
  fill(0);
  const before = Deno.memoryUsage().heapUsed;
  for (let round = 1; round <= 6; round++) fill(round * 50_000);
  const grown = Deno.memoryUsage().heapUsed - before;
  ok(grown < 32 * 2 ** 20, `${grown} bytes more`);
  equal(a.agent.pairs().length, 100);
});

Deno.test("of 1,000 addresses that the peer checks from, a few are kept", () => {
  const { world, a, z } = linkTwoPeers();
  const random = new Random("peer-reflexive");
  const { ufrag, pwd } = a.agent.localCredentials;
  const path = a.path?.destination;
  for (let count = 0; count < 1_000; count++) {
    const bytes = writeStunMessage({
      messageClass: "request",
      method: methods.binding,
      transactionId: random.bytes(12),
      attributes: {
        username: `${ufrag}:${z.agent.localCredentials.ufrag}`,
        priority: 2 ** 31 - 1,
      },
    }, { key: shortTermKey(pwd) });
    a.receive(1, { address: `198.18.0.${count & 255}`, port: 1_000 + count }, bytes);
  }
  ok(a.agent.pairs().length <= 9, `${a.agent.pairs().length} pairs`);
  const sentBefore = a.sentCount;
  world.runFor(10_000);
  ok(a.sentCount - sentBefore <= 200);
  equal(a.path?.destination.address, path?.address);
  ok(a.sendData("still here"));
});

Deno.test("a path that was learned is not forgotten for checks that are repeated from elsewhere", () => {
  const { world, a, z } = createTwoPeers();
  z.tellCredentials(a, 0);
  a.signalTo(z, 0);
  const checks: Uint8Array[] = [];
  z.onSend = (bytes) => checks.push(bytes);
  ok(world.runUntil(() => a.path !== undefined && z.path !== undefined, 5_000));
  world.runFor(2_000);
  const check = checks.find((bytes) => bytes[0] === 0 && bytes[1] === 1) ?? new Uint8Array(0);
  for (let count = 0; count < 50; count++) {
    a.receive(1, { address: "198.18.0.1", port: 1_000 + count }, check);
  }
  equal(a.path?.destination.address, addressOfZ);
  ok(a.agent.pairs().length <= 9);
  world.runFor(60_000);
  equal(a.path?.destination.address, addressOfZ);
});

Deno.test("of 1,000 checks that come at once, a few are answered", () => {
  const { world, a, z } = linkTwoPeers();
  const { ufrag, pwd } = a.agent.localCredentials;
  const username = `${ufrag}:${z.agent.localCredentials.ufrag}`;
  const random = new Random("burst");
  const before = a.sentCount;
  for (let count = 0; count < 1_000; count++) {
    const bytes = writeStunMessage({
      messageClass: "request",
      method: methods.binding,
      transactionId: random.bytes(12),
      attributes: { username, priority: 1 },
    }, { key: shortTermKey(pwd) });
    a.agent.handleDatagram(
      1,
      { address: addressOfZ, port: 5_000 },
      bytes,
      0,
      bytes.length,
      world.now,
    );
  }
  a.drain();
  const sentCount = a.sentCount - before;
  ok(sentCount >= 64 && sentCount <= 65, `${sentCount} datagrams`);
});

Deno.test("nothing is ever sent but to the peer's candidates and where it has checked from", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, a, z } = createTwoPeers({ seed, loss: 0.1, a: { addresses } });
    const allowed = new Set<string>();
    world.network.onSend = ({ source, destination }) => {
      if (source.address.startsWith("203.0.113.1") && source.address !== addressOfZ) {
        ok(allowed.has(`${destination.address}:${destination.port}`), destination.address);
      }
    };
    allowed.add(`${addressOfZ}:5000`);
    world.connect(a, z);
    const stray = strayCandidate(seed);
    world.later(1_000, () => {
      allowed.add(`${stray.address}:${stray.port}`);
      a.agent.addRemoteCandidate(stray, world.now);
    });
    world.runFor(20_000);
    ok(a.path !== undefined);
  }
});
