/**
 * Row D5 with real crypto: what a genuine peer says to an endpoint of ours whose randoms are known
 * beforehand, so that it can be signed once for many endpoints.
 *
 * @module
 */
import { writeCertificate } from "../../src/dtls/certificate.ts";
import { writeCertificateRequest } from "../../src/dtls/certificate_request.ts";
import { writeCertificateVerify } from "../../src/dtls/certificate_verify.ts";
import { writeClientHello } from "../../src/dtls/client_hello.ts";
import { writeClientKeyExchange } from "../../src/dtls/client_key_exchange.ts";
import { extensionTypes, writeUint16Vector } from "../../src/dtls/extension.ts";
import { writeHelloVerifyRequest } from "../../src/dtls/hello_verify_request.ts";
import { writeServerHello } from "../../src/dtls/server_hello.ts";
import {
  writeServerEcdhParams,
  writeServerKeyExchange,
} from "../../src/dtls/server_key_exchange.ts";
import { concatenate } from "../../src/dtls/wire_writer.ts";
import { type Bodies, type Language, languageOf } from "./automaton.ts";
import { clientIdentity, configOf, serverIdentity, type Side } from "./pair.ts";
import { testCrypto } from "./test_crypto.ts";

const none = new Uint8Array(0);
const randoms: Readonly<Record<Side, Uint8Array>> = {
  client: new Uint8Array(32).fill(1),
  server: new Uint8Array(32).fill(2),
};
const identities = { client: clientIdentity, server: serverIdentity };

/** Everything that either end may say: true where it is the other's to say it. */
function bodiesOfPeer(peer: Side): Bodies {
  const crypto = testCrypto(identities[peer]);
  const { publicKey } = crypto.createKeyShare("x25519");
  const params = writeServerEcdhParams(29, publicKey);
  const signedParams = crypto.sign(concatenate(randoms.client, randoms.server, params));
  const extensions = [
    [extensionTypes.extendedMasterSecret, none],
    [extensionTypes.renegotiationInfo, Uint8Array.of(0)],
  ] as const;
  return {
    "HelloRequest": none,
    "ClientHello": writeClientHello({
      version: 0xfefd,
      random: randoms.client,
      sessionId: none,
      cookie: none,
      cipherSuites: [0xc02b],
      compressionMethods: [0],
      extensions: new Map([
        ...extensions,
        [extensionTypes.supportedGroups, writeUint16Vector([29])],
        [extensionTypes.signatureAlgorithms, writeUint16Vector([0x0403])],
      ]),
    }),
    "HelloVerifyRequest": writeHelloVerifyRequest({ version: 0xfeff, cookie: Uint8Array.of(7) }),
    "ServerHello": writeServerHello({
      version: 0xfefd,
      random: randoms.server,
      sessionId: none,
      cipherSuite: 0xc02b,
      compressionMethod: 0,
      extensions: new Map(extensions),
    }),
    "Certificate": writeCertificate({ chain: [identities[peer].certificate] }),
    "empty Certificate": writeCertificate({ chain: [] }),
    "ServerKeyExchange": writeServerKeyExchange({
      params,
      signatureScheme: 0x0403,
      signature: signedParams,
    }),
    "CertificateRequest": writeCertificateRequest({
      certificateTypes: [64],
      signatureSchemes: [0x0403],
      authorities: none,
    }),
    "ServerHelloDone": none,
    "CertificateVerify": writeCertificateVerify({
      signatureScheme: 0x0403,
      signature: crypto.sign(none),
    }),
    "ClientKeyExchange": writeClientKeyExchange({ publicKey }),
    "Finished": new Uint8Array(12),
    "Finished in the clear": new Uint8Array(12),
  };
}

function genuineLanguageOf(role: Side): Language {
  const config = configOf(role, { initialTimeout: 1_000 });
  const crypto = { ...config.crypto, randomBytes: () => randoms[role].slice() };
  const bodies = bodiesOfPeer(role === "client" ? "server" : "client");
  // Nobody can say these without having heard what we answer.
  return languageOf({ ...config, crypto }, bodies, ["CertificateVerify", "Finished"]);
}

/** What a genuine peer says, by our role. */
export const genuineLanguages: Readonly<Record<Side, Language>> = {
  client: genuineLanguageOf("client"),
  server: genuineLanguageOf("server"),
};
