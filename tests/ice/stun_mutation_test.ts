/** Genuine messages, spoilt: reading them neither throws, nor takes long, nor believes them. */
import { ok } from "node:assert/strict";
import process from "node:process";
import { longTermKey, shortTermKey, verifyIntegrity } from "../../src/ice/stun/integrity.ts";
import { parseStunMessage, writeStunMessage } from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { Random } from "../sim/random.ts";
import { mutate } from "./stun_mutation.ts";
import { linkTwoPeers } from "./two_peers.ts";

const key = shortTermKey("the password of a test");
const mutationCount = 200_000;
const timeLimitMs = 5_000;

/** One of each kind that is sent, with and without integrity. */
function genuineMessages(random: Random): Uint8Array[] {
  const address = { address: "2001:db8::1", port: 5000 };
  const transactionId = random.bytes(12);
  const base = { method: methods.binding, transactionId };
  const login = { username: "user", realm: "example.org", nonce: "abcdef", password: "secret" };
  return [
    writeStunMessage({
      ...base,
      messageClass: "request",
      attributes: {
        username: "abcd:efgh",
        priority: 1,
        iceControlling: 5n,
        useCandidate: true,
      },
    }, { key }),
    writeStunMessage({
      ...base,
      messageClass: "success",
      attributes: { xorMappedAddress: address },
    }, { key }),
    writeStunMessage({
      ...base,
      messageClass: "error",
      attributes: { errorCode: { code: 420, reason: "Unknown" }, unknownAttributes: [1, 2, 3] },
    }),
    writeStunMessage({
      ...base,
      method: methods.allocate,
      messageClass: "request",
      attributes: { ...login, requestedTransport: 17, lifetimeSeconds: 600, dontFragment: true },
    }, { key: longTermKey(login) }),
    writeStunMessage({
      ...base,
      method: methods.data,
      messageClass: "indication",
      attributes: { xorPeerAddresses: [address, address], data: random.bytes(200) },
    }),
  ];
}

Deno.test("200,000 mutated messages are read in little time, and none is verified", () => {
  const random = new Random("mutated STUN");
  const messages = genuineMessages(random);
  const before = process.cpuUsage();
  let parsedCount = 0;
  for (let count = 0; count < mutationCount; count++) {
    const genuine = messages[count % messages.length] ?? new Uint8Array(0);
    const bytes = mutate(random, genuine);
    const message = parseStunMessage(bytes, 0, bytes.length);
    if (message === undefined) continue;
    parsedCount++;
    if (message.signed === undefined || !verifyIntegrity(message, key)) continue;
    const { integrityOffset } = message.signed;
    const isGenuine = genuine.subarray(20, integrityOffset + 24).every((byte, at) =>
      bytes[20 + at] === byte
    );
    ok(isGenuine, `verified: ${bytes.toString()}`);
  }
  ok(parsedCount > mutationCount / 100, `only ${parsedCount} were well-formed`);
  const { user, system } = process.cpuUsage(before);
  ok(user + system < timeLimitMs * 1_000, `it took ${(user + system) / 1_000} ms`);
});

Deno.test("20,000 mutated checks and answers of a linked pair change nothing", () => {
  const { world, a, z } = linkTwoPeers();
  const captured: Uint8Array[] = [];
  for (const peer of [a, z]) peer.onSend = (bytes) => captured.push(bytes.slice());
  world.runFor(30_000);
  ok(captured.length >= 10);
  const random = new Random("mutated checks");
  const snapshot = () =>
    JSON.stringify([a, z].map(({ path, agent }) => ({ path, role: agent.role })));
  const before = snapshot();
  const source = { address: "198.51.100.66", port: 66 };
  for (let count = 0; count < 20_000; count++) {
    const genuine = captured[count % captured.length] ?? new Uint8Array(0);
    const bytes = mutate(random, genuine);
    // All but its length and what follows MESSAGE-INTEGRITY: it is as good as the genuine one.
    const isGenuine = genuine.subarray(0, genuine.length - 8).every((byte, at) =>
      byte === bytes[at] || at === 2 || at === 3
    );
    if (isGenuine) continue;
    for (const peer of [a, z]) {
      peer.receive(1, count % 2 === 0 ? source : peer.path?.destination ?? source, bytes);
    }
  }
  ok(snapshot() === before);
  ok([a, z].every(({ agent }) => agent.pairs().length === 1));
  world.runFor(60_000);
  ok(a.sendData("still") && z.sendData("here"));
});
