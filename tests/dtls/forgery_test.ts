/** Attacks on the handshake. None may end in a connection with somebody else. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseClientHello, writeClientHello } from "../../src/dtls/client_hello.ts";
import type { DtlsConfig } from "../../src/dtls/dtls_endpoint.ts";
import { type Extensions, extensionTypes } from "../../src/dtls/extension.ts";
import { HandshakeAttempt } from "../../src/dtls/handshake_attempt.ts";
import type { HandshakeCrypto, KeyShare, NamedGroup } from "../../src/dtls/handshake_crypto.ts";
import {
  type HandshakeFragment,
  type HandshakeType,
  writeHandshakeMessage,
} from "../../src/dtls/handshake_header.ts";
import {
  parseServerHello,
  type ServerHello,
  writeServerHello,
} from "../../src/dtls/server_hello.ts";
import {
  parseServerKeyExchange,
  writeServerEcdhParams,
  writeServerKeyExchange,
} from "../../src/dtls/server_key_exchange.ts";
import {
  bytesOf,
  clientIdentity,
  configOf,
  connectedPair,
  fingerprintOf,
  Pair,
  type PairOptions,
  serverIdentity,
  type Side,
} from "./pair.ts";
import {
  changing,
  forgeFragment,
  forgeMessage,
  forgeRecord,
  mapMessages,
  messagesIn,
  parseRecords,
  writeRecords,
} from "./on_path.ts";
import { Insider } from "./insider.ts";
import { createIdentity, testAead, testCrypto } from "./test_crypto.ts";

const other = createIdentity("other");
const sides: readonly Side[] = ["client", "server"];

/** Runs a handshake under attack, and expects this end on this side and a connection on none. */
function expectEnd(side: Side, code: string, options: PairOptions): Pair {
  const pair = new Pair(options);
  pair.run();
  equal(pair.ending(side), code, JSON.stringify(pair.events[side]));
  ok(!pair.events[side].some(({ type }) => type === "connected"), "it connected");
  ok(!pair.isConnected());
  return pair;
}

function expectConnection(options: PairOptions): Pair {
  const pair = new Pair(options);
  pair.run(20_000);
  ok(pair.isConnected(), JSON.stringify(pair.events));
  pair.send("client", bytesOf("ping"));
  pair.send("server", bytesOf("pong"));
  pair.run(pair.now + 100);
  deepEqual([pair.texts("server"), pair.texts("client")], [["ping"], ["pong"]]);
  return pair;
}

function cryptoWith(side: Side, overrides: Partial<HandshakeCrypto>): HandshakeCrypto {
  const { crypto } = configOf(side);
  return { ...crypto, ...overrides };
}

// D1

Deno.test("D1: a ServerKeyExchange with other params under the genuine signature is refused", () => {
  const swap = (body: Uint8Array) => {
    const exchange = parseServerKeyExchange(body);
    ok(exchange);
    const { publicKey } = testCrypto(other).createKeyShare("x25519");
    const params = writeServerEcdhParams(exchange.group, publicKey);
    return writeServerKeyExchange({ ...exchange, params });
  };
  expectEnd("client", "bad-signature", { tap: changing("ServerKeyExchange", swap) });
});

Deno.test("D1: a ServerKeyExchange with a random signature is refused", () => {
  const spoil = (body: Uint8Array) => {
    const exchange = parseServerKeyExchange(body);
    ok(exchange);
    return writeServerKeyExchange({
      ...exchange,
      signature: crypto.getRandomValues(new Uint8Array(71)),
    });
  };
  expectEnd("client", "bad-signature", { tap: changing("ServerKeyExchange", spoil) });
});

Deno.test("D1: a ServerKeyExchange signed by another key is refused", () => {
  const impostor = cryptoWith("server", { sign: testCrypto(other).sign });
  expectEnd("client", "bad-signature", { server: { crypto: impostor } });
});

Deno.test("D1: a ServerKeyExchange signed for another handshake is refused", () => {
  const recorded = messagesIn(recordFlight("server", 0)).find(({ type }) =>
    type === "ServerKeyExchange"
  );
  ok(recorded);
  expectEnd("client", "bad-signature", {
    tap: changing("ServerKeyExchange", () => recorded.body),
  });
});

