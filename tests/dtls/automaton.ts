/**
 * Row D5: the automaton of each role as a table, and a check that an endpoint is that automaton. The
 * crypto is stubbed unless told: what is tried is the order of messages alone.
 *
 * @module
 */
import { deepEqual } from "node:assert/strict";
import { writeCertificate } from "../../src/dtls/certificate.ts";
import { writeCertificateRequest } from "../../src/dtls/certificate_request.ts";
import { writeCertificateVerify } from "../../src/dtls/certificate_verify.ts";
import { writeClientHello } from "../../src/dtls/client_hello.ts";
import { writeClientKeyExchange } from "../../src/dtls/client_key_exchange.ts";
import { type DtlsConfig, DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
import { extensionTypes, writeUint16Vector } from "../../src/dtls/extension.ts";
import { type HandshakeType, writeHandshakeMessage } from "../../src/dtls/handshake_header.ts";
import { writeHelloVerifyRequest } from "../../src/dtls/hello_verify_request.ts";
import { writeServerHello } from "../../src/dtls/server_hello.ts";
import {
  writeServerEcdhParams,
  writeServerKeyExchange,
} from "../../src/dtls/server_key_exchange.ts";
import { forgeMessage, forgeRecord } from "./on_path.ts";
import type { Side } from "./pair.ts";
import { credulousCrypto } from "./test_crypto.ts";

/** What can be said to an endpoint. */
export type Letter =
  | Exclude<HandshakeType, "Finished">
  | "empty Certificate"
  | "Finished"
  | "Finished in the clear"
  | "ChangeCipherSpec";

/** All of it. */
export const alphabet: readonly Letter[] = [
  "HelloRequest",
  "ClientHello",
  "HelloVerifyRequest",
  "ServerHello",
  "Certificate",
  "empty Certificate",
  "ServerKeyExchange",
  "CertificateRequest",
  "ServerHelloDone",
  "CertificateVerify",
  "ClientKeyExchange",
  "Finished",
  "Finished in the clear",
  "ChangeCipherSpec",
];

/**
 * For each state the letter that leads out of it, and where. Everything else is dropped; some of it
 * raises doubts, as `raisesDoubts` says, which end the handshake where nothing better comes.
 */
export const automata: Readonly<
  Record<Side, Readonly<Record<string, Partial<Record<Letter, string>>>>>
> = {
  client: {
    "wait-first-answer": {
      HelloVerifyRequest: "wait-server-hello",
      ServerHello: "wait-certificate",
    },
    "wait-server-hello": { ServerHello: "wait-certificate" },
    "wait-certificate": { Certificate: "wait-server-key-exchange" },
    "wait-server-key-exchange": { ServerKeyExchange: "wait-certificate-request" },
    "wait-certificate-request": { CertificateRequest: "wait-server-hello-done" },
    "wait-server-hello-done": { ServerHelloDone: "wait-change-cipher-spec" },
    "wait-change-cipher-spec": { ChangeCipherSpec: "wait-finished" },
    "wait-finished": { Finished: "connected" },
    "connected": {},
  },
  server: {
    "wait-client-hello": { ClientHello: "wait-certificate" },
    "wait-certificate": { Certificate: "wait-client-key-exchange" },
    "wait-client-key-exchange": { ClientKeyExchange: "wait-certificate-verify" },
    "wait-certificate-verify": { CertificateVerify: "wait-change-cipher-spec" },
    "wait-change-cipher-spec": { ChangeCipherSpec: "wait-finished" },
    "wait-finished": { Finished: "connected" },
    "connected": {},
  },
};

/** The words that connect. */
export const acceptedWords: Readonly<Record<Side, readonly (readonly Letter[])[]>> = {
  client: [[], ["HelloVerifyRequest"] as const].map((start) => [
    ...start,
    "ServerHello",
    "Certificate",
    "ServerKeyExchange",
    "CertificateRequest",
    "ServerHelloDone",
    "ChangeCipherSpec",
    "Finished",
  ]),
  server: [[
    "ClientHello",
    "Certificate",
    "ClientKeyExchange",
    "CertificateVerify",
    "ChangeCipherSpec",
    "Finished",
  ]],
};

/** States in which the peer has signed, so that what else comes in the clear is not the peer's. */
const settledStates = ["wait-change-cipher-spec", "wait-finished", "connected"];

/** Whether a letter without a place here speaks against the handshake. */
function raisesDoubts(state: string, letter: Letter): boolean {
  if (letter === "ChangeCipherSpec") return false;
  // A Finished in the clear is none, and one that is not is not read before the keys.
  if (letter === "Finished in the clear" || letter === "Finished") return false;
  return !settledStates.includes(state);
}

/** What each message says. */
export type Bodies = Readonly<Record<Exclude<Letter, "ChangeCipherSpec">, Uint8Array>>;

/** Endpoints, and messages that they take where those have their place. */
export interface Language {
  readonly config: DtlsConfig;
  /** What is false wherever it is said. */
  readonly lies: readonly Letter[];
  readonly datagrams: Readonly<Record<Letter, readonly Uint8Array[]>>;
}

/** The language of one role with these messages. */
export function languageOf(
  config: DtlsConfig,
  bodies: Bodies,
  lies: readonly Letter[] = [],
): Language {
  const datagrams = Object.fromEntries(
    alphabet.map((letter) => [
      letter,
      sequences.map((sequence) => datagramOf(bodies, letter, sequence)),
    ]),
  ) as unknown as Language["datagrams"];
  return { config, datagrams, lies };
}

const sequences = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

function datagramOf(bodies: Bodies, letter: Letter, sequence: number): Uint8Array {
  if (letter === "ChangeCipherSpec") return forgeRecord("changeCipherSpec", Uint8Array.of(1));
  const body = bodies[letter];
  if (letter === "Finished in the clear") return forgeMessage("Finished", sequence, body);
  if (letter === "empty Certificate") return forgeMessage("Certificate", sequence, body);
  if (letter !== "Finished") return forgeMessage(letter, sequence, body);
  const message = writeHandshakeMessage({ type: letter, sequence, body });
  const fragment = Uint8Array.of(...new Uint8Array(8), ...message, ...new Uint8Array(16));
  return forgeRecord("handshake", fragment, { epoch: 1 });
}

const share = new Uint8Array(32).fill(9);
const random = new Uint8Array(32);
const empty = new Uint8Array(0);
const helloExtensions = [
  [extensionTypes.extendedMasterSecret, empty],
  [extensionTypes.renegotiationInfo, Uint8Array.of(0)],
] as const;

const stubbedBodies: Bodies = {
  "HelloRequest": empty,
  "ClientHello": writeClientHello({
    version: 0xfefd,
    random,
    sessionId: empty,
    cookie: empty,
    cipherSuites: [0xc02b],
    compressionMethods: [0],
    extensions: new Map([
      ...helloExtensions,
      [extensionTypes.supportedGroups, writeUint16Vector([29])],
      [extensionTypes.signatureAlgorithms, writeUint16Vector([0x0403])],
    ]),
  }),
  "HelloVerifyRequest": writeHelloVerifyRequest({ version: 0xfeff, cookie: share }),
  "ServerHello": writeServerHello({
    version: 0xfefd,
    random,
    sessionId: empty,
    cipherSuite: 0xc02b,
    compressionMethod: 0,
    extensions: new Map(helloExtensions),
  }),
  "Certificate": writeCertificate({ chain: [share] }),
  "empty Certificate": writeCertificate({ chain: [] }),
  "ServerKeyExchange": writeServerKeyExchange({
    params: writeServerEcdhParams(29, share),
    signatureScheme: 0x0403,
    signature: share,
  }),
  "CertificateRequest": writeCertificateRequest({
    certificateTypes: [64],
    signatureSchemes: [0x0403],
    authorities: empty,
  }),
  "ServerHelloDone": empty,
  "CertificateVerify": writeCertificateVerify({ signatureScheme: 0x0403, signature: share }),
  "ClientKeyExchange": writeClientKeyExchange({ publicKey: share }),
  "Finished": new Uint8Array(12),
  "Finished in the clear": new Uint8Array(12),
};

function stubbedLanguage(role: Side): Language {
  const crypto = credulousCrypto();
  const config = { role, crypto, chain: [share], peer: { judge: () => undefined } };
  return languageOf(config, stubbedBodies);
}

const stubbed: Readonly<Record<Side, Language>> = {
  client: stubbedLanguage("client"),
  server: stubbedLanguage("server"),
};

/** More than doubts wait, and less than a handshake takes at most. */
const patience = 10_000;

/** Says a word to an endpoint, each message in order, and compares where that leads. */
export function checkWord(
  role: Side,
  word: readonly Letter[],
  { config, datagrams, lies }: Language = stubbed[role],
): string {
  const endpoint = new DtlsEndpoint(config, 0);
  let state = role === "client" ? "wait-first-answer" : "wait-client-hello";
  let isDoubtful = false;
  let sequence = 0;
  for (const letter of word) {
    endpoint.handleDatagram(datagrams[letter][sequence] ?? empty, 0);
    const next = lies.includes(letter) ? undefined : automata[role][state]?.[letter];
    if (next === undefined) {
      isDoubtful ||= raisesDoubts(state, letter);
      continue;
    }
    if (letter !== "ChangeCipherSpec") {
      sequence++;
      isDoubtful = false;
    }
    state = next;
  }
  const before = eventsOf(endpoint);
  endpoint.handleTimeout(patience);
  const after = eventsOf(endpoint);
  const expected = state === "connected" ? [["connected"], []] : [[], isDoubtful ? ["ended"] : []];
  deepEqual([before, after], expected, `${role}: ${word.join(", ")}`);
  return state;
}

function eventsOf(endpoint: DtlsEndpoint): string[] {
  const events: string[] = [];
  for (let event = endpoint.pollEvent(); event !== undefined; event = endpoint.pollEvent()) {
    events.push(event.type);
  }
  return events;
}

/** Checks every word of this length and shorter ones behind a prefix; returns how many there were. */
export function checkWords(
  role: Side,
  prefix: readonly Letter[],
  length: number,
  language: Language = stubbed[role],
): number {
  checkWord(role, prefix, language);
  if (length === 0) return 1;
  return alphabet.reduce(
    (count, letter) => count + checkWords(role, [...prefix, letter], length - 1, language),
    1,
  );
}
