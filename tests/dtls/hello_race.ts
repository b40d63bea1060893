/**
 * Row D16: a stranger who cannot hold anything back, but whose datagrams come before and after the
 * true ones, on both ends. What it says is plausible, and has nothing of what is being said.
 *
 * @module
 */
import { writeCertificateRequest } from "../../src/dtls/certificate_request.ts";
import { writeClientHello } from "../../src/dtls/client_hello.ts";
import { DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
import { extensionTypes, writeUint16Vector } from "../../src/dtls/extension.ts";
import { writeHandshakeFragment } from "../../src/dtls/handshake_header.ts";
import { writeHelloVerifyRequest } from "../../src/dtls/hello_verify_request.ts";
import { writeServerHello } from "../../src/dtls/server_hello.ts";
import { Pair } from "../sim/pair.ts";
import { Random } from "../sim/random.ts";
import { forgeFragment, forgeMessage, forgeRecord } from "./on_path.ts";
import {
  bytesOf,
  clientIdentity,
  configOf,
  connectedPair,
  serverIdentity,
  type Side,
} from "./pair.ts";
import { swiftCrypto } from "./test_crypto.ts";

type DtlsPair = Pair<DtlsEndpoint, DtlsEndpoint>;

const sides = ["client", "server"] as const;
const ends = { client: "a", server: "z" } as const;
const none = new Uint8Array(0);

/** What was said in a handshake of the same two ends before. */
const recorded = connectedPair().sent;

function recordedFlight(from: Side, index: number): Uint8Array {
  return recorded.filter((one) => one.from === from)[index]?.bytes ?? none;
}

const helloExtensions: readonly (readonly [number, Uint8Array])[] = [
  [extensionTypes.extendedMasterSecret, none],
  [extensionTypes.renegotiationInfo, Uint8Array.of(0)],
];

function clientHelloBody(random: Random, version = 0xfefd): Uint8Array {
  return writeClientHello({
    version,
    random: random.bytes(32),
    sessionId: none,
    cookie: random.chance(0.3) ? random.bytes(20) : none,
    cipherSuites: [0xc02b, 0xc02c, 0xcca9],
    compressionMethods: [0],
    extensions: new Map([
      ...helloExtensions,
      [extensionTypes.supportedGroups, writeUint16Vector([29, 23])],
      [extensionTypes.signatureAlgorithms, writeUint16Vector([0x0403])],
    ]),
  });
}

function serverHelloBody(random: Random, cipherSuite: number): Uint8Array {
  return writeServerHello({
    version: 0xfefd,
    random: random.bytes(32),
    sessionId: random.chance(0.2) ? random.bytes(32) : none,
    cipherSuite,
    compressionMethod: 0,
    extensions: new Map(helloExtensions),
  });
}

function sequenceOf(random: Random): number {
  return random.chance(0.7) ? 0 : 1;
}

type Forger = (random: Random) => Uint8Array;

/** What the stranger says, by name. */
export const forgers: Readonly<Record<string, Forger>> = {
  "a HelloVerifyRequest": (random) =>
    forgeMessage(
      "HelloVerifyRequest",
      sequenceOf(random),
      writeHelloVerifyRequest({ version: 0xfeff, cookie: random.bytes(1 + random.below(32)) }),
    ),
  "a ServerHello": (random) =>
    forgeMessage(
      "ServerHello",
      sequenceOf(random),
      serverHelloBody(random, random.pick([0xc02b, 0xc02c, 0xcca9])),
    ),
  "a ServerHello that chooses what was not offered": (random) =>
    forgeMessage("ServerHello", 0, serverHelloBody(random, 0x1301)),
  "the start of a ServerHello": (random) => {
    const body = serverHelloBody(random, 0xc02b);
    return forgeFragment({ type: "ServerHello", length: 9_000, sequence: 0, offset: 0, body });
  },
  "the first bytes of a ServerHello of likely length": (random) => {
    const body = Uint8Array.of(0xfe, 0xfd, ...random.bytes(20));
    return forgeFragment({ type: "ServerHello", length: 57, sequence: 0, offset: 0, body });
  },
  "a ClientHello": (random) =>
    forgeMessage("ClientHello", sequenceOf(random), clientHelloBody(random)),
  "a ClientHello of DTLS 1.0": (random) =>
    forgeMessage("ClientHello", 0, clientHelloBody(random, 0xfeff)),
  "a ClientHello cut short": (random) =>
    forgeMessage("ClientHello", 0, clientHelloBody(random).subarray(0, 50)),
  "a HelloRequest": (random) => forgeMessage("HelloRequest", random.below(6), none),
  "a CertificateRequest": (random) =>
    forgeMessage(
      "CertificateRequest",
      3,
      writeCertificateRequest({
        certificateTypes: [64, random.below(256)],
        signatureSchemes: [0x0403, random.below(65_536)],
        authorities: none,
      }),
    ),
  "a fatal alert": (random) =>
    forgeRecord("alert", Uint8Array.of(2, random.pick([10, 20, 40, 47, 51, 80]))),
  "a warning": (random) => forgeRecord("alert", Uint8Array.of(1, random.pick([0, 90, 100]))),
  "a ChangeCipherSpec": () => forgeRecord("changeCipherSpec", Uint8Array.of(1)),
  "a Finished in the clear": (random) =>
    forgeMessage("Finished", random.below(8), random.bytes(12)),
  "a Finished that is not encrypted": (random) => {
    const payload = writeHandshakeFragment({
      type: "Finished",
      length: 12,
      sequence: 4 + random.below(3),
      offset: 0,
      body: random.bytes(12),
    });
    return forgeRecord("handshake", Uint8Array.of(...payload, ...random.bytes(24)), { epoch: 1 });
  },
  "a ClientHello of before": () => recordedFlight("client", 0),
  "the flight with a ServerHello of before": () => recordedFlight("server", 0),
  "the flight with a CertificateVerify of before": () => recordedFlight("client", 1),
};

/** How a race is run. */
export interface RaceOptions {
  /** Names of `forgers`; all of them unless given. */
  readonly kinds?: readonly string[];
  readonly loss?: number;
  /** Whether signatures are real ones, which cost most of the time. */
  readonly isReal?: boolean;
}

/** How a race went. */
export interface RaceResult {
  readonly pair: DtlsPair;
  /** What was forged, to whom and when. */
  readonly forged: readonly string[];
  /** Whether both ends are connected, and to each other. */
  readonly isComplete: boolean;
}

/** As many as a stranger says in one handshake. */
const maxForgeries = 12;

const swift = {
  client: { crypto: swiftCrypto(clientIdentity) },
  server: { crypto: swiftCrypto(serverIdentity) },
};

/** Runs a handshake into which a stranger speaks, as the seed has it. */
export function raceHandshake(
  seed: number,
  { kinds, loss = 0, isReal = false }: RaceOptions = {},
): RaceResult {
  const random = new Random(seed).fork("stranger");
  const delayMs = 5 + random.below(40);
  const pair: DtlsPair = new Pair({
    seed,
    a: new DtlsEndpoint(configOf("client", isReal ? {} : swift.client), 0),
    z: new DtlsEndpoint(configOf("server", isReal ? {} : swift.server), 0),
    names: { a: "client", z: "server" },
    impairments: { delayMs, jitterMs: delayMs / 4, loss },
  });
  const names = kinds ?? Object.keys(forgers);
  const forged: string[] = [];
  const forge = () => {
    for (let count = random.below(3); count > 0; count--) {
      const name = names[random.below(names.length)] ?? "";
      const bytes = forgers[name]?.(random) ?? none;
      const to = random.pick([...sides]);
      const afterMs = random.fraction() * 2 * delayMs;
      forged.push(`${name} to the ${to} at ${pair.now + afterMs}`);
      pair.inject(ends[to], bytes, { afterMs });
    }
  };
  pair.tap(({ stage }) => {
    if (stage === "sent" && forged.length < maxForgeries) forge();
  });
  forge();
  pair.call("a", () => {});
  for (let count = 0; count < 100 && !isConnected(pair) && !hasEnded(pair); count++) {
    pair.runFor(300);
  }
  return { pair, forged, isComplete: isConnected(pair) && talks(pair) };
}

function isConnected({ a, z }: DtlsPair): boolean {
  return a.isConnected() && z.isConnected();
}

function hasEnded({ events }: DtlsPair): boolean {
  return [...events.a, ...events.z].some(({ type }) => type === "ended");
}

function talks(pair: DtlsPair): boolean {
  for (const [from, to] of [["a", "z"], ["z", "a"]] as const) {
    pair.call(from, (endpoint) => {
      const payload = bytesOf(`${from} to ${to}`);
      const record = new Uint8Array(endpoint.recordOverhead() + payload.length);
      record.set(payload, endpoint.payloadOffset());
      endpoint.seal(record, 0, record.length, record.length);
      pair.inject(to, record);
    });
  }
  pair.runFor(100);
  return (["a", "z"] as const).every((end) =>
    pair.events[end].filter(({ type }) => type === "data").length === 1
  );
}
