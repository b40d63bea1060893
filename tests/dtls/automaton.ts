/**
 * Row D5: the automaton of each role as a table, and a check that an endpoint is that automaton. The
 * crypto is stubbed: what is tried is the order of messages alone.
 *
 * @module
 */
import { equal } from "node:assert/strict";
import { writeCertificate } from "../../src/dtls/certificate.ts";
import { writeCertificateRequest } from "../../src/dtls/certificate_request.ts";
import { writeCertificateVerify } from "../../src/dtls/certificate_verify.ts";
import { writeClientHello } from "../../src/dtls/client_hello.ts";
import { writeClientKeyExchange } from "../../src/dtls/client_key_exchange.ts";
import { DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
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
 * For each state the letter that leads out of it, and where. Everything else ends the handshake or
 * is dropped, as `isDropped` says.
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

/** What is not for this moment and may be a stranger's or out of order: it changes nothing. */
function isDropped(state: string, letter: Letter): boolean {
  if (letter === "ChangeCipherSpec" || letter === "Finished in the clear") return true;
  const isProtected = state === "wait-finished" || state === "connected";
  return (letter === "Finished") !== isProtected || state === "connected";
}

function next(role: Side, state: string, letter: Letter): string {
  if (state === "ended") return state;
  const target = automata[role][state]?.[letter];
  return target ?? (isDropped(state, letter) ? state : "ended");
}

const share = new Uint8Array(32).fill(9);
const random = new Uint8Array(32);
const empty = new Uint8Array(0);
const helloExtensions = [
  [extensionTypes.extendedMasterSecret, empty],
  [extensionTypes.renegotiationInfo, Uint8Array.of(0)],
] as const;

const bodies: Readonly<Record<Exclude<Letter, "ChangeCipherSpec">, Uint8Array>> = {
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

const sequences = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const datagrams: Readonly<Record<Letter, readonly Uint8Array[]>> = Object.fromEntries(
  alphabet.map((letter) => [letter, sequences.map((sequence) => datagramOf(letter, sequence))]),
) as unknown as Readonly<Record<Letter, readonly Uint8Array[]>>;

function datagramOf(letter: Letter, sequence: number): Uint8Array {
  if (letter === "ChangeCipherSpec") return forgeRecord("changeCipherSpec", Uint8Array.of(1));
  const body = bodies[letter];
  if (letter === "Finished in the clear") return forgeMessage("Finished", sequence, body);
  if (letter === "empty Certificate") return forgeMessage("Certificate", sequence, body);
  if (letter !== "Finished") return forgeMessage(letter, sequence, body);
  const message = writeHandshakeMessage({ type: letter, sequence, body });
  const fragment = Uint8Array.of(...new Uint8Array(8), ...message, ...new Uint8Array(16));
  return forgeRecord("handshake", fragment, { epoch: 1 });
}

const config = {
  crypto: credulousCrypto(),
  chain: [share],
  peer: { judge: () => undefined },
} as const;

/** Says a word to an endpoint, each message in order, and compares where that leads. */
export function checkWord(role: Side, word: readonly Letter[]): string {
  const endpoint = new DtlsEndpoint({ ...config, role }, 0);
  let state = role === "client" ? "wait-first-answer" : "wait-client-hello";
  let sequence = 0;
  for (const letter of word) {
    if (state === "ended") break;
    endpoint.handleDatagram(datagrams[letter][sequence] ?? empty, 0);
    const wasDropped = automata[role][state]?.[letter] === undefined && isDropped(state, letter);
    if (!wasDropped && letter !== "ChangeCipherSpec") sequence++;
    state = next(role, state, letter);
  }
  const events: string[] = [];
  for (let event = endpoint.pollEvent(); event !== undefined; event = endpoint.pollEvent()) {
    events.push(event.type);
  }
  // Anything after the end or in place of a connection would show here.
  const expected = state === "connected" || state === "ended" ? state : undefined;
  equal(events[0], expected, `${role}: ${word.join(", ")}`);
  equal(events.length, expected === undefined ? 0 : 1, `${role}: ${word.join(", ")}`);
  return state;
}

/** Checks every word of this length and shorter ones behind a prefix; returns how many there were. */
export function checkWords(role: Side, prefix: readonly Letter[], length: number): number {
  checkWord(role, prefix);
  if (length === 0) return 1;
  return alphabet.reduce(
    (count, letter) => count + checkWords(role, [...prefix, letter], length - 1),
    1,
  );
}
