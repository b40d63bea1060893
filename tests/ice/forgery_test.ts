/** What those who have no password can do: nothing (reliability rows F1, I1, I2). */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { IceAgent } from "../../src/ice/ice_agent.ts";
import type { TransportAddress } from "../../src/ice/stun/address.ts";
import type { StunAttributes } from "../../src/ice/stun/attributes.ts";
import { integrityOf, shortTermKey } from "../../src/ice/stun/integrity.ts";
import { parseStunMessage, writeStunMessage } from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { Random } from "../sim/random.ts";
import type { IcePeer } from "./ice_world.ts";
import { addressOfA, addressOfZ, areLinked, createTwoPeers, linkTwoPeers } from "./two_peers.ts";

const attacker: TransportAddress = { address: "198.51.100.66", port: 6666 };
const baseOfA = 1;

function requestOf(attributes: StunAttributes, random: Random, key?: Uint8Array): Uint8Array {
  return writeStunMessage({
    messageClass: "request",
    method: methods.binding,
    transactionId: random.bytes(12),
    attributes,
  }, { key });
}

/** All that an outsider may see change. */
function snapshot(agent: IceAgent): unknown {
  return { role: agent.role, state: agent.state, pairs: agent.pairs(), path: agent.selectedPath() };
}

/** Gives the datagram to A; returns how many datagrams A sends for it. */
function inject(peer: IcePeer, source: TransportAddress, bytes: Uint8Array): number {
  const before = peer.sentCount;
  peer.receive(baseOfA, source, bytes);
  return peer.sentCount - before;
}

Deno.test("200 requests without integrity change nothing, and nobody answers (F1)", () => {
  for (const isLinked of [true, false]) {
    const { a, z, world } = isLinked ? linkTwoPeers() : createTwoPeers();
    if (!isLinked) a.tellCredentials(z, 0);
    world.runFor(10);
    const { ufrag } = a.agent.localCredentials;
    const random = new Random("F1");
    const before = snapshot(a.agent);
    for (let count = 0; count < 200; count++) {
      const port = 1_000 + count;
      const username = [`${ufrag}:${z.agent.localCredentials.ufrag}`, `${ufrag}:x`, "wrong:wrong"];
      const bytes = requestOf({
        username: username[count % 3] ?? "",
        priority: 2 ** 31 - 1,
        useCandidate: true,
        ...(count % 2 === 0 ? { iceControlling: 2n ** 64n - 1n } : { iceControlled: 0n }),
      }, random);
      equal(inject(a, { address: attacker.address, port }, bytes), 0);
    }
    deepEqual(snapshot(a.agent), before);
    equal(a.agent.droppedCount, 200);
  }
});

Deno.test("a request is answered by its password only: not by another, the peer's, or none", () => {
  const { a, z } = linkTwoPeers();
  const random = new Random("passwords");
  const { ufrag, pwd } = a.agent.localCredentials;
  const peers = z.agent.localCredentials;
  const username = `${ufrag}:${peers.ufrag}`;
  const before = snapshot(a.agent);
  const wrong = [peers.pwd, pwd.slice(1), "", `${pwd}x`].map(shortTermKey);
  for (const key of wrong) {
    equal(inject(a, attacker, requestOf({ username, priority: 1 }, random, key)), 0);
  }
  const right = shortTermKey(pwd);
  const names = ["", ufrag, `${ufrag}:`, `${peers.ufrag}:${ufrag}`, `x${username}`, `${username}x`];
  for (const name of names) {
    equal(inject(a, attacker, requestOf({ username: name, priority: 1 }, random, right)), 0, name);
  }
  equal(inject(a, attacker, requestOf({ priority: 1 }, random, right)), 0);
  deepEqual(snapshot(a.agent), before);
  ok(inject(a, attacker, requestOf({ username, priority: 1 }, random, right)) > 0);
});

Deno.test("a request with a nomination but no integrity moves no path", () => {
  const { a, z } = linkTwoPeers();
  const random = new Random("nomination");
  const username = `${z.agent.localCredentials.ufrag}:${a.agent.localCredentials.ufrag}`;
  const before = snapshot(z.agent);
  for (const source of [attacker, { address: addressOfA, port: 5_000 }]) {
    const attributes = { username, priority: 1, useCandidate: true, iceControlling: 7n } as const;
    equal(inject(z, source, requestOf(attributes, random)), 0);
  }
  deepEqual(snapshot(z.agent), before);
});