Deno.test("D1: a signature scheme that was not offered is refused", () => {
  const spoil = (body: Uint8Array) => {
    const exchange = parseServerKeyExchange(body);
    ok(exchange);
    return writeServerKeyExchange({ ...exchange, signatureScheme: 0x0203 });
  };
  expectEnd("client", "no-agreement", { tap: changing("ServerKeyExchange", spoil) });
});

/** The nth datagram of a side in a handshake of its own. */
function recordFlight(side: Side, index: number): Uint8Array {
  const pair = connectedPair();
  const datagram = pair.sent.filter(({ from }) => from === side)[index];
  ok(datagram);
  return datagram.bytes;
}

// D2

Deno.test("D2: a client with an empty certificate list is refused", () => {
  const chain = [clientIdentity.certificate];
  const pair = new Pair({ client: { chain } });
  // It needs one to be made, and then loses it.
  chain.length = 0;
  pair.run();
  equal(pair.ending("server"), "peer-refused");
});

Deno.test("D2: a client whose CertificateVerify is by another key is refused", () => {
  const impostor = cryptoWith("client", { sign: testCrypto(other).sign });
  expectEnd("server", "bad-signature", { client: { crypto: impostor } });
});

Deno.test("D2: a CertificateVerify of another handshake is refused", () => {
  const recorded = messagesIn(recordFlight("client", 1)).find(({ type }) =>
    type === "CertificateVerify"
  );
  ok(recorded);
  expectEnd("server", "bad-signature", {
    tap: changing("CertificateVerify", () => recorded.body),
  });
});

/** Leaves out or moves messages of flight 5, and numbers the rest anew. */
function rearranging(order: readonly HandshakeType[]): PairOptions["tap"] {
  return ({ from, bytes }) => {
    const messages = messagesIn(bytes);
    if (from !== "client" || messages[0]?.type !== "Certificate") return undefined;
    const rest = parseRecords(bytes).filter(({ type, epoch }) => type !== 22 || epoch !== 0);
    const moved = order.flatMap((type, index) =>
      messages.filter((message) => message.type === type).map((message) => ({
        ...message,
        sequence: 1 + index,
      }))
    );
    return [...moved.map(forgeFragment), writeRecords(rest)];
  };
}

for (
  const order of [
    ["ClientKeyExchange", "CertificateVerify"],
    ["ClientKeyExchange"],
    ["Certificate", "CertificateVerify", "ClientKeyExchange"],
    ["Certificate", "CertificateVerify"],
    ["CertificateVerify", "Certificate", "ClientKeyExchange"],
  ] as const
) {
  Deno.test(`D2: a client that sends ${order.join(", ")} is refused`, () => {
    expectEnd("server", "unexpected-message", { tap: rearranging(order) });
  });
}

Deno.test("D2: a client that sends no CertificateVerify is refused", () => {
  // Its Finished has the number of the CertificateVerify then, and its ChangeCipherSpec no place.
  const pair = new Pair({ tap: rearranging(["Certificate", "ClientKeyExchange"]) });
  pair.run();
  equal(pair.ending("server"), "timeout");
});

// D3, F4

/** Flips a byte of the verify_data that a side writes. */
function withSpoiltFinished(side: Side, index: number): HandshakeCrypto {
  const { crypto } = configOf(side);
  const label = `${side} finished`;
  return {
    ...crypto,
    hmac(name, key, data) {
      const output = crypto.hmac(name, key, data);
      const labelAt = new TextDecoder("latin1").decode(data).indexOf(label);
      // The block that is output comes after A(1); A(1) itself starts with the label.
      if (labelAt > 0) output[index] = (output[index] ?? 0) ^ 1;
      return output;
    },
  };
}

/** The message_seq of a side's Finished. */
const finishedSequences: Readonly<Record<Side, number>> = { client: 4, server: 5 };

/** Has a side put records of its own behind its Finished, in the same datagram. */
function appending(side: Side, records: (insider: Insider) => readonly Uint8Array[]): PairOptions {
  const insider = new Insider(side);
  const tap: PairOptions["tap"] = ({ from, bytes }) => {
    if (from !== side || !parseRecords(bytes).some(({ epoch }) => epoch === 1)) return undefined;
    return [Uint8Array.from([bytes, ...records(insider)].flatMap((one) => [...one]))];
  };
  return { ...insider.options(), tap };
}

