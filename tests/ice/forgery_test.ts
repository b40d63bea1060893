/** What those who have no password can do: nothing (reliability rows F1, I1, I2). */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { IceAgent } from "../../src/ice/ice_agent.ts";
import type { TransportAddress } from "../../src/ice/stun/address.ts";
import type { StunAttributes } from "../../src/ice/stun/attributes.ts";
import { shortTermKey } from "../../src/ice/stun/integrity.ts";
import {
  parseStunMessage,
  type StunContent,
  writeStunMessage,
} from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { Random } from "../sim/random.ts";
import type { IcePeer } from "./ice_world.ts";
import { addressOfA, addressOfZ, areLinked, createTwoPeers, linkTwoPeers } from "./two_peers.ts";
import { unknownType, writeWithUnknown } from "./unknown_attribute.ts";

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

Deno.test("before the peer is described, its requests are known by our own name and password", () => {
  const { a } = createTwoPeers();
  const random = new Random("early");
  const { ufrag, pwd } = a.agent.localCredentials;
  const key = shortTermKey(pwd);
  const before = snapshot(a.agent);
  equal(inject(a, attacker, requestOf({ priority: 1 }, random, key)), 0);
  for (const username of ["", ufrag, "x:y", `x${ufrag}:y`, `y:${ufrag}`]) {
    equal(inject(a, attacker, requestOf({ username, priority: 1 }, random, key)), 0, username);
  }
  const username = `${ufrag}:y`;
  equal(inject(a, attacker, requestOf({ username, priority: 1 }, random)), 0);
  deepEqual(snapshot(a.agent), before);
  equal(inject(a, attacker, requestOf({ username, priority: 1 }, random, key)), 1);
});

Deno.test("a priority that no candidate can have is made one", () => {
  const { a, z } = linkTwoPeers();
  const random = new Random("priorities");
  const { ufrag, pwd } = a.agent.localCredentials;
  const username = `${ufrag}:${z.agent.localCredentials.ufrag}`;
  const attributes: StunAttributes[] = [{}, { priority: 0 }, { priority: 2 ** 32 - 1 }];
  attributes.forEach((one, n) => {
    const source = { ...attacker, port: 1_000 + n };
    ok(inject(a, source, requestOf({ username, ...one }, random, shortTermKey(pwd))) > 0);
  });
  const priorities = a.agent.pairs()
    .filter(({ remote }) => remote.address === attacker.address)
    .map(({ remote }) => remote.priority);
  deepEqual(new Set(priorities), new Set([1, 1, 2 ** 31 - 1]));
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
  const username = `${ufrag}:${z.agent.localCredentials.ufrag}`;
  const build = (key: Uint8Array) =>
    writeWithUnknown({
      messageClass: "request",
      method: methods.binding,
      transactionId: new Uint8Array(12),
      attributes: { priority: 0, username },
    }, key);
  const before = a.agent.pairs().length;
  equal(inject(a, attacker, build(shortTermKey("some other password"))), 0);
  let answer: Uint8Array | undefined;
  a.onSend = (bytes) => answer = bytes;
  equal(inject(a, attacker, build(shortTermKey(pwd))), 1);
  const message = parseStunMessage(answer ?? new Uint8Array(0), 0, answer?.length ?? 0);
  equal(message?.attributes.errorCode?.code, 420);
  deepEqual(message?.attributes.unknownAttributes, [unknownType]);
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
    { key, id = message.transactionId, messageClass = "success", code, isKnown = true }: {
      readonly key?: Uint8Array | undefined;
      readonly id?: Uint8Array;
      readonly messageClass?: "success" | "error";
      readonly code?: number;
      readonly isKnown?: boolean;
    },
  ) => {
    const content: StunContent = {
      messageClass,
      method: methods.binding,
      transactionId: id,
      attributes: code === undefined
        ? { xorMappedAddress: { address: addressOfA, port: 5_000 } }
        : { errorCode: { code, reason: "" } },
    };
    return isKnown ? writeStunMessage(content, { key }) : writeWithUnknown(content, key);
  };
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

Deno.test("only a success, and one that is understood, makes a path", () => {
  for (const what of [{ messageClass: "error" }, { isKnown: false }] as const) {
    const { a, source, respond, key } = interceptCheck();
    const dropped = a.agent.droppedCount;
    inject(a, source, respond({ key, ...what }));
    equal(a.path, undefined);
    equal(a.agent.droppedCount, dropped);
  }
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

Deno.test("after a restart, data is taken on the old paths that the peer had authenticated", () => {
  const { world, a } = linkTwoPeers();
  const data = new TextEncoder().encode("data");
  const told = {
    ...attacker,
    foundation: "9",
    component: 1,
    transport: "udp",
    priority: 1,
  } as const;
  equal(a.agent.addRemoteCandidate({ ...told, type: "host" }, world.now), undefined);
  equal(a.agent.pairs().length, 2);
  a.agent.restart(world.now);
  a.receive(baseOfA, attacker, data);
  equal(a.received.length, 0);
  a.receive(baseOfA, { address: addressOfZ, port: 5_000 }, data);
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

Deno.test("a nomination that is heard again moves no data back", () => {
  const { world, a, z } = linkTwoPeers({
    a: { addresses: [addressOfA, "198.51.100.1"] },
    z: { addresses: [addressOfZ, "198.51.100.2"] },
  });
  // A says nothing of its own any more, and still answers.
  world.network.isBlocked = ({ source, bytes }) =>
    a.hosts.some(({ address }) => address === source.address) && bytes[0] === 0 && bytes[1] === 1;
  const { ufrag, pwd } = z.agent.localCredentials;
  const username = `${ufrag}:${a.agent.localCredentials.ufrag}`;
  const random = new Random("replay");
  const [first, second] = [1, 2].map(() =>
    requestOf({ username, priority: 1, useCandidate: true }, random, shortTermKey(pwd))
  );
  const nominate = (baseId: number, bytes: Uint8Array = new Uint8Array(0)) => {
    const address = a.hosts[baseId - 1]?.address ?? "";
    z.receive(baseId, { address, port: 4_999 + baseId }, bytes);
  };
  world.runFor(1_100);
  nominate(2, first);
  equal(z.path?.baseId, 2);
  nominate(1, second);
  equal(z.path?.baseId, 1);
  world.runFor(1_500);
  nominate(2, first);
  equal(z.path?.baseId, 1);
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