Deno.test("what is put behind MESSAGE-INTEGRITY says nothing", () => {
  const { a, z } = linkTwoPeers();
  const { ufrag, pwd } = z.agent.localCredentials;
  const username = `${ufrag}:${a.agent.localCredentials.ufrag}`;
  const signed = writeStunMessage({
    messageClass: "request",
    method: methods.binding,
    transactionId: new Uint8Array(12),
    attributes: { username, priority: 1 },
  }, { key: shortTermKey(pwd), hasFingerprint: false });
  const bytes = Uint8Array.of(...signed, 0x80, 0x29, 0, 8, ...new Array<number>(8).fill(0));
  bytes[3] = bytes.length - 20;
  const before = z.agent.role;
  inject(z, { address: addressOfA, port: 5_000 }, bytes);
  equal(z.agent.role, before);
});

Deno.test("an unknown attribute is refused with 420, but only to the peer", () => {
  const { a, z } = linkTwoPeers();
  const { ufrag, pwd } = a.agent.localCredentials;
  const header = { messageClass: "request", method: methods.binding } as const;
  const username = `${ufrag}:${z.agent.localCredentials.ufrag}`;
  const build = (key: Uint8Array): Uint8Array => {
    const bytes = writeStunMessage({
      ...header,
      transactionId: new Uint8Array(12),
      attributes: { priority: 0, username, nonce: "12345678" },
    }, { key, hasFingerprint: false });
    // In the place of NONCE: 7f77, which nobody knows, and an empty one that need not be known.
    const at = String.fromCharCode(...bytes).indexOf("\x00\x15\x00\x08");
    bytes.set([0x7f, 0x77, 0, 4, 1, 2, 3, 4, 0x80, 0, 0, 0], at);
    const integrityOffset = bytes.length - 24;
    bytes.set(integrityOf(bytes, 0, integrityOffset, key), integrityOffset + 4);
    return bytes;
  };
  const before = a.agent.pairs().length;
  equal(inject(a, attacker, build(shortTermKey("some other password"))), 0);
  let answer: Uint8Array | undefined;
  a.onSend = (bytes) => answer = bytes;
  equal(inject(a, attacker, build(shortTermKey(pwd))), 1);
  const message = parseStunMessage(answer ?? new Uint8Array(0), 0, answer?.length ?? 0);
  equal(message?.attributes.errorCode?.code, 420);
  deepEqual(message?.attributes.unknownAttributes, [0x7f77]);
  equal(a.agent.pairs().length, before);
});

/** A check of A on its way to Z, and what Z's true answer would be. */
function interceptCheck() {
  const { world, a, z } = createTwoPeers();
  world.connect(a, z);
  z.hosts.forEach((host) => host.isCut = true);
  const checks: Uint8Array[] = [];
  a.onSend = (bytes) => checks.push(bytes);
  world.runUntil(() => checks.length > 0, 5_000);
  const [check = new Uint8Array(0)] = checks;
  const message = parseStunMessage(check, 0, check.length);
  ok(message !== undefined);
  const source = { address: addressOfZ, port: 5_000 };
  const respond = (
    { key, id = message.transactionId, messageClass = "success", code }: {
      readonly key?: Uint8Array | undefined;
      readonly id?: Uint8Array;
      readonly messageClass?: "success" | "error";
      readonly code?: number;
    },
  ) =>
    writeStunMessage({
      messageClass,
      method: methods.binding,
      transactionId: id,
      attributes: code === undefined
        ? { xorMappedAddress: { address: addressOfA, port: 5_000 } }
        : { errorCode: { code, reason: "" } },
    }, { key });
  return { world, a, z, source, respond, key: shortTermKey(z.agent.localCredentials.pwd) };
}

Deno.test("a response without integrity, or with a wrong one, is no response", () => {
  const { a, source, respond, key } = interceptCheck();
  const before = snapshot(a.agent);
  for (const forged of [undefined, shortTermKey(a.agent.localCredentials.pwd), new Uint8Array(9)]) {
    inject(a, source, respond({ key: forged }));
    deepEqual(snapshot(a.agent), before);
  }
  inject(a, source, respond({ key }));
  ok(a.path !== undefined);
});

Deno.test("an error without integrity fails nothing and switches no role", () => {
  const { a, source, respond, key } = interceptCheck();
  const before = snapshot(a.agent);
  for (const code of [400, 401, 487, 500]) {
    inject(a, source, respond({ messageClass: "error", code }));
    inject(a, source, respond({ messageClass: "error", code, key: new Uint8Array(9) }));
  }
  deepEqual(snapshot(a.agent), before);
  inject(a, source, respond({ messageClass: "error", code: 487, key }));
  equal(a.agent.role, "controlled");
});