for (const side of sides) {
  const judge = side === "client" ? "server" : "client";
  Deno.test(`D3: the ${judge} refuses a Finished with any of its bytes flipped`, () => {
    for (let index = 0; index < 12; index++) {
      expectEnd(judge, "bad-finished", {
        [side]: { crypto: withSpoiltFinished(side, index) },
      });
    }
  });

  Deno.test(`D3: of two Finished that the ${side} sends together, the ${judge} takes the first`, () => {
    const body = new Uint8Array(12);
    const message = { type: "Finished", sequence: finishedSequences[side], body } as const;
    const pair = new Pair(appending(side, (insider) => [
      insider.craft("handshake", 100, writeHandshakeMessage(message)),
    ]));
    pair.run();
    ok(pair.isConnected());
    equal(pair.events[judge].length, 1);
  });

  Deno.test(`D25: what the ${side} says behind a bad Finished does not count: there is one end`, () => {
    const closing = appending(side, (insider) => [
      insider.craft("alert", 100, Uint8Array.of(1, 0)),
      insider.craft("applicationData", 101, bytesOf("evil")),
    ]);
    const options = {
      ...closing[side],
      crypto: { ...withSpoiltFinished(side, 0), aead: closing[side]?.crypto?.aead ?? testAead },
    };
    const pair = expectEnd(judge, "bad-finished", { ...closing, [side]: options });
    deepEqual(pair.events[judge].map(({ type }) => type), ["ended"]);
  });

  Deno.test(`F4: a Finished in the clear does not connect the ${side}`, () => {
    const pair = new Pair();
    for (let sequence = 0; sequence < 9; sequence++) {
      pair.deliver(side, forgeMessage("Finished", sequence, new Uint8Array(12)));
    }
    deepEqual(pair.events[side], []);
    equal(pair[side].drops().unexpected, 9);
    pair.run();
    ok(pair.isConnected());
  });
}

Deno.test("F4: a Finished in the clear at any step neither connects nor keeps from connecting", () => {
  for (let step = 0; step < 4; step++) {
    for (let sequence = 0; sequence < 9; sequence++) {
      expectConnection({
        tap: ({ index, bytes }) =>
          index === step
            ? [forgeMessage("Finished", sequence, new Uint8Array(12)), bytes]
            : undefined,
      });
    }
  }
});

Deno.test("D3: a Finished is not taken before the ChangeCipherSpec", () => {
  const tap: PairOptions["tap"] = ({ bytes }) => [
    writeRecords(parseRecords(bytes).filter(({ type }) => type !== 20)),
  ];
  const pair = new Pair({ tap });
  pair.run();
  equal(pair.ending("server"), "timeout");
  equal(pair.ending("client"), "timeout");
});

// D4, F3

const serverMessages = [
  "ServerHello",
  "Certificate",
  "ServerKeyExchange",
  "CertificateRequest",
] as const;
const clientMessages = [
  "ClientHello",
  "Certificate",
  "ClientKeyExchange",
  "CertificateVerify",
] as const;

/** Sends a copy with a byte of the body changed, before or after the genuine message. */
function doubling(
  { from, type, place, at }: {
    readonly from: Side;
    readonly type: HandshakeType;
    readonly place: "before" | "after";
    readonly at: (body: Uint8Array) => number;
  },
): PairOptions["tap"] {
  return (datagram) => {
    if (datagram.from !== from) return undefined;
    return [mapMessages(datagram.bytes, (message) => {
      if (message.type !== type) return [message];
      const body = message.body.slice();
      const index = at(body);
      body[index] = (body[index] ?? 0) ^ 1;
      const copy = { ...message, body };
      return place === "before" ? [copy, message] : [message, copy];
    })];
  };
}

for (const from of sides) {
  for (const type of from === "client" ? clientMessages : serverMessages) {
    Deno.test(`F3: a second, different ${type} of the ${from} is without effect`, () => {
      expectConnection({
        tap: doubling({ from, type, place: "after", at: (body) => body.length - 1 }),
      });
    });

    Deno.test(`D4: with a first, different ${type} of the ${from} both are connected or none is`, () => {
      for (const at of [2, 5, -2]) {
        const pair = new Pair({
          tap: doubling({
            from,
            type,
            place: "before",
            at: (body) => (body.length + at) % body.length,
          }),
        });
        pair.run();
        const count = sides.filter((side) =>
          pair.events[side].some((event) => event.type === "connected")
        ).length;
        equal(pair.isConnected(), count > 0, `byte ${at}`);
      }
    });
  }
}

