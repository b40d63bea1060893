/** What others, or the server itself, may try. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  parseStunMessage,
  type StunMessage,
  writeStunMessage,
} from "../../../src/ice/stun/message.ts";
import { longTermKey } from "../../../src/ice/stun/integrity.ts";
import { methods } from "../../../src/ice/stun/message_header.ts";
import type { StunAttributes } from "../../../src/ice/stun/attributes.ts";
import type { PathDatagram } from "../../sim/pair.ts";
import { allocate, ofType, type TurnPair, turnPair } from "./client_endpoint.ts";
import { channelData, user } from "./fake_turn_server.ts";
import { writeWithUnknown } from "../unknown_attribute.ts";

const peer = { address: "198.51.100.9", port: 4_000 };
const stranger = { address: "198.51.100.10", port: 4_000 };
const hello = new TextEncoder().encode("hello");
const mapped = { address: "192.0.2.66", port: 6 };
const forgedAttributes: StunAttributes = {
  xorRelayedAddress: mapped,
  xorMappedAddress: mapped,
  lifetimeSeconds: 600,
};
const wrongKey = longTermKey({ ...user, realm: "example.org", password: "wrong" });

function parse(bytes: Uint8Array): StunMessage {
  const message = parseStunMessage(bytes, 0, bytes.length);
  if (message === undefined) throw new Error("no STUN message");
  return message;
}

/** Puts an answer of one's own in the place of the server's to requests that are signed. */
function forging(
  forge: (response: StunMessage) => Uint8Array,
): (datagram: PathDatagram) => "pass" | { replaceWith: Uint8Array[] } {
  return ({ bytes, from }) => {
    const message = from === "z" ? parse(bytes) : undefined;
    const isChallenge = message?.attributes.errorCode?.code === 401;
    return message === undefined || isChallenge ? "pass" : { replaceWith: [forge(message)] };
  };
}

/** Answers without the key, or with another. */
const forgeries: readonly { name: string; forge: (response: StunMessage) => Uint8Array }[] = [
  {
    name: "unsigned success",
    forge: ({ method, transactionId }) =>
      writeStunMessage({
        messageClass: "success",
        method,
        transactionId,
        attributes: forgedAttributes,
      }),
  },
  {
    name: "success signed with another key",
    forge: ({ method, transactionId }) =>
      writeStunMessage(
        { messageClass: "success", method, transactionId, attributes: forgedAttributes },
        { key: wrongKey },
      ),
  },
  {
    name: "unsigned error",
    forge: ({ method, transactionId }) =>
      writeStunMessage({
        messageClass: "error",
        method,
        transactionId,
        attributes: { errorCode: { code: 486, reason: "" } },
      }),
  },
  {
    name: "unsigned redirection",
    forge: ({ method, transactionId }) =>
      writeStunMessage({
        messageClass: "error",
        method,
        transactionId,
        attributes: { errorCode: { code: 300, reason: "" }, alternateServer: mapped },
      }),
  },
];

for (const { name, forge } of forgeries) {
  Deno.test(`${name}: never received over UDP, and the end of a stream's request`, () => {
    const datagrams = turnPair({ verdict: forging(forge) });
    datagrams.runUntilIdle();
    deepEqual(ofType(datagrams.events.a, "failed").map(({ code }) => code), ["unauthentic"]);
    equal(datagrams.events.a.length, 1);
    equal(datagrams.now, 40 + 39_500);
    const stream = turnPair({ client: { isStream: true }, verdict: forging(forge) });
    stream.runUntilIdle();
    deepEqual(ofType(stream.events.a, "failed").map(({ code }) => code), ["unauthentic"]);
    equal(stream.now, 80);
  });
}

Deno.test("a forged answer before the server's own changes nothing", () => {
  for (const { name, forge } of forgeries) {
    const pair = turnPair({
      verdict: ({ bytes, from }) => {
        const message = from === "z" ? parse(bytes) : undefined;
        if (message === undefined || message.attributes.errorCode?.code === 401) return "pass";
        return { replaceWith: [forge(message), bytes.slice()] };
      },
    });
    allocate(pair);
    equal(pair.events.a.length, 1, name);
  }
});