Deno.test("a 487 to a check from before we switched switches nothing", () => {
  const { a, z, source, respond, key } = interceptCheck();
  const { ufrag, pwd } = a.agent.localCredentials;
  const request = requestOf(
    {
      username: `${ufrag}:${z.agent.localCredentials.ufrag}`,
      priority: 1,
      iceControlling: 2n ** 64n - 1n,
    },
    new Random("switch"),
    shortTermKey(pwd),
  );
  inject(a, source, request);
  equal(a.agent.role, "controlled");
  inject(a, source, respond({ messageClass: "error", code: 487, key }));
  equal(a.agent.role, "controlled");
});

Deno.test("the right id and integrity from a wrong address or to a wrong base is no response", () => {
  const { world, a, z, source, respond, key } = interceptCheck();
  const response = respond({ key });
  const other = a.addHostBase("203.0.113.9");
  const wrong = [attacker, { ...source, port: source.port + 1 }, {
    ...attacker,
    port: source.port,
  }];
  for (const one of wrong) {
    inject(a, one, response);
    equal(a.path, undefined);
  }
  a.receive(other, source, response);
  equal(a.path, undefined);
  inject(a, source, response);
  ok(a.path !== undefined);
  z.hosts.forEach((host) => host.isCut = false);
  ok(world.runUntil(() => areLinked({ world, a, z }), 5_000));
});

Deno.test("a response with another id is no response", () => {
  const { a, source, respond, key } = interceptCheck();
  inject(a, source, respond({ key, id: new Uint8Array(12) }));
  equal(a.path, undefined);
});

Deno.test("a response that was taken once is not taken twice", () => {
  const { a, source, respond, key } = interceptCheck();
  const response = respond({ key });
  inject(a, source, response);
  const before = a.agent.droppedCount;
  inject(a, source, response);
  equal(a.agent.droppedCount, before + 1);
});

Deno.test("data is taken from nowhere but where the peer has authenticated itself", () => {
  const { a, z } = linkTwoPeers();
  const data = new TextEncoder().encode("data");
  const source = { address: addressOfZ, port: 5_000 };
  const wrong = [attacker, { ...source, port: 5_001 }, { ...attacker, port: source.port }];
  for (const one of wrong) a.receive(baseOfA, one, data);
  a.receive(baseOfA + 1, source, data);
  equal(a.received.length, 0);
  a.receive(baseOfA, source, data);
  equal(a.received.length, 1);
  ok(z.sendData("more"));
});

Deno.test("data is not taken from an address that was told, but has not authenticated itself", () => {
  const { a, source, respond, key } = interceptCheck();
  const data = new TextEncoder().encode("data");
  equal(a.agent.pairs().length, 1);
  a.receive(baseOfA, source, data);
  equal(a.received.length, 0);
  inject(a, source, respond({ key }));
  a.receive(baseOfA, source, data);
  equal(a.received.length, 1);
});

Deno.test("a nomination moves no data to where nobody has answered", () => {
  const { world, a, z } = linkTwoPeers();
  const { ufrag, pwd } = z.agent.localCredentials;
  const username = `${ufrag}:${a.agent.localCredentials.ufrag}`;
  const before = z.path?.destination;
  const eventCount = z.events.length;
  const random = new Random("unproven");
  for (let count = 0; count < 20; count++) {
    const attributes = { username, priority: 2 ** 31 - 1, useCandidate: true } as const;
    inject(z, attacker, requestOf(attributes, random, shortTermKey(pwd)));
    world.runFor(1_000);
    deepEqual(z.path?.destination, before);
    equal(z.events.length, eventCount);
  }
});

Deno.test("an indication, a request of another method, and rubbish are left alone", () => {
  const { a, z } = linkTwoPeers();
  const random = new Random("others");
  const before = snapshot(a.agent);
  const header = { transactionId: random.bytes(12), attributes: {} } as const;
  const messages = [
    writeStunMessage({ ...header, messageClass: "indication", method: methods.binding }),
    writeStunMessage({ ...header, messageClass: "success", method: methods.binding }),
    Uint8Array.of(0, 1, 0, 0),
    new Uint8Array(0),
    new Uint8Array(1_000),
  ];
  for (const bytes of messages) equal(inject(a, attacker, bytes), 0);
  deepEqual(snapshot(a.agent), before);
  const foreign = writeStunMessage({ ...header, messageClass: "success", method: methods.refresh });
  ok(!a.agent.handleDatagram(baseOfA, attacker, foreign, 0, foreign.length, 0));
  ok(z.agent.state === "connected");
});
