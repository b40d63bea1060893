/** Our server, and what Chromium says first, as it was captured (see vectors/). */
import { deepEqual, equal, ok } from "node:assert/strict";
import { type CipherSuiteName, cipherSuitesNamed } from "../../src/dtls/cipher_suite.ts";
import { parseClientHello } from "../../src/dtls/client_hello.ts";
import type { DtlsConfig } from "../../src/dtls/dtls_endpoint.ts";
import { extensionTypes, parseUint16Vector } from "../../src/dtls/extension.ts";
import { namedGroupCodes, namedGroups } from "../../src/dtls/named_group.ts";
import { dtls12 } from "../../src/dtls/protocol_version.ts";
import { parseServerHello } from "../../src/dtls/server_hello.ts";
import { parseServerKeyExchange } from "../../src/dtls/server_key_exchange.ts";
import { concatenate } from "../../src/dtls/wire_writer.ts";
import { messagesIn } from "./on_path.ts";
import { Pair, serverIdentity } from "./pair.ts";
import { testCrypto } from "./test_crypto.ts";
import captured from "./vectors/chromium_client_hello.json" with { type: "json" };

const [first = new Uint8Array(0), second = new Uint8Array(0)] = captured.datagrams.map((hex) =>
  Uint8Array.fromHex(hex)
);
const offer = parseClientHello(
  concatenate(...[first, second].flatMap(messagesIn).map(({ body }) => body)),
);

const orders = {
  "in order": [first, second],
  "the second half first": [second, first],
};

const nothing = new Uint8Array(0);

/** A server that was given the datagrams, and what it answers. */
function answerTo(datagrams: readonly Uint8Array[], server: Partial<DtlsConfig> = {}) {
  const pair = new Pair({ server, tap: () => [] });
  for (const datagram of datagrams) pair.deliver("server", datagram);
  const messages = pair.sent.filter(({ from }) => from === "server").flatMap(({ bytes }) =>
    messagesIn(bytes)
  );
  const [hello, , keyExchange] = messages.map(({ body }) => body);
  // A hello that cannot be answered is believed once no better one comes.
  pair.now += 1_000;
  pair.server.handleTimeout(pair.now);
  pair.poll("server");
  return {
    types: messages.map(({ type }) => type),
    hello: parseServerHello(hello ?? nothing),
    keyExchange: parseServerKeyExchange(keyExchange ?? nothing),
    ending: pair.ending("server"),
  };
}

Deno.test("F6: the capture is one hello in two fragments, for DTLS 1.3 and for 1.2", () => {
  const fragments = [first, second].flatMap(messagesIn);
  deepEqual(fragments.map(({ type }) => type), ["ClientHello", "ClientHello"]);
  ok(fragments.every(({ body, length }) => body.length > 0 && body.length < length));
  const supportedVersions = offer?.extensions.get(0x002b);
  equal(supportedVersions?.toHex(), "04fefcfefd");
});

for (const [order, datagrams] of Object.entries(orders)) {
  Deno.test(`F6: Chromium's hello is answered in DTLS 1.2, ${order}`, () => {
    const { types, hello, keyExchange } = answerTo(datagrams);
    deepEqual(types, [
      "ServerHello",
      "Certificate",
      "ServerKeyExchange",
      "CertificateRequest",
      "ServerHelloDone",
    ]);
    equal(hello?.version, dtls12);
    equal(hello?.cipherSuite, 0xc02b);
    ok(offer?.cipherSuites.includes(0xc02b));
    ok([...hello?.extensions.keys() ?? []].every((type) => offer?.extensions.has(type)));
    const groups = parseUint16Vector(
      offer?.extensions.get(extensionTypes.supportedGroups) ?? nothing,
    );
    ok(groups?.includes(keyExchange?.group ?? 0));
  });

  Deno.test(`D1: what answers Chromium's hello is signed together with its random, ${order}`, () => {
    const { hello, keyExchange } = answerTo(datagrams);
    ok(offer !== undefined && hello !== undefined && keyExchange !== undefined);
    const signed = concatenate(offer.random, hello.random, keyExchange.params);
    const { certificate } = serverIdentity;
    ok(testCrypto(serverIdentity).verify(certificate, signed, keyExchange.signature));
  });
}

for (const group of namedGroups) {
  Deno.test(`F6: Chromium's hello lets our server choose ${group}`, () => {
    const { keyExchange } = answerTo([first, second], { groups: [group] });
    equal(keyExchange?.group, namedGroupCodes[group]);
  });
}

for (
  const suite of [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
  ] satisfies readonly CipherSuiteName[]
) {
  Deno.test(`F6: Chromium's hello lets our server choose ${suite}`, () => {
    const [{ code } = { code: 0 }] = cipherSuitesNamed([suite]);
    equal(answerTo([first, second], { cipherSuites: [suite] }).hello?.cipherSuite, code);
  });
}

Deno.test("D9: Chromium's hello is refused by a server that speaks AES-256 only", () => {
  const { types, ending } = answerTo([first, second], {
    cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
  });
  deepEqual(types, []);
  equal(ending, "no-agreement");
});

Deno.test("D17: half of Chromium's hello, however often it comes, is not answered", () => {
  for (const half of [first, second]) deepEqual(answerTo([half, half, half]).types, []);
});