Deno.test("answers to nothing that was asked change nothing", () => {
  const pair = turnPair();
  for (const { forge } of forgeries) {
    for (const method of Object.values(methods)) {
      const transactionId = new Uint8Array(12).fill(method);
      pair.inject("a", forge({ method, transactionId } as StunMessage));
    }
  }
  allocate(pair);
  equal(pair.events.a.length, 1);
});

Deno.test("an answer with the right id and another method is none", () => {
  const pair = turnPair({
    verdict: forging(({ method, transactionId }) =>
      writeStunMessage({
        messageClass: "success",
        method: method === methods.allocate ? methods.refresh : methods.allocate,
        transactionId,
        attributes: forgedAttributes,
      }, { key: longTermKey({ ...user, realm: "example.org" }) })
    ),
  });
  pair.runUntilIdle();
  deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), ["timeout"]);
});

Deno.test("an allocation at an address that is none is none", () => {
  const key = longTermKey({ ...user, realm: "example.org" });
  const good = { xorRelayedAddress: mapped, xorMappedAddress: mapped };
  const bad: StunAttributes[] = [
    {},
    { xorRelayedAddress: mapped },
    { xorMappedAddress: mapped },
    { ...good, xorRelayedAddress: { address: "0.0.0.0", port: 1 } },
    { ...good, xorRelayedAddress: { address: "224.0.0.1", port: 1 } },
    { ...good, xorRelayedAddress: { address: "192.0.2.1", port: 0 } },
    { ...good, xorMappedAddress: { address: "ff02::1", port: 1 } },
  ];
  for (const attributes of bad) {
    const pair = turnPair({
      verdict: forging(({ method, transactionId }) =>
        writeStunMessage({ messageClass: "success", method, transactionId, attributes }, { key })
      ),
    });
    pair.runUntilIdle();
    deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), ["malformed"]);
  }
});

Deno.test("an answer that has what must be understood, and is not, is none", () => {
  const key = longTermKey({ ...user, realm: "example.org" });
  const pair = turnPair({
    verdict: forging(({ method, transactionId }) =>
      writeWithUnknown(
        { messageClass: "success", method, transactionId, attributes: forgedAttributes },
        key,
      )
    ),
  });
  pair.runUntilIdle();
  deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), ["malformed"]);
});

Deno.test("a server that sends us on to where nobody can be has refused", () => {
  for (const address of ["0.0.0.0", "224.0.0.1", "::"]) {
    const alternateServer = { address, port: 3_478 };
    const pair = turnPair({
      server: { refuse: () => ({ code: 300, attributes: { alternateServer } }) },
    });
    pair.runUntilIdle();
    deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), [300]);
    equal(pair.events.a.length, 1);
  }
});

Deno.test("what a server says of a refusal is told shortly", () => {
  const key = longTermKey({ ...user, realm: "example.org" });
  const pair = turnPair({
    verdict: forging(({ method, transactionId }) =>
      writeStunMessage({
        messageClass: "error",
        method,
        transactionId,
        attributes: { errorCode: { code: 400, reason: "no! ".repeat(150) } },
      }, { key })
    ),
  });
  pair.runUntilIdle();
  const [failed] = ofType(pair.events.a, "failed");
  ok(failed !== undefined && failed.reason.length < 200, failed?.reason);
});

/** A client with a channel to the peer. */
function channelled(): TurnPair {
  const pair = allocate(turnPair());
  pair.call("a", (client, now) => client.send(peer, hello, now));
  pair.runFor(100);
  return pair;
}

Deno.test("data of peers that nobody wants is dropped", () => {
  const pair = channelled();
  pair.inject("a", pair.z.indication(stranger, hello));
  pair.inject("a", channelData(0x4001, hello));
  pair.inject("a", channelData(0x4fff, hello));
  pair.inject("a", channelData(0x4000, hello).subarray(0, 8));
  pair.inject("a", Uint8Array.of(0x50, 0, 0, 0));
  pair.runFor(100);
  deepEqual(ofType(pair.events.a, "data"), []);
  pair.inject("a", channelData(0x4000, hello));
  pair.inject("a", pair.z.indication(peer, hello));
  pair.runFor(100);
  equal(ofType(pair.events.a, "data").length, 2);
});

