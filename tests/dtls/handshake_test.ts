import { deepEqual, equal, ok } from "node:assert/strict";
import { cipherSuiteNames } from "../../src/dtls/cipher_suite.ts";
import { namedGroups } from "../../src/dtls/named_group.ts";
import { bytesOf, clientIdentity, connectedPair, Pair, serverIdentity } from "./pair.ts";

Deno.test("client and server connect, and know each other's certificates", () => {
  const pair = new Pair();
  pair.run();
  deepEqual(pair.events.client, [{
    type: "connected",
    cipherSuite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    group: "x25519",
    peerChain: [serverIdentity.certificate],
  }]);
  deepEqual(pair.events.server, [{
    type: "connected",
    cipherSuite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    group: "x25519",
    peerChain: [clientIdentity.certificate],
  }]);
});

for (const suite of cipherSuiteNames) {
  for (const group of namedGroups) {
    Deno.test(`data passes both ways with ${suite} and ${group}`, () => {
      const choice = { cipherSuites: [suite], groups: [group] };
      const pair = connectedPair({ client: choice, server: choice });
      pair.send("client", bytesOf("ping"));
      pair.send("server", bytesOf("pong"));
      pair.run();
      deepEqual(pair.texts("server"), ["ping"]);
      deepEqual(pair.texts("client"), ["pong"]);
    });
  }
}

Deno.test("a handshake takes two round trips and four datagrams", () => {
  const pair = new Pair();
  pair.run();
  equal(pair.sent.length, 4);
  ok(pair.isConnected());
});
