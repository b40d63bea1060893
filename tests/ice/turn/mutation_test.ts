/** 200,000 messages of a server, spoilt: whatever comes, nothing unauthentic changes anything. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseStunMessage } from "../../../src/ice/stun/message.ts";
import { StreamFraming } from "../../../src/ice/turn/stream_framing.ts";
import { Random } from "../../sim/random.ts";
import { allocate, type ClientEndpoint, type TurnPair, turnPair } from "./client_endpoint.ts";

const inputCount = 200_000;
const perClient = 2_000;
const peer = { address: "198.51.100.9", port: 4_000 };
const hello = new TextEncoder().encode("hello, hello");

/** A client with requests of all kinds under way, and what the server answers to them. */
function prepare(seed: number): { pair: TurnPair; answers: Uint8Array[] } {
  const pair = allocate(turnPair({ seed, server: { isEchoing: true } }));
  const answers: Uint8Array[] = [];
  pair.call("a", (client, now) => client.send(peer, hello, now));
  pair.runFor(299_900);
  pair.tap(({ stage, from, bytes }) => {
    if (stage === "sent" && from === "z") answers.push(bytes.slice());
  });
  pair.zToA.cut();
  pair.call("a", (client, now) => client.send({ ...peer, port: 1 }, hello, now));
  pair.call("a", (client, now) => client.client.permit({ ...peer, address: "10.0.0.1" }, now));
  pair.runFor(1_000);
  pair.call("z", (server, now) => server.handlePeerData(peer, hello, now));
  pair.runFor(10);
  answers.push(pair.z.indication({ ...peer, port: 2 }, hello));
  return { pair, answers };
}

const tricky = [0, 1, 2, 3, 4, 8, 20, 0x3f, 0x40, 0x4f, 0x50, 0x7f, 0x80, 0xfe, 0xff];

function mutate(genuine: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = genuine.slice();
  for (let left = 1 + random.below(4); left > 0 && bytes.length > 0; left--) {
    const at = random.below(bytes.length);
    switch (random.below(5)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        bytes[at] = tricky[random.below(tricky.length)] ?? 0;
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.of(...bytes.slice(0, at), ...bytes.slice(random.below(at + 1)));
        break;
      default:
        bytes = Uint8Array.of(...bytes.slice(0, at), random.below(256), ...bytes.slice(at));
    }
  }
  return bytes.slice(0, 2_000);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

Deno.test("200,000 spoilt messages end nothing and bind nothing", () => {
  const random = new Random("turn mutation");
  let answerKinds = 0;
  for (let seed = 0; seed < inputCount / perClient; seed++) {
    const { pair, answers } = prepare(seed);
    answerKinds = Math.max(answerKinds, new Set(answers.map((one) => `${one[0]} ${one[1]}`)).size);
    const { client }: ClientEndpoint = pair.a;
    const due = client.nextTimeout();
    for (let count = 0; count < perClient; count++) {
      const genuine = answers[random.below(answers.length)] ?? new Uint8Array(0);
      const spoilt = mutate(genuine, random);
      if (isSame(spoilt, genuine) || isSignedPart(spoilt, genuine)) continue;
      client.handleMessage(spoilt, 0, spoilt.length, pair.now);
      if (count % 50 === 0) cut(answers, spoilt, random);
    }
    ok(client.isAllocated);
    equal(client.pollEvent(), undefined);
    // What was under way is still, and nothing else is.
    equal(client.nextTimeout(), due);
    pair.zToA.heal();
    pair.runFor(60_000);
    ok(client.isAllocated);
    deepEqual(pair.events.a.filter(({ type }) => type === "failed" || type === "refused"), []);
  }
  ok(answerKinds >= 5, `${answerKinds} kinds of messages`);
});

/** What is behind MESSAGE-INTEGRITY proves nothing, and may change. */
function isSignedPart(spoilt: Uint8Array, genuine: Uint8Array): boolean {
  const [one, other] = [spoilt, genuine].map((bytes) => parseStunMessage(bytes, 0, bytes.length));
  const end = (other?.signed?.integrityOffset ?? NaN) + 24;
  return one?.signed !== undefined && one.signed.integrityOffset + 24 === end &&
    isSame(spoilt.subarray(4, end), genuine.subarray(4, end));
}

/** A stream with something spoilt in it is cut into messages, or is broken. */
function cut(answers: readonly Uint8Array[], spoilt: Uint8Array, random: Random): void {
  const framing = new StreamFraming((bytes, start, end) => {
    ok(start >= 0 && start < end && end <= bytes.length && end - start <= 65_556);
  });
  for (const bytes of [...answers, spoilt, ...answers]) {
    const at = random.below(bytes.length + 1);
    if (!framing.handleBytes(bytes, 0, at) || !framing.handleBytes(bytes, at, bytes.length)) return;
  }
}