Deno.test("F3: a second ServerKeyExchange with the attacker's key is not used", () => {
  const attacker = testCrypto(other).createKeyShare("x25519");
  const pair = expectConnection({
    tap: ({ from, bytes }) =>
      from === "client" ? undefined : [mapMessages(bytes, (message) => {
        if (message.type !== "ServerKeyExchange") return [message];
        const exchange = parseServerKeyExchange(message.body);
        ok(exchange);
        const params = writeServerEcdhParams(exchange.group, attacker.publicKey);
        const body = writeServerKeyExchange({ ...exchange, params });
        return [message, { ...message, body, length: body.length }];
      })],
  });
  equal(pair.sent.length, 6);
});

// D6, D9, D21: the hellos

function changingExtensions(
  type: "ClientHello" | "ServerHello",
  change: (extensions: Map<number, Uint8Array>) => Extensions | void,
): PairOptions["tap"] {
  return changing(type, (body) => {
    if (type === "ClientHello") {
      const hello = parseClientHello(body);
      ok(hello);
      const extensions = new Map(hello.extensions);
      return writeClientHello({ ...hello, extensions: change(extensions) ?? extensions });
    }
    const hello = parseServerHello(body);
    ok(hello);
    const extensions = new Map(hello.extensions);
    return writeServerHello({ ...hello, extensions: change(extensions) ?? extensions });
  });
}

for (const [row, name] of [["D6", "extendedMasterSecret"], ["D21", "renegotiationInfo"]] as const) {
  Deno.test(`${row}: a hello without ${name} is refused, either way`, () => {
    const strip = (extensions: Map<number, Uint8Array>) =>
      void extensions.delete(extensionTypes[name]);
    expectEnd("server", "no-agreement", { tap: changingExtensions("ClientHello", strip) });
    expectEnd("client", "no-agreement", { tap: changingExtensions("ServerHello", strip) });
  });
}

Deno.test("D21: a renegotiation_info that is not empty is refused, either way", () => {
  const fill = (extensions: Map<number, Uint8Array>) =>
    void extensions.set(extensionTypes.renegotiationInfo, Uint8Array.of(12, ...new Uint8Array(12)));
  expectEnd("server", "no-agreement", { tap: changingExtensions("ClientHello", fill) });
  expectEnd("client", "no-agreement", { tap: changingExtensions("ServerHello", fill) });
});

const badChoices: readonly [what: string, change: (hello: ServerHello) => Partial<ServerHello>][] =
  [
    ["an unoffered cipher suite", () => ({ cipherSuite: 0xc02c })],
    ["an unknown cipher suite", () => ({ cipherSuite: 0x1301 })],
    ["compression", () => ({ compressionMethod: 1 })],
    ["DTLS 1.0", () => ({ version: 0xfeff })],
    ["DTLS 1.3", () => ({ version: 0xfefc })],
    [
      "an unoffered extension",
      ({ extensions }) => ({ extensions: new Map([...extensions, [35, new Uint8Array(0)]]) }),
    ],
    [
      "compressed points",
      ({ extensions }) => ({ extensions: new Map([...extensions, [11, Uint8Array.of(1, 1)]]) }),
    ],
  ];
for (const [what, change] of badChoices) {
  Deno.test(`D9: a server that chooses ${what} is refused`, () => {
    const tap = changing("ServerHello", (body) => {
      const hello = parseServerHello(body);
      ok(hello);
      return writeServerHello({ ...hello, ...change(hello) });
    });
    const cipherSuites = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] as const;
    expectEnd("client", "no-agreement", { tap, client: { cipherSuites } });
  });
}

Deno.test("D9: a server that chooses an unoffered group is refused", () => {
  const tap = changing("ServerKeyExchange", (body) => Uint8Array.of(3, 0, 23, ...body.subarray(3)));
  expectEnd("client", "no-agreement", { tap, client: { groups: ["x25519"] } });
});

Deno.test("D9: a client that speaks older versions only, or no DTLS, is refused", () => {
  for (const version of [0xfeff, 0xfefe, 0x0303, 0xffff]) {
    const tap = changing("ClientHello", (body) => {
      const hello = parseClientHello(body);
      ok(hello);
      return writeClientHello({ ...hello, version });
    });
    expectEnd("server", "no-agreement", { tap });
  }
});

