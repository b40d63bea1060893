/** What passes once there are keys, and what does not. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { cipherSuiteNames } from "../../src/dtls/cipher_suite.ts";
import { writeHandshakeMessage } from "../../src/dtls/handshake_header.ts";
import { recordHeaderLength } from "../../src/dtls/record.ts";
import { defaultKeyLimits } from "../../src/dtls/record_layer.ts";
import { insiderPair } from "./insider.ts";
import { forgeRecord, parseRecords, writeRecords } from "./on_path.ts";
import { bytesOf, configOf, connectedPair, Pair, type Side, type TappedDatagram } from "./pair.ts";
import { testAead } from "./test_crypto.ts";

const sides: readonly Side[] = ["client", "server"];

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("many records are sealed, and opened, where they lie", () => {
  const pair = connectedPair();
  const payloads = ["first", "other", "third", "end"].map(bytesOf);
  const overhead = pair.client.recordOverhead();
  const stride = overhead + 5;
  const start = 100;
  const bytes = new Uint8Array(1_000).fill(0xaa);
  for (const [index, payload] of payloads.entries()) {
    bytes.set(payload, start + index * stride + pair.client.payloadOffset());
  }
  const end = start + 3 * stride + overhead + 3;
  equal(pair.client.seal(bytes, start, end, stride), 4);
  ok(bytes.subarray(0, start).every((byte) => byte === 0xaa));
  ok(bytes.subarray(end).every((byte) => byte === 0xaa));
  const spans = new Uint32Array(8);
  equal(pair.server.open(bytes, start, end, spans, 0), 4);
  const opened = payloads.map((_, index) => bytes.slice(spans[2 * index], spans[2 * index + 1]));
  deepEqual(opened, payloads);
});

Deno.test("payloads for which there is no room are counted", () => {
  const pair = connectedPair();
  const run = joined(...["a", "b", "c"].map((text) => pair.seal("client", bytesOf(text))));
  equal(pair.server.open(run, 0, run.length, new Uint32Array(4), 0), 2);
  equal(pair.server.drops().overflow, 1);
});

Deno.test("nothing is sealed before there is a connection, nor after", () => {
  const pair = new Pair();
  const bytes = new Uint8Array(100);
  equal(pair.client.seal(bytes, 0, 100, 100), 0);
  pair.run();
  equal(pair.client.seal(bytes, 0, 100, 100), 1);
  pair.client.close();
  equal(pair.client.seal(bytes, 0, 100, 100), 0);
});

Deno.test("a record without room for a payload is the caller's fault", () => {
  const pair = connectedPair();
  throws(() => pair.client.seal(new Uint8Array(100), 0, 37, 37), RangeError);
});

Deno.test("D11: no nonce comes twice under one key, retransmissions, alerts and close included", () => {
  const nonces: Record<Side, string[]> = { client: [], server: [] };
  const spying = (side: Side) => ({
    crypto: {
      ...configOf(side).crypto,
      aead: {
        name: "spied upon",
        createKey: (...args: Parameters<typeof testAead.createKey>) => {
          const key = testAead.createKey(...args);
          const seal: typeof key.seal = (bytes, start, end, nonce, aad) => {
            nonces[side].push(nonce.toHex());
            key.seal(bytes, start, end, nonce, aad);
          };
          return {
            seal,
            open: (...args: Parameters<typeof key.open>) => key.open(...args),
            destroy: () => key.destroy(),
          };
        },
      },
    },
  });
  for (
    const suite of [
      "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ] as const
  ) {
    nonces.client = [];
    nonces.server = [];
    const pair = new Pair({
      client: { ...spying("client"), cipherSuites: [suite] },
      server: spying("server"),
      // The last flights are lost twice each.
      tap: ({ index }) => index >= 2 && index <= 6 ? [] : undefined,
    });
    pair.run();
    ok(pair.isConnected());
    for (let count = 0; count < 300; count++) {
      pair.send("client", bytesOf("x"));
      pair.send("server", bytesOf("y"));
    }
    pair.client.close();
    pair.poll("client");
    pair.run();
    for (const side of sides) {
      ok(nonces[side].length > 301, `${nonces[side].length}`);
      equal(new Set(nonces[side]).size, nonces[side].length);
    }
  }
});

Deno.test("D12: the last sequence number is never passed", () => {
  const keyLimits = { ...defaultKeyLimits, lastSequenceNumber: 20 };
  const pair = connectedPair({ client: { keyLimits } });
  const sealed: Uint8Array[] = [];
  for (let count = 0; count < 30; count++) sealed.push(pair.seal("client", bytesOf("x")));
  pair.poll("client");
  pair.run();
  equal(pair.ending("client"), "exhausted");
  equal(pair.ending("server"), "peer-closed");
  // One for the Finished, and eight are kept back.
  equal(sealed.filter((one) => one.length > 0).length, 12);
});

const unanswered: readonly [flight: string, side: Side, lost: (one: TappedDatagram) => boolean][] =
  [
    ["flight 1", "client", () => true],
    ["flight 4", "server", ({ from, index }) => from === "client" && index > 0],
    ["flight 5", "client", ({ from, index }) => from === "server" && index > 2],
    ["flight 6", "server", ({ from, index }) => from === "server" && index > 2],
  ];
for (const [flight, side, isLost] of unanswered) {
  Deno.test(`D12: ${flight} is sent again until there are no more numbers, and that is said`, () => {
    const lastSequenceNumber = 40;
    const patient = { handshakeTimeout: 1e9 };
    const keyLimits = { ...defaultKeyLimits, lastSequenceNumber };
    const pair = new Pair({
      client: patient,
      server: patient,
      [side]: { ...patient, keyLimits },
      tap: (datagram) => isLost(datagram) ? [] : undefined,
    });
    pair.run(1e8);
    equal(pair.ending(side), "exhausted");
    const records = pair.sent.filter(({ from }) => from === side).flatMap(({ bytes }) =>
      parseRecords(bytes)
    );
    const numbers = records.map(({ epoch, sequence }) => `${epoch} ${sequence}`);
    equal(new Set(numbers).size, numbers.length);
    // Of those in epoch 1 eight are kept back.
    const highest = Math.max(...records.map(({ sequence }) => sequence));
    ok(highest <= lastSequenceNumber && highest >= lastSequenceNumber - 8, `${highest}`);
  });
}

Deno.test("D12: sequence numbers beyond 32 bits are written and read whole", () => {
  const { pair, insider } = insiderPair("client");
  for (const sequence of [2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, 2 ** 48 - 1]) {
    pair.deliver("server", insider.craft("applicationData", sequence, bytesOf(`${sequence}`)));
  }
  deepEqual(pair.texts("server"), ["4294967295", "4294967296", "1099511627779", "281474976710655"]);
});

Deno.test("D12: a key that has encrypted its share ends the connection", () => {
  const keyLimits = { ...defaultKeyLimits, sealedBlocks: 100 };
  const pair = connectedPair({ server: { keyLimits } });
  for (let count = 0; count < 100; count++) pair.seal("server", new Uint8Array(16));
  pair.poll("server");
  pair.run();
  equal(pair.ending("server"), "exhausted");
  equal(pair.ending("client"), "peer-closed");
});

Deno.test("D12: too many forgeries end the connection", () => {
  const keyLimits = { ...defaultKeyLimits, failedOpens: 50 };
  const pair = connectedPair({ client: { keyLimits } });
  const forged = forgeRecord("applicationData", new Uint8Array(40), { epoch: 1 });
  for (let count = 0; count < 49; count++) pair.deliver("client", forged);
  ok(pair.client.isConnected());
  pair.deliver("client", forged);
  equal(pair.ending("client"), "exhausted");
});

Deno.test("D13: of 10,000 records, each delivered twice, none arrives twice", () => {
  const pair = connectedPair();
  const records = Array.from(
    { length: 10_000 },
    (_, index) => pair.seal("client", bytesOf(`${index}`)),
  );
  for (const record of records) pair.deliver("server", record);
  for (const record of records) pair.deliver("server", record);
  equal(pair.texts("server").length, 10_000);
  equal(new Set(pair.texts("server")).size, 10_000);
  equal(pair.server.drops().replayed, 10_000);
});

Deno.test("D13: a record may be overtaken by 8,191 others, and by no more", () => {
  const pair = connectedPair();
  const late = ["too late", "just in time"].map((text) => pair.seal("client", bytesOf(text)));
  for (let count = 0; count < 8_191; count++) {
    pair.deliver("server", pair.seal("client", bytesOf("x")));
  }
  const before = pair.texts("server").length;
  for (const record of late) pair.deliver("server", record);
  deepEqual(pair.texts("server").slice(before), ["just in time"]);
});

Deno.test("D13: a forged huge sequence number does not move the window", () => {
  const pair = connectedPair();
  const record = pair.seal("client", bytesOf("genuine"));
  const [parsed] = parseRecords(record);
  ok(parsed);
  for (const sequence of [2 ** 48 - 1, 2 ** 32, 100_000]) {
    pair.deliver("server", writeRecords([{ ...parsed, sequence }]));
  }
  equal(pair.server.drops().unauthenticated, 3);
  pair.deliver("server", record);
  deepEqual(pair.texts("server"), ["genuine"]);
});

const bogus: readonly [what: string, bytes: Uint8Array][] = [
  ["a wrong tag", forgeRecord("applicationData", new Uint8Array(60), { epoch: 1 })],
  ["too short a fragment", forgeRecord("applicationData", new Uint8Array(3), { epoch: 1 })],
  ["an empty fragment", forgeRecord("applicationData", new Uint8Array(0), { epoch: 1 })],
  ["a wrong version", forgeRecord("handshake", new Uint8Array(60), { version: 0x0303 })],
  ["an old version", forgeRecord("alert", Uint8Array.of(2, 40), { version: 0xfeff, epoch: 1 })],
  ["an epoch ahead", forgeRecord("applicationData", new Uint8Array(60), { epoch: 2 })],
  ["an epoch behind", forgeRecord("handshake", new Uint8Array(60), { epoch: 0 })],
];
for (const [what, bytes] of bogus) {
  Deno.test(`D14: a record with ${what} takes none of its datagram with it`, () => {
    for (const side of sides) {
      const pair = connectedPair();
      const from = side === "client" ? "server" : "client";
      const before = pair.sent.length;
      pair.deliver(side, joined(bytes, pair.seal(from, bytesOf("after"))));
      pair.deliver(side, joined(pair.seal(from, bytesOf("before")), bytes));
      deepEqual(pair.texts(side), ["after", "before"]);
      equal(pair.sent.length, before, "it answered");
      ok(pair.isConnected());
    }
  });
}

Deno.test("D14: a truncated record is dropped, and what stood before it is not", () => {
  const pair = connectedPair();
  const [first, second] = ["one", "two"].map((text) => pair.seal("client", bytesOf(text)));
  ok(first && second);
  for (let length = 0; length < second.length; length++) {
    pair.deliver("server", second.slice(0, length));
  }
  pair.deliver("server", joined(first, second.slice(0, -1)));
  pair.deliver("server", second);
  deepEqual(pair.texts("server"), ["one", "two"]);
});

Deno.test("D14: 20,000 random datagrams do not disturb a connection", () => {
  const pair = connectedPair();
  const random = new Uint8Array(120);
  for (let count = 0; count < 20_000; count++) {
    crypto.getRandomValues(random);
    // Half of them look like records.
    if (count % 2 === 0) {
      random.set([20 + count % 5, 0xfe, 0xfd, 0, count % 3, 0, 0, 0, 0, 0, 9, 0, 107]);
    }
    pair.deliver(count % 4 < 2 ? "client" : "server", random);
  }
  pair.send("client", bytesOf("ping"));
  pair.send("server", bytesOf("pong"));
  pair.run();
  deepEqual([pair.texts("server"), pair.texts("client")], [["ping"], ["pong"]]);
});

Deno.test("D24: records without data, too long or of an unknown type are dropped", () => {
  const { pair, insider } = insiderPair("client");
  pair.deliver("server", insider.craft("applicationData", 100, new Uint8Array(0)));
  pair.deliver("server", insider.craft("applicationData", 101, new Uint8Array(2 ** 14 + 1)));
  pair.deliver("server", insider.craft(99, 102, bytesOf("what")));
  equal(pair.events.server.length, 1);
  const { empty, length, malformed } = pair.server.drops();
  deepEqual({ empty, length, malformed }, { empty: 1, length: 1, malformed: 1 });
  pair.deliver("server", insider.craft("applicationData", 103, new Uint8Array(2 ** 14)));
  equal(pair.events.server.length, 2);
});

Deno.test("D24: a flood of records without data delivers nothing, and nothing of it is kept", () => {
  for (const side of sides) {
    const { pair, insider } = insiderPair(side);
    const other = side === "client" ? "server" : "client";
    const before = { sent: pair.sent.length, held: pair[other].heldLength() };
    const spans = new Uint32Array(8);
    for (let count = 0; count < 5_000; count++) {
      const record = insider.craft("applicationData", 100 + count, new Uint8Array(0));
      equal(pair[other].open(record, 0, record.length, spans, pair.now), 0);
    }
    equal(pair[other].drops().empty, 5_000);
    pair.poll(other);
    equal(pair.events[other].length, 1);
    ok(pair[other].heldLength() <= before.held);
    equal(pair.sent.length, before.sent, "it answered");
    pair.send(side, bytesOf("still here"));
    ok(pair.isConnected());
  }
});

Deno.test("D24: records longer than any may be are dropped in either epoch", () => {
  const pair = new Pair({ tap: () => [] });
  pair.deliver("server", forgeRecord("handshake", new Uint8Array(2 ** 14 + 1)));
  equal(pair.server.drops().length, 1);
  for (const suite of cipherSuiteNames) {
    const connected = connectedPair({ client: { cipherSuites: [suite] } });
    const overhead = connected.server.recordOverhead() - recordHeaderLength;
    for (const length of [2 ** 14 + overhead + 1, 2 ** 14 + 2_048, 2 ** 16 - 1]) {
      const forged = forgeRecord("applicationData", new Uint8Array(length), { epoch: 1 });
      connected.deliver("server", forged);
    }
    equal(connected.server.drops().length, 3);
    connected.deliver("server", connected.seal("client", new Uint8Array(2 ** 14)));
    equal(connected.events.server.length, 2);
  }
});

// RFC 6347 section 4.2.2: a true request begins anew with message_seq 0.
for (const first of [0, 1, 50]) {
  Deno.test(`D21: renegotiation from message_seq ${first} on is refused once, and is without effect`, () => {
    for (const [side, type] of [["client", "ClientHello"], ["server", "HelloRequest"]] as const) {
      const { pair, insider } = insiderPair(side);
      const judge = side === "client" ? "server" : "client";
      const before = pair.sent.length;
      for (let count = 0; count < 5; count++) {
        const message = { type, sequence: first + count, body: new Uint8Array(0) };
        const payload = writeHandshakeMessage(message);
        pair.deliver(judge, insider.craft("handshake", 100 + count, payload));
      }
      equal(pair.sent.length, before + 1);
      ok(pair[judge].isConnected());
      pair.run();
      ok(pair.isConnected());
    }
  });
}

Deno.test("a ChangeCipherSpec in epoch 1 is without effect", () => {
  const { pair, insider } = insiderPair("client");
  pair.deliver("server", insider.craft("changeCipherSpec", 100, Uint8Array.of(1)));
  pair.send("client", bytesOf("still here"));
  pair.run();
  deepEqual(pair.texts("server"), ["still here"]);
});

Deno.test("D25: what was sent before close_notify arrives, nothing after it does", () => {
  for (const side of sides) {
    const { pair, insider } = insiderPair(side);
    const other = side === "client" ? "server" : "client";
    const before = insider.craft("applicationData", 100, bytesOf("before"));
    const closing = insider.craft("alert", 101, Uint8Array.of(1, 0));
    const after = insider.craft("applicationData", 102, bytesOf("after"));
    const again = insider.craft("alert", 103, Uint8Array.of(1, 0));
    pair.deliver(other, joined(before, closing, after, again));
    pair.deliver(other, again);
    deepEqual(pair.texts(other), ["before"]);
    equal(pair.ending(other), "peer-closed");
    deepEqual(pair.events[other].map(({ type }) => type), ["connected", "data", "ended"]);
  }
});

Deno.test("D25: close_notify is answered, and ends both sides once", () => {
  for (const side of sides) {
    const pair = connectedPair();
    const other = side === "client" ? "server" : "client";
    const before = pair.sent.length;
    pair[side].close();
    pair[side].close();
    pair.poll(side);
    pair.run();
    deepEqual([pair.ending(side), pair.ending(other)], ["closed", "peer-closed"]);
    equal(pair.sent.length, before + 2);
    equal(pair.events[side].filter(({ type }) => type === "ended").length, 1);
    equal(pair.client.nextTimeout() ?? pair.server.nextTimeout(), undefined);
  }
});

Deno.test("closing during the handshake says nothing", () => {
  const pair = new Pair();
  pair.client.close();
  const before = pair.sent.length;
  pair.poll("client");
  equal(pair.sent.length, before);
  equal(pair.ending("client"), "closed");
});

Deno.test("a fatal alert in epoch 1 ends the connection, a warning does not", () => {
  const { pair, insider } = insiderPair("server");
  pair.deliver("client", insider.craft("alert", 100, Uint8Array.of(1, 90)));
  ok(pair.client.isConnected());
  pair.deliver("client", insider.craft("alert", 101, Uint8Array.of(2, 80)));
  equal(pair.ending("client"), "peer-alert");
});

Deno.test("D28: two handshakes share no random, and no share", () => {
  const seen = new Set<string>();
  for (let count = 0; count < 10; count++) {
    const pair = connectedPair();
    for (const { bytes } of pair.sent.slice(0, 2)) seen.add(bytes.slice(27, 59).toHex());
  }
  equal(seen.size, 20);
});

Deno.test("D30: the records of one connection do not open in another", () => {
  const first = connectedPair();
  const recorded = Array.from({ length: 50 }, () => first.seal("client", bytesOf("old")));
  const second = connectedPair();
  for (const record of recorded) second.deliver("server", record);
  deepEqual(second.texts("server"), []);
  equal(second.server.drops().unauthenticated, 50);
});

Deno.test("D30: a record does not open at its own sender", () => {
  const pair = connectedPair();
  pair.deliver("client", pair.seal("client", bytesOf("mirror")));
  deepEqual(pair.texts("client"), []);
});
