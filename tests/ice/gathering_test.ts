/** Server-reflexive candidates (RFC 8445, section 5.1.1.2). */
import { deepEqual, equal, ok } from "node:assert/strict";
import { writeStunMessage } from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { Nat, natKinds } from "../sim/nat.ts";
import { forSeeds } from "../sim/seeds.ts";
import { secondStunServer, stunServer } from "./ice_world.ts";
import { areLinked, createTwoPeers } from "./two_peers.ts";
import { writeWithUnknown } from "./unknown_attribute.ts";

const deadServer = { address: "192.0.2.66", port: 3478 };
const publicAddress = "198.51.100.1";

function behind(kind: keyof typeof natKinds, lifetimeMs?: number): Nat {
  return new Nat({
    publicAddress,
    ...natKinds[kind],
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
  });
}

Deno.test("candidates are told as they are found, and the end once", () => {
  const { world, a } = createTwoPeers({
    a: { addresses: ["10.0.0.1"], nat: behind("full cone"), stunServers: [stunServer] },
  });
  world.runFor(10_000);
  const [host, reflexive] = a.candidates();
  equal(host?.type, "host");
  equal(reflexive?.type, "srflx");
  equal(reflexive?.address, publicAddress);
  equal(reflexive?.relatedAddress, "10.0.0.1");
  ok((host?.priority ?? 0) > (reflexive?.priority ?? 0));
  ok(host?.foundation !== reflexive?.foundation);
  deepEqual(a.events.map(({ event }) => event.type), [
    "candidate",
    "candidate",
    "gathering-finished",
  ]);
});

Deno.test("a dead server delays nothing but the end, and that by 3 s", () => {
  const peers = createTwoPeers({
    a: { addresses: ["10.0.0.1"], nat: behind("full cone"), stunServers: [deadServer, stunServer] },
  });
  const { world, a, z } = peers;
  world.connect(a, z);
  ok(world.runUntil(() => areLinked(peers), 400));
  ok(
    world.runUntil(() => a.events.some(({ event }) => event.type === "gathering-finished"), 3_200),
  );
  ok(world.now >= 3_000);
});

Deno.test("two servers that see the same tell it once; a symmetric NAT shows two addresses", () => {
  for (const [kind, count] of [["full cone", 1], ["symmetric", 2]] as const) {
    const { world, a } = createTwoPeers({
      a: {
        addresses: ["10.0.0.1"],
        nat: behind(kind),
        stunServers: [stunServer, secondStunServer],
      },
    });
    world.runFor(5_000);
    equal(a.candidates().filter(({ type }) => type === "srflx").length, count);
  }
});

Deno.test("without a NAT there is nothing to tell but the host itself", () => {
  const { world, a } = createTwoPeers({ a: { stunServers: [stunServer, secondStunServer] } });
  world.runFor(5_000);
  equal(a.candidates().length, 1);
});

Deno.test("an answer from another address, to another base, or with another id says nothing", () => {
  const { world, a } = createTwoPeers({
    a: { addresses: ["10.0.0.1", "10.0.0.2"], stunServers: [deadServer] },
  });
  const requests: Uint8Array[] = [];
  a.onSend = (bytes) => requests.push(bytes);
  world.runFor(10);
  const [request = new Uint8Array(0)] = requests;
  const answer = (transactionId: Uint8Array, port = 666) =>
    writeStunMessage({
      messageClass: "success",
      method: methods.binding,
      transactionId,
      attributes: { xorMappedAddress: { address: "198.51.100.66", port } },
    });
  const genuine = answer(request.slice(8, 20));
  a.receive(1, { ...deadServer, port: 1 }, genuine);
  a.receive(1, { ...deadServer, address: "192.0.2.67" }, genuine);
  a.receive(2, deadServer, genuine);
  a.receive(1, deadServer, answer(new Uint8Array(12)));
  equal(a.candidates().length, 2);
  equal(a.agent.droppedCount, 4);
  a.receive(1, deadServer, genuine);
  equal(a.candidates().length, 3);
  // It is answered: nothing more comes under its id.
  a.receive(1, deadServer, answer(request.slice(8, 20), 667));
  equal(a.candidates().length, 3);
});