Deno.test("D9: a client that insists on compression, or on compressed points, is refused", () => {
  const tap = changing("ClientHello", (body) => {
    const hello = parseClientHello(body);
    ok(hello);
    return writeClientHello({ ...hello, compressionMethods: [1] });
  });
  expectEnd("server", "no-agreement", { tap });
  const compress = (extensions: Map<number, Uint8Array>) =>
    void extensions.set(extensionTypes.ecPointFormats, Uint8Array.of(1, 1));
  expectEnd("server", "no-agreement", { tap: changingExtensions("ClientHello", compress) });
});

Deno.test("D9: ends with nothing in common do not agree", () => {
  expectEnd("server", "no-agreement", {
    client: { groups: ["x25519"] },
    server: { groups: ["secp256r1"] },
  });
  expectEnd("server", "no-agreement", {
    client: { cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] },
    server: { cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"] },
  });
});

Deno.test("D22: a server that takes no certificate of ours is refused", () => {
  expectEnd("client", "no-agreement", {
    tap: changing("CertificateRequest", () => Uint8Array.of(1, 64, 0, 2, 4, 1, 0, 0)),
  });
  expectEnd("client", "no-agreement", {
    tap: changing("CertificateRequest", () => Uint8Array.of(1, 1, 0, 2, 4, 3, 0, 0)),
  });
});

Deno.test("D22: a client that takes no signature of ours is refused", () => {
  for (const schemes of [Uint8Array.of(0, 2, 4, 1), Uint8Array.of(0, 4, 2, 3, 2, 1), undefined]) {
    const change = (extensions: Map<number, Uint8Array>) => {
      if (schemes === undefined) extensions.delete(extensionTypes.signatureAlgorithms);
      else extensions.set(extensionTypes.signatureAlgorithms, schemes);
    };
    const pair = expectEnd("server", "no-agreement", {
      tap: changingExtensions("ClientHello", change),
    });
    equal(pair.sent.filter(({ from }) => from === "server").length, 1, "more than an alert");
  }
});

Deno.test("D28: no secret is left when a handshake is done, well or badly", () => {
  for (const spoilt of [undefined, "client", "server"] as const) {
    const secrets: Uint8Array[] = [];
    const watched = (side: Side) => {
      const crypto = spoilt === side ? withSpoiltFinished(side, 0) : configOf(side).crypto;
      const hmac: HandshakeCrypto["hmac"] = (name, key, data) => {
        secrets.push(key);
        return crypto.hmac(name, key, data);
      };
      return { crypto: { ...crypto, hmac } };
    };
    const pair = new Pair({ client: watched("client"), server: watched("server") });
    pair.run();
    equal(pair.isConnected(), spoilt === undefined);
    ok(secrets.length > 10);
    ok(secrets.every((secret) => secret.every((byte) => byte === 0)), `${spoilt}`);
  }
});

Deno.test("D28: no secret is left of what a stranger's hello led to", () => {
  const strangers = recordFlight("client", 0);
  const secrets = new Set<Uint8Array>();
  const { masterSecret } = HandshakeAttempt.prototype;
  HandshakeAttempt.prototype.masterSecret = function () {
    const secret = masterSecret.call(this);
    if (secret !== undefined) secrets.add(secret);
    return secret;
  };
  try {
    const pair = new Pair({
      // Message by message: so the server has got further with both when one is proved.
      tap: ({ index, from, bytes }) =>
        index === 0
          ? [strangers, bytes]
          : from === "client"
          ? parseRecords(bytes).map((record) => writeRecords([record]))
          : undefined,
    });
    pair.run();
    ok(pair.isConnected());
  } finally {
    HandshakeAttempt.prototype.masterSecret = masterSecret;
  }
  // One of the client, two of the server.
  equal(secrets.size, 3);
  for (const secret of secrets) ok(secret.every((byte) => byte === 0));
});

// D7

const right = {
  client: fingerprintOf(serverIdentity.certificate),
  server: fingerprintOf(clientIdentity.certificate),
};

