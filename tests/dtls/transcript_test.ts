/** Row D4: what is hashed and signed over. */
import { deepEqual } from "node:assert/strict";
import { cipherSuiteNames, cipherSuitesNamed } from "../../src/dtls/cipher_suite.ts";
import { DtlsClient } from "../../src/dtls/dtls_client.ts";
import type { HandshakeContext } from "../../src/dtls/handshake_context.ts";
import { type HandshakeMessage, writeHandshakeMessage } from "../../src/dtls/handshake_header.ts";
import { writeHelloVerifyRequest } from "../../src/dtls/hello_verify_request.ts";
import { Transcript } from "../../src/dtls/transcript.ts";
import { bytesOf, configOf } from "./pair.ts";

Deno.test("D4: neither the first ClientHello nor the HelloVerifyRequest is in the transcript", () => {
  const { crypto, chain, peer } = configOf("client");
  const transcript = new Transcript(crypto);
  const sent: HandshakeMessage[] = [];
  const context: HandshakeContext = {
    crypto,
    chain,
    peer,
    cipherSuites: cipherSuitesNamed(cipherSuiteNames),
    groups: ["x25519"],
    transcript,
    send(type, body) {
      const message = { type, sequence: sent.length, body };
      sent.push(message);
      transcript.add(message);
    },
    sendChangeCipherSpec: () => {},
    protect: () => {},
  };
  const client = DtlsClient.begin(context);
  const body = writeHelloVerifyRequest({ version: 0xfeff, cookie: bytesOf("cookie") });
  const request: HandshakeMessage = { type: "HelloVerifyRequest", sequence: 0, body };
  transcript.add(request);
  client.handleMessage(request);
  const [, second] = sent.map(writeHandshakeMessage);
  deepEqual(transcript.bytes(), second);
});

Deno.test("D4: a message is hashed as if it were one fragment", () => {
  const transcript = new Transcript(configOf("client").crypto);
  transcript.add({ type: "ServerHelloDone", sequence: 4, body: new Uint8Array(0) });
  transcript.add({ type: "ClientKeyExchange", sequence: 5, body: Uint8Array.of(1, 9) });
  deepEqual(transcript.bytesBeforeLast().toHex(), "0e0000000004000000000000");
  deepEqual(
    transcript.bytes().toHex(),
    "0e0000000004000000000000" + "1000000200050000000000020109",
  );
});
