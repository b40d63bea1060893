/** Row D24: the peer says how long a record it takes (RFC 8449), and we keep to it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { cipherSuitesNamed } from "../../src/dtls/cipher_suite.ts";
import { parseClientHello, writeClientHello } from "../../src/dtls/client_hello.ts";
import { extensionTypes } from "../../src/dtls/extension.ts";
import { Flights } from "../../src/dtls/flights.ts";
import { parseHandshakeFragments } from "../../src/dtls/handshake_header.ts";
import { defaultKeyLimits, RecordLayer } from "../../src/dtls/record_layer.ts";
import { parseRecordSizeLimit, writeRecordSizeLimit } from "../../src/dtls/record_size_limit.ts";
import { parseServerHello, writeServerHello } from "../../src/dtls/server_hello.ts";
import { changing, messagesIn, parseRecords } from "./on_path.ts";
import { connectedPair, Pair, type PairOptions, type Side } from "./pair.ts";
import { credulousCrypto } from "./test_crypto.ts";

const sides: readonly Side[] = ["client", "server"];

function limitIn(type: "ClientHello" | "ServerHello", body: Uint8Array): number | undefined {
  const hello = type === "ClientHello" ? parseClientHello(body) : parseServerHello(body);
  const data = hello?.extensions.get(extensionTypes.recordSizeLimit);
  return data && parseRecordSizeLimit(data);
}

/** Has a side's hello tell another limit, or none. */
function telling(side: Side, data: Uint8Array | undefined): NonNullable<PairOptions["tap"]> {
  const change = (extensions: ReadonlyMap<number, Uint8Array>) => {
    const changed = new Map(extensions);
    if (data === undefined) changed.delete(extensionTypes.recordSizeLimit);
    else changed.set(extensionTypes.recordSizeLimit, data);
    return changed;
  };
  return changing(side === "client" ? "ClientHello" : "ServerHello", (body) => {
    const client = side === "client" ? parseClientHello(body) : undefined;
    if (client) return writeClientHello({ ...client, extensions: change(client.extensions) });
    const server = parseServerHello(body);
    ok(server);
    return writeServerHello({ ...server, extensions: change(server.extensions) });
  });
}

/** Two ends that do not notice that hellos were changed. */
function credulousPair(tap: PairOptions["tap"]): Pair {
  const config = { crypto: credulousCrypto(), peer: { judge: () => undefined } };
  const pair = new Pair({ client: config, server: config, tap });
  pair.run();
  return pair;
}

Deno.test("D24: both ends say that they take whatever the protocol allows", () => {
  const messages = connectedPair().sent.flatMap(({ bytes }) => messagesIn(bytes));
  for (const type of ["ClientHello", "ServerHello"] as const) {
    const hello = messages.find((one) => one.type === type);
    ok(hello);
    equal(limitIn(type, hello.body), 2 ** 14);
  }
});

Deno.test("D24: a server does not answer the limit of a client that tells none", () => {
  const pair = credulousPair(telling("client", undefined));
  const hello = pair.sent.flatMap(({ bytes }) => messagesIn(bytes)).find(({ type }) =>
    type === "ServerHello"
  );
  ok(hello);
  equal(limitIn("ServerHello", hello.body), undefined);
  ok(pair.isConnected());
  equal(pair.server.maxPayloadLength(), 2 ** 14);
  deepEqual([pair.server.hasPeerToldLimit(), pair.client.hasPeerToldLimit()], [false, false]);
});

for (const side of sides) {
  const other = side === "client" ? "server" : "client";

  Deno.test(`D24: the ${other} seals no record that is longer than the ${side} takes`, () => {
    for (const limit of [64, 100, 1_200, 2 ** 14 - 1]) {
      const pair = credulousPair(telling(side, writeRecordSizeLimit(limit)));
      ok(pair.isConnected());
      deepEqual([pair[other].maxPayloadLength(), pair[side].maxPayloadLength()], [limit, 2 ** 14]);
      ok(pair.seal(other, new Uint8Array(limit)).length > limit);
      equal(pair.seal(other, new Uint8Array(limit + 1)).length, 0);
      ok(pair.isConnected());
    }
  });

  Deno.test(`D24: of a run of records for the ${side} those before one too long are sealed`, () => {
    const pair = credulousPair(telling(side, writeRecordSizeLimit(100)));
    const stride = pair[other].recordOverhead() + 101;
    const bytes = new Uint8Array(2 * stride);
    equal(pair[other].seal(bytes, 0, 2 * stride, stride), 0);
    equal(pair[other].seal(bytes, 0, 2 * (stride - 1), stride - 1), 2);
  });

  Deno.test(`D24: a larger limit of the ${side} than the protocol's is the protocol's`, () => {
    for (const limit of [2 ** 14 + 1, 2 ** 16 - 1]) {
      const pair = credulousPair(telling(side, writeRecordSizeLimit(limit)));
      equal(pair[other].maxPayloadLength(), 2 ** 14);
      equal(pair.seal(other, new Uint8Array(2 ** 14 + 1)).length, 0);
    }
  });

  Deno.test(`D24: a limit of the ${side} below 64, or malformed, is refused`, () => {
    const refused: readonly [code: string, data: Uint8Array][] = [
      ["no-agreement", writeRecordSizeLimit(63)],
      ["no-agreement", writeRecordSizeLimit(0)],
      ["malformed-message", Uint8Array.of(64)],
      ["malformed-message", new Uint8Array(0)],
      ["malformed-message", Uint8Array.of(0, 64, 0)],
    ];
    for (const [code, data] of refused) {
      const pair = credulousPair(telling(side, data));
      deepEqual([pair.ending(other), pair.ending(side)], [code, "peer-alert"]);
    }
  });
}

Deno.test("D24: a protected message is cut so that no record is longer than the peer takes", () => {
  const [suite] = cipherSuitesNamed(["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]);
  ok(suite);
  const records = new RecordLayer(defaultKeyLimits);
  const key = () => ({ key: new Uint8Array(16), fixedIv: new Uint8Array(4) });
  const provider = credulousCrypto().aead;
  records.install({ provider, suite, write: key(), read: key(), maxPayloadLength: 64 });
  const flights = new Flights({ initialTimeout: 100, mtu: 1_200 });
  const body = Uint8Array.from({ length: 500 }, (_, index) => index);
  const message = { type: "Finished", sequence: 3, body } as const;
  const items = [0, 1].map((epoch) => ({
    kind: "message" as const,
    epoch: epoch === 0 ? 0 as const : 1 as const,
    message,
  }));
  flights.update([{ answers: 0, items }], { now: 0, isLast: false });
  const out = new Uint8Array(1_200);
  const written: ReturnType<typeof parseRecords> = [];
  for (;;) {
    const length = flights.writeDatagram(records, out);
    if (length === 0) break;
    written.push(...parseRecords(out.slice(0, length)));
  }
  const plain = written.filter(({ epoch }) => epoch === 0);
  equal(plain.length, 1, "what is not protected is not bound");
  const payloads = written.filter(({ epoch }) => epoch === 1).map(({ fragment }) =>
    fragment.slice(8, -16)
  );
  ok(payloads.length > 1);
  ok(payloads.every(({ length }) => length <= 64));
  const fragments = payloads.flatMap((payload) => parseHandshakeFragments(payload) ?? []);
  deepEqual(fragments.flatMap((one) => [...one.body]), [...body]);
});