for (const side of sides) {
  const { value } = right[side];
  const sameStart = Uint8Array.from(value, (byte, index) => index === 0 ? byte : byte ^ 1);
  const ownFingerprint = right[side === "client" ? "server" : "client"];
  const wrongs: readonly [what: string, peer: DtlsConfig["peer"]][] = [
    ["a wrong fingerprint", { fingerprints: [{ algorithm: "sha-256", value: sameStart }] }],
    ["its own fingerprint", { fingerprints: [ownFingerprint] }],
    ["half a fingerprint", {
      fingerprints: [{ algorithm: "sha-256", value: value.subarray(0, 16) }],
    }],
    ["SHA-1 only", { fingerprints: [{ algorithm: "sha-1", value: value.subarray(0, 20) }] }],
    ["no fingerprint", { fingerprints: [] }],
    ["a wrong fingerprint of a stronger hash beside the right one", {
      fingerprints: [right[side], { algorithm: "sha-384", value: new Uint8Array(48) }],
    }],
    ["a judge who refuses", { judge: () => "not the one" }],
    ["a judge who refuses beside the right fingerprint", {
      judge: () => "not the one",
      fingerprints: [right[side]],
    }],
    ["a judge who agrees beside a wrong fingerprint", {
      judge: () => undefined,
      fingerprints: [{ algorithm: "sha-256", value: sameStart }],
    }],
  ];
  for (const [what, peer] of wrongs) {
    Deno.test(`D7: the ${side} with ${what} refuses the peer`, () => {
      const pair = expectEnd(side, "peer-refused", { [side]: { peer } });
      ok(!pair.events[side].some(({ type }) => type === "data"));
    });
  }

  Deno.test(`D7: one of two fingerprints is enough for the ${side}`, () => {
    const wrong = { algorithm: "sha-256", value: sameStart };
    expectConnection({ [side]: { peer: { fingerprints: [wrong, right[side]] } } });
  });

  Deno.test(`D7: the ${side}'s judge is shown the whole chain`, () => {
    const seen: (readonly Uint8Array[])[] = [];
    const judge = (chain: readonly Uint8Array[]) => void seen.push(chain);
    const shown = side === "client" ? serverIdentity : clientIdentity;
    const chain = [shown.certificate, other.certificate];
    const shower = side === "client" ? "server" : "client";
    const pair = new Pair({ [side]: { peer: { judge } }, [shower]: { chain } });
    pair.run();
    ok(pair.isConnected());
    deepEqual(seen, [chain]);
  });
}

// D10