Deno.test("data before and after an allocation is dropped", () => {
  const pair = turnPair();
  pair.call("a", (client, now) => client.client.permit(peer, now));
  pair.inject("a", pair.z.indication(peer, hello));
  allocate(pair);
  deepEqual(ofType(pair.events.a, "data"), []);
  pair.runFor(100);
  pair.call("a", (client, now) => client.send(peer, hello, now));
  pair.runFor(100);
  pair.call("a", (client, now) => client.client.close(now));
  pair.inject("a", pair.z.indication(peer, hello));
  pair.inject("a", channelData(0x4000, hello));
  pair.runFor(100);
  deepEqual(ofType(pair.events.a, "data"), []);
});

Deno.test("an indication that lacks something, or has what must be understood, is dropped", () => {
  const pair = channelled();
  const transactionId = new Uint8Array(12);
  const bad: { method?: number; attributes: StunAttributes }[] = [
    { attributes: { data: hello } },
    { attributes: { xorPeerAddresses: [peer] } },
    { method: methods.send, attributes: { xorPeerAddresses: [peer], data: hello } },
    { method: methods.binding, attributes: { xorPeerAddresses: [peer], data: hello } },
  ];
  for (const { method = methods.data, attributes } of bad) {
    pair.inject(
      "a",
      writeStunMessage({ messageClass: "indication", method, transactionId, attributes }),
    );
  }
  const unknown = writeStunMessage({
    messageClass: "indication",
    method: methods.data,
    transactionId,
    attributes: { xorPeerAddresses: [peer], data: hello, priority: 1 },
  }, { hasFingerprint: false });
  const at = unknown.findIndex((byte, n) => byte === 0 && unknown[n + 1] === 0x24);
  unknown[at + 1] = 0x7e;
  pair.inject("a", unknown);
  pair.runFor(100);
  deepEqual(ofType(pair.events.a, "data"), []);
});

Deno.test("a server that challenges without end is given up, and asked for a while only", () => {
  for (const code of [401, 438]) {
    let nonce = 0;
    const pair = turnPair({
      server: { refuse: () => ({ code, attributes: { realm: `${++nonce}`, nonce: `${nonce}` } }) },
    });
    pair.runUntilIdle();
    deepEqual(ofType(pair.events.a, "failed").map((failed) => failed.code), [code]);
    ok(pair.z.requests.length <= 8);
  }
});

Deno.test("a challenge that names nothing is none", () => {
  const pair = turnPair({
    verdict: ({ bytes, from }) => {
      if (from === "a") return "pass";
      const { method, transactionId, attributes: { errorCode } } = parse(bytes);
      const attributes: StunAttributes = errorCode === undefined ? {} : { errorCode };
      const content = { messageClass: "error", method, transactionId, attributes } as const;
      return { replaceWith: [writeStunMessage(content)] };
    },
  });
  pair.runUntilIdle();
  deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), ["malformed"]);
});

Deno.test("our own requests, sent back to us, are no answers", () => {
  const pair = turnPair({
    verdict: ({ bytes, from }) => {
      const message = parse(bytes);
      if (from === "a" && message.signed !== undefined) pair.inject("a", bytes.slice());
      return "pass";
    },
  });
  allocate(pair);
  equal(pair.events.a.length, 1);
  pair.call("a", (client, now) => client.client.permit(peer, now));
  pair.zToA.cut();
  pair.runFor(39_000);
  equal(pair.a.client.isAllocated, true);
  equal(pair.events.a.length, 1);
});

Deno.test("requests of a server are not answered", () => {
  const pair = channelled();
  const sent = pair.recordSent();
  pair.inject(
    "a",
    writeStunMessage({
      messageClass: "request",
      method: methods.binding,
      transactionId: new Uint8Array(12),
      attributes: {},
    }),
  );
  pair.runFor(1_000);
  equal(sent.length, 0);
});