Deno.test("an answer that has what must be understood, and is not, says nothing", () => {
  const { world, a } = createTwoPeers({
    a: { addresses: ["10.0.0.1"], stunServers: [deadServer] },
  });
  const requests: Uint8Array[] = [];
  a.onSend = (bytes) => requests.push(bytes);
  world.runFor(10);
  const answer = writeWithUnknown({
    messageClass: "success",
    method: methods.binding,
    transactionId: requests[0]?.slice(8, 20) ?? new Uint8Array(12),
    attributes: { xorMappedAddress: { address: "198.51.100.66", port: 666 } },
  });
  a.receive(1, deadServer, answer);
  equal(a.candidates().length, 1);
  ok(a.events.some(({ event }) => event.type === "gathering-finished"));
});

Deno.test("of a server that sees us somewhere else each time, 16 addresses are told", () => {
  const { world, a } = createTwoPeers({
    a: { addresses: ["10.0.0.1"], stunServers: [deadServer] },
  });
  let port = 1_000;
  a.onSend = (bytes) => {
    const reply = writeStunMessage({
      messageClass: "success",
      method: methods.binding,
      transactionId: bytes.slice(8, 20),
      attributes: { xorMappedAddress: { address: "198.51.100.66", port: port++ } },
    });
    world.later(1, () => a.receive(1, deadServer, reply));
  };
  world.runFor(600_000);
  ok(port > 1_030);
  equal(a.candidates().length, 1 + 16);
});

Deno.test("a server that sees us where nobody can be says nothing", () => {
  for (const address of ["0.0.0.0", "127.0.0.1", "224.0.0.1", "::1", "169.254.1.1"]) {
    const { world, a } = createTwoPeers({
      a: { addresses: ["10.0.0.1"], stunServers: [deadServer] },
    });
    a.onSend = (bytes) => {
      const reply = writeStunMessage({
        messageClass: "success",
        method: methods.binding,
        transactionId: bytes.slice(8, 20),
        attributes: { xorMappedAddress: { address, port: 666 } },
      });
      world.later(1, () => a.receive(1, deadServer, reply));
    };
    world.runFor(1_000);
    equal(a.candidates().length, 1, address);
    ok(a.events.some(({ event }) => event.type === "gathering-finished"));
  }
});

Deno.test("a server of the other family is not asked", () => {
  const { world, a } = createTwoPeers({
    a: { stunServers: [{ address: "2001:db8::53", port: 3478 }], addresses: ["10.0.0.1"] },
  });
  world.runFor(10);
  ok(a.events.some(({ event }) => event.type === "gathering-finished"));
  equal(a.sentCount, 0);
});

Deno.test("requests are sent 50 ms apart, to however many servers", () => {
  const servers = Array.from({ length: 10 }, (_, n) => ({ ...deadServer, port: 1_000 + n }));
  const { world, a } = createTwoPeers({ a: { stunServers: servers } });
  const instants: number[] = [];
  a.onSend = () => instants.push(world.now);
  world.runFor(5_000);
  ok(instants.length >= 30);
  instants.slice(1).forEach((at, n) => ok(at - (instants[n] ?? 0) >= 50 - 1e-6));
  ok(a.events.some(({ event }) => event.type === "gathering-finished"));
});

Deno.test("a lost request is repeated", () => {
  forSeeds(50, (seed) => {
    const { world, a } = createTwoPeers({
      seed,
      loss: 0.3,
      a: {
        addresses: ["10.0.0.1"],
        nat: behind("full cone"),
        stunServers: [stunServer, secondStunServer],
      },
    });
    world.runFor(60_000);
    equal(a.candidates().filter(({ type }) => type === "srflx").length, 1);
  });
});

Deno.test("what a NAT was told to keep is kept for ten minutes, until the answer comes", () => {
  const peers = createTwoPeers({
    a: {
      addresses: ["10.0.0.1"],
      nat: behind("full cone", 30_000),
      stunServers: [stunServer],
    },
  });
  const { world, a, z } = peers;
  world.runFor(600_000);
  equal(a.candidates().length, 2);
  world.connect(a, z);
  ok(world.runUntil(() => areLinked(peers), 1_000));
});

Deno.test("a server that is added later is asked", () => {
  const { world, a } = createTwoPeers({
    a: { addresses: ["10.0.0.1"], nat: behind("full cone") },
  });
  world.runFor(1_000);
  equal(a.candidates().length, 1);
  a.agent.addStunServer(stunServer, world.now);
  world.runFor(1_000);
  equal(a.candidates().length, 2);
});