/** RFC 7748: points whose multiples are all zero, and F7's list of what is no point of P-256. */
const badShares: readonly [group: NamedGroup, what: string, publicKey: Uint8Array][] = [
  ["x25519", "zero", new Uint8Array(32)],
  ["x25519", "one", Uint8Array.of(1, ...new Uint8Array(31))],
  [
    "x25519",
    "of order 8",
    Uint8Array.fromHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
  ],
  [
    "x25519",
    "p",
    Uint8Array.fromHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
  ],
  ["x25519", "short", new Uint8Array(31).fill(9)],
  ["x25519", "long", new Uint8Array(33).fill(9)],
  ["secp256r1", "(0, 0)", Uint8Array.of(4, ...new Uint8Array(64))],
  ["secp256r1", "off the curve", Uint8Array.of(4, ...new Uint8Array(64).fill(7))],
  ["secp256r1", "x beyond p", Uint8Array.of(4, ...new Uint8Array(64).fill(255))],
  [
    "secp256r1",
    "compressed",
    Uint8Array.fromHex("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
  ],
  ["secp256r1", "infinity", Uint8Array.of(0)],
  ["secp256r1", "short", Uint8Array.of(4, ...new Uint8Array(63).fill(7))],
];
for (const [group, what, publicKey] of badShares) {
  for (const side of sides) {
    Deno.test(`D10: the ${side} refuses a share of ${group} that is ${what}`, () => {
      const giver = side === "client" ? "server" : "client";
      const share: KeyShare = { publicKey, deriveSecret: () => new Uint8Array(32).fill(1) };
      const crypto = cryptoWith(giver, { createKeyShare: () => share });
      const groups = [group];
      const pair = expectEnd(side, "bad-key-share", {
        [giver]: { crypto, groups },
        [side]: { groups },
      });
      equal(pair.ending(giver), "peer-alert");
    });
  }
}

Deno.test("D10: a share of wrong form is refused even where the primitive would take it", () => {
  const wrongForms = badShares.filter(([, what]) =>
    ["short", "long", "compressed", "infinity"].includes(what)
  );
  for (const [group, , publicKey] of wrongForms) {
    for (const side of sides) {
      const giver = side === "client" ? "server" : "client";
      const share: KeyShare = { publicKey, deriveSecret: () => new Uint8Array(32).fill(1) };
      const groups = [group];
      const createKeyShare = () => share;
      const lenient: KeyShare = {
        publicKey: testCrypto(other).createKeyShare(group).publicKey,
        deriveSecret: () => new Uint8Array(32).fill(1),
      };
      expectEnd(side, "bad-key-share", {
        [giver]: { crypto: cryptoWith(giver, { createKeyShare }), groups },
        [side]: { crypto: cryptoWith(side, { createKeyShare: () => lenient }), groups },
      });
    }
  }
});

// D15, D16: what is in the clear

const forgedAlerts = [[2, 40], [2, 10], [1, 0], [2, 0], [1, 90], [2, 255], [3, 3]] as const;

Deno.test("D15: a forged alert at any step of the handshake is without effect", () => {
  for (const alert of forgedAlerts) {
    for (let step = 0; step < 4; step++) {
      const forged = forgeRecord("alert", Uint8Array.from(alert));
      expectConnection({
        tap: ({ index, bytes }) => index === step ? [forged, bytes, forged] : undefined,
      });
    }
  }
});

Deno.test("D15: the peer's alert in the clear ends a handshake that goes no further", () => {
  const peer = { judge: () => "not the one" };
  const pair = expectEnd("server", "peer-alert", { client: { peer } });
  ok(pair.now <= 1_000);
  equal(pair.ending("client"), "peer-refused");
});

for (const side of sides) {
  Deno.test(`D15: in the clear, nothing reaches a connected ${side}`, () => {
    const pair = connectedPair();
    const before = pair.sent.length;
    const hello = recordFlight("client", 0);
    const forged: Uint8Array[] = [
      ...forgedAlerts.map((alert) => forgeRecord("alert", Uint8Array.from(alert))),
      forgeRecord("changeCipherSpec", Uint8Array.of(1)),
      forgeRecord("applicationData", bytesOf("evil")),
      hello,
      recordFlight("server", 0),
      recordFlight("client", 1),
      recordFlight("server", 1),
    ];
    for (let sequence = 0; sequence < 9; sequence++) {
      forged.push(forgeMessage("Finished", sequence, new Uint8Array(12)));
      forged.push(forgeMessage("HelloRequest", sequence, new Uint8Array(0)));
    }
    pair.now += 10_000;
    for (const datagram of forged) pair.deliver(side, datagram);
    equal(pair.sent.length, before);
    equal(pair.events[side].length, 1);
    ok(pair.isConnected());
  });
}

Deno.test("D15: application data in the clear is not delivered during the handshake", () => {
  const pair = expectConnection({
    tap: ({ bytes }) => [forgeRecord("applicationData", bytesOf("evil")), bytes],
  });
  deepEqual(pair.texts("client"), ["pong"]);
});

Deno.test("D16: a HelloVerifyRequest after the ServerHello is without effect", () => {
  expectConnection({
    tap: ({ from, bytes, index }) =>
      from === "server" && index === 1
        ? [bytes, forgeMessage("HelloVerifyRequest", 0, Uint8Array.of(0xfe, 0xff, 1, 7))]
        : undefined,
  });
});

Deno.test("D16: other hellos behind the true ones are without effect", () => {
  const strangers: Readonly<Record<Side, HandshakeFragment | undefined>> = {
    client: messagesIn(recordFlight("client", 0))[0],
    server: messagesIn(recordFlight("server", 0))[0],
  };
  expectConnection({
    tap: ({ from, bytes }) => {
      const stranger = strangers[from];
      ok(stranger);
      return [bytes, forgeFragment(stranger)];
    },
  });
});

Deno.test("D16: of a HelloVerifyRequest's cookie and of no other parameter the client makes use", () => {
  const pair = new Pair({ tap: () => [] });
  const cookie = new Uint8Array(255).fill(5);
  pair.deliver(
    "client",
    forgeMessage("HelloVerifyRequest", 0, Uint8Array.of(0xfe, 0xff, 255, ...cookie)),
  );
  const [first, second] = pair.sent.map(({ bytes }) => messagesIn(bytes)[0]);
  ok(first && second);
  equal(second.sequence, 1);
  const [before, after] = [parseClientHello(first.body), parseClientHello(second.body)];
  ok(before && after);
  deepEqual(after, { ...before, cookie });
});
