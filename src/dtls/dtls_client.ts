/**
 * The client's side of a full handshake with mutual certificates (RFC 6347 figure 1):
 *
 * ```text
 * ClientHello             -------->                             Flight 1
 *                         <--------   [HelloVerifyRequest]      Flight 2
 * [ClientHello]           -------->                             Flight 3
 *                         <--------            ServerHello      Flight 4
 *                                              Certificate
 *                                        ServerKeyExchange
 *                                       CertificateRequest
 *                                          ServerHelloDone
 * Certificate             -------->                             Flight 5
 * ClientKeyExchange
 * CertificateVerify
 * [ChangeCipherSpec]
 * Finished
 *                         <--------     [ChangeCipherSpec]      Flight 6
 *                                                 Finished
 * ```
 *
 * Each state is left by one message only. Whatever else comes in its place is a failure.
 *
 * @module
 */
import { parseCertificate, writeCertificate } from "./certificate.ts";
import { ecdsaSign, parseCertificateRequest } from "./certificate_request.ts";
import { writeCertificateVerify } from "./certificate_verify.ts";
import type { CipherSuite } from "./cipher_suite.ts";
import { type ClientHello, randomLength, writeClientHello } from "./client_hello.ts";
import { writeClientKeyExchange } from "./client_key_exchange.ts";
import {
  allowsUncompressedPoints,
  extensionTypes,
  isInitialRenegotiationInfo,
  writePointFormats,
  writeRenegotiationInfo,
  writeUint16Vector,
} from "./extension.ts";
import { parseFinished, writeFinished } from "./finished.ts";
import type { Agreement, HandshakeContext, HandshakeScript } from "./handshake_context.ts";
import type { NamedGroup } from "./handshake_crypto.ts";
import { failure, type HandshakeFailure, malformed, unexpected } from "./handshake_failure.ts";
import type { HandshakeMessage } from "./handshake_header.ts";
import { parseHelloVerifyRequest } from "./hello_verify_request.ts";
import { deriveMasterSecret, deriveTrafficKeys, deriveVerifyData } from "./key_schedule.ts";
import { ecdsaSecp256r1Sha256, isShareWellFormed, namedGroupCodes } from "./named_group.ts";
import { peerDefect } from "./peer_expectation.ts";
import { dtls12 } from "./protocol_version.ts";
import { maxPlaintextLength } from "./record.ts";
import { maxPayloadLengthOf, writeRecordSizeLimit } from "./record_size_limit.ts";
import { parseServerHello } from "./server_hello.ts";
import { isServerHelloDone } from "./server_hello_done.ts";
import { parseServerKeyExchange } from "./server_key_exchange.ts";
import { isSrtpChoice, srtpProfiles, writeUseSrtp } from "./use_srtp.ts";
import { concatenate } from "./wire_writer.ts";

/** What the hellos settled. */
interface Session {
  readonly suite: CipherSuite;
  readonly clientRandom: Uint8Array;
  readonly serverRandom: Uint8Array;
  /** The longest payload of a protected record that the server takes. */
  readonly maxPayloadLength: number | undefined;
}

/** The server's half of the key exchange, signed by the key of the certificate we judged. */
interface ServerShare {
  readonly group: NamedGroup;
  readonly publicKey: Uint8Array;
}

/** The server has shown who it is and its half of the key exchange. */
interface Introduced {
  readonly session: Session;
  readonly peerChain: readonly Uint8Array[];
  readonly share: ServerShare;
}

/** Both have what they need for the keys. */
interface Keyed {
  readonly masterSecret: Uint8Array;
  readonly agreement: Agreement;
}

type ClientState =
  | { readonly name: "wait-first-answer"; readonly offer: ClientHello }
  | { readonly name: "wait-server-hello"; readonly offer: ClientHello }
  | { readonly name: "wait-certificate"; readonly session: Session }
  | {
    readonly name: "wait-server-key-exchange";
    readonly session: Session;
    readonly peerChain: readonly Uint8Array[];
  }
  | { readonly name: "wait-certificate-request" } & Introduced
  | { readonly name: "wait-server-hello-done" } & Introduced
  | { readonly name: "wait-change-cipher-spec" } & Keyed
  | { readonly name: "wait-finished" } & Keyed
  | { readonly name: "connected"; readonly agreement: Agreement };

type StateNamed<Name extends ClientState["name"]> = Extract<ClientState, { readonly name: Name }>;

type Next = ClientState | HandshakeFailure;

/** The client's script. */
export class DtlsClient implements HandshakeScript {
  readonly sendsLastFlight = false;
  readonly #context: HandshakeContext;
  #state: ClientState;

  private constructor(context: HandshakeContext, state: ClientState) {
    this.#context = context;
    this.#state = state;
  }

  /** Sends flight 1. */
  static begin(context: HandshakeContext): DtlsClient {
    const offer = createOffer(context);
    context.send("ClientHello", writeClientHello(offer));
    return new DtlsClient(context, { name: "wait-first-answer", offer });
  }

  fork(context: HandshakeContext): DtlsClient {
    return new DtlsClient(context, this.#state);
  }

  handleMessage(message: HandshakeMessage): HandshakeFailure | undefined {
    const next = this.#next(this.#state, message);
    if ("kind" in next) return next;
    this.#state = next;
    return undefined;
  }

  /** RFC 5246 section 7.1; before the keys it would be CVE-2014-0224. CHECK D5 */
  handleChangeCipherSpec(): boolean {
    if (this.#state.name !== "wait-change-cipher-spec") return false;
    this.#state = { ...this.#state, name: "wait-finished" };
    return true;
  }

  agreement(): Agreement | undefined {
    return this.#state.name === "connected" ? this.#state.agreement : undefined;
  }

  stateName(): string {
    return this.#state.name;
  }

  masterSecret(): Uint8Array | undefined {
    return "masterSecret" in this.#state ? this.#state.masterSecret : undefined;
  }

  /**
   * The states, and what leads out of each. CHECK D5
   *
   * Departs from RFC 5246 section 7.4.1.1 ("This message will be ignored by the client if the client
   * is currently negotiating a session"): nobody sends a HelloRequest then, so it is a failure.
   */
  #next(state: ClientState, { type, body }: HandshakeMessage): Next {
    switch (state.name) {
      case "wait-first-answer":
        // RFC 6347 section 4.2.1: "the server MAY respond with a HelloVerifyRequest message."
        if (type === "HelloVerifyRequest") return this.#onHelloVerifyRequest(state, body);
        return type === "ServerHello"
          ? this.#onServerHello(state, body)
          : unexpectedIn(state, type);
      case "wait-server-hello":
        return type === "ServerHello"
          ? this.#onServerHello(state, body)
          : unexpectedIn(state, type);
      case "wait-certificate":
        return type === "Certificate"
          ? this.#onCertificate(state, body)
          : unexpectedIn(state, type);
      case "wait-server-key-exchange":
        return type === "ServerKeyExchange"
          ? this.#onServerKeyExchange(state, body)
          : unexpectedIn(state, type);
      case "wait-certificate-request":
        // A server that does not ask who we are is none of ours: certificates are mutual.
        return type === "CertificateRequest"
          ? onCertificateRequest(state, body)
          : unexpectedIn(state, type);
      case "wait-server-hello-done":
        return type === "ServerHelloDone"
          ? this.#onServerHelloDone(state, body)
          : unexpectedIn(state, type);
      case "wait-finished":
        return type === "Finished" ? this.#onFinished(state, body) : unexpectedIn(state, type);
      case "wait-change-cipher-spec":
      case "connected":
        return unexpectedIn(state, type);
      default:
        return state satisfies never;
    }
  }

  #onHelloVerifyRequest({ offer }: StateNamed<"wait-first-answer">, body: Uint8Array): Next {
    const request = parseHelloVerifyRequest(body);
    if (request === undefined) return malformed("HelloVerifyRequest");
    // RFC 6347 section 4.2.6: "the initial ClientHello and HelloVerifyRequest MUST NOT be included
    // in the CertificateVerify or Finished MAC computations." CHECK D4
    this.#context.transcript.clear();
    // Section 4.2.1: "the client MUST use the same parameter values (version, random, session_id, cipher_suites,
    // compression_method) as it did in the original ClientHello."
    this.#context.send("ClientHello", writeClientHello({ ...offer, cookie: request.cookie }));
    return { name: "wait-server-hello", offer };
  }

  #onServerHello(
    { offer }: StateNamed<"wait-first-answer" | "wait-server-hello">,
    body: Uint8Array,
  ): Next {
    const hello = parseServerHello(body);
    if (hello === undefined) return malformed("ServerHello");
    if (hello.version !== dtls12) { // CHECK D9
      return failure("no-agreement", "protocol_version", "the server does not speak DTLS 1.2");
    }
    // RFC 5246 section 7.4.1.3: "The single cipher suite selected by the server from the list in
    // ClientHello.cipher_suites." CHECK D9
    const suite = this.#context.cipherSuites.find(({ code }) => code === hello.cipherSuite);
    if (suite === undefined) return notOffered("cipher suite");
    if (hello.compressionMethod !== 0) return notOffered("compression method");
    const { extensions } = hello;
    for (const extension of extensions.keys()) {
      // RFC 5246 section 7.4.1.4: "An extension type MUST NOT appear in the ServerHello unless the
      // same extension type appeared in the corresponding ClientHello. ... it MUST abort the
      // handshake with an unsupported_extension fatal alert." CHECK D9
      if (!offer.extensions.has(extension)) {
        const reason = `the server chose extension ${extension}, which was not offered`;
        return failure("no-agreement", "unsupported_extension", reason);
      }
    }
    // RFC 7627 section 5.2: "If a client receives a ServerHello without the extension, it SHOULD
    // abort the handshake if it does not wish to interoperate with legacy servers." CHECK D6
    if (extensions.get(extensionTypes.extendedMasterSecret)?.length !== 0) {
      return refused("the server does not agree to the extended master secret");
    }
    // RFC 5746 section 3.4: "If the extension is not present, the server does not support secure
    // renegotiation"; and "The client MUST then verify that the length of the
    // "renegotiated_connection" field is zero, and if it is not, MUST abort the handshake". CHECK D21
    const renegotiation = extensions.get(extensionTypes.renegotiationInfo);
    if (renegotiation === undefined || !isInitialRenegotiationInfo(renegotiation)) {
      return refused("the server's renegotiation_info is not that of a first handshake");
    }
    // RFC 8422 section 5.2: the server's list, if there is one, contains uncompressed(0).
    const pointFormats = extensions.get(extensionTypes.ecPointFormats);
    if (pointFormats !== undefined && !allowsUncompressedPoints(pointFormats)) {
      return notOffered("point format");
    }
    const useSrtp = extensions.get(extensionTypes.useSrtp);
    if (useSrtp !== undefined && !isSrtpChoice(useSrtp)) return notOffered("SRTP profile");
    const maxPayloadLength = maxPayloadLengthOf("ServerHello", extensions);
    if (typeof maxPayloadLength === "object") return maxPayloadLength;
    const session = {
      suite,
      clientRandom: offer.random,
      serverRandom: hello.random,
      maxPayloadLength,
    };
    return { name: "wait-certificate", session };
  }

  #onCertificate({ session }: StateNamed<"wait-certificate">, body: Uint8Array): Next {
    const certificate = parseCertificate(body);
    if (certificate === undefined) return malformed("Certificate");
    const { chain: peerChain } = certificate;
    const defect = peerDefect(this.#context.crypto, this.#context.peer, peerChain); // CHECK D7
    if (defect !== undefined) return failure("peer-refused", "bad_certificate", defect);
    return { name: "wait-server-key-exchange", session, peerChain };
  }

  #onServerKeyExchange(
    { session, peerChain }: StateNamed<"wait-server-key-exchange">,
    body: Uint8Array,
  ): Next {
    const exchange = parseServerKeyExchange(body);
    if (exchange === undefined) return malformed("ServerKeyExchange");
    const group = this.#context.groups.find((one) => namedGroupCodes[one] === exchange.group);
    if (group === undefined) return notOffered("group"); // CHECK D9
    if (exchange.signatureScheme !== ecdsaSecp256r1Sha256) return notOffered("signature scheme");
    const [leaf = new Uint8Array(0)] = peerChain;
    // RFC 5246 section 7.4.3: the signature is over "ClientHello.random + ServerHello.random +
    // ServerKeyExchange.params", as they were sent; by the key in the certificate. CHECK D1
    const signed = concatenate(session.clientRandom, session.serverRandom, exchange.params);
    if (!this.#context.crypto.verify(leaf, signed, exchange.signature)) {
      return badSignature("ServerKeyExchange");
    }
    if (!isShareWellFormed(group, exchange.publicKey)) return badKeyShare(); // CHECK D10
    const share = { group, publicKey: exchange.publicKey };
    return { name: "wait-certificate-request", session, peerChain, share };
  }

  /** Flight 4 is complete: sends flight 5. */
  #onServerHelloDone(
    { session, peerChain, share }: StateNamed<"wait-server-hello-done">,
    body: Uint8Array,
  ): Next {
    if (!isServerHelloDone(body)) return malformed("ServerHelloDone");
    const { crypto, transcript } = this.#context;
    const { suite } = session;
    const keyShare = crypto.createKeyShare(share.group);
    const preMasterSecret = keyShare.deriveSecret(share.publicKey);
    if (preMasterSecret === undefined) return badKeyShare(); // CHECK D10
    this.#context.send("Certificate", writeCertificate({ chain: this.#context.chain }));
    const { publicKey } = keyShare;
    this.#context.send("ClientKeyExchange", writeClientKeyExchange({ publicKey }));
    const sessionHash = transcript.digest(suite.hash);
    const masterSecret = deriveMasterSecret(crypto, { suite, preMasterSecret, sessionHash });
    // RFC 5246 section 7.4.8: "all handshake messages sent or received, starting at client hello
    // and up to, but not including, this message".
    const signature = crypto.sign(transcript.bytes());
    this.#context.send(
      "CertificateVerify",
      writeCertificateVerify({ signatureScheme: ecdsaSecp256r1Sha256, signature }),
    );
    this.#context.sendChangeCipherSpec();
    this.#context.protect({
      suite,
      keys: deriveTrafficKeys(crypto, { ...session, masterSecret }),
      maxPayloadLength: session.maxPayloadLength,
    });
    const verifyData = deriveVerifyData(crypto, {
      suite,
      masterSecret,
      writer: "client",
      transcriptHash: transcript.digest(suite.hash),
    });
    this.#context.send("Finished", writeFinished(verifyData));
    const agreement = { suite, group: share.group, peerChain };
    return { name: "wait-change-cipher-spec", masterSecret, agreement };
  }

  #onFinished({ masterSecret, agreement }: StateNamed<"wait-finished">, body: Uint8Array): Next {
    const { crypto, transcript } = this.#context;
    const { suite } = agreement;
    const received = parseFinished(body);
    if (received === undefined) return malformed("Finished");
    const transcriptHash = transcript.digestBeforeLast(suite.hash);
    const expected = deriveVerifyData(crypto, {
      suite,
      masterSecret,
      writer: "server",
      transcriptHash,
    });
    // RFC 5246 section 7.4.9: "Recipients of Finished messages MUST verify that the contents are
    // correct." CHECK D3
    if (!crypto.equal(received, expected)) {
      return failure("bad-finished", "decrypt_error", "the server saw another handshake than we");
    }
    return { name: "connected", agreement };
  }
}

function createOffer({ crypto, cipherSuites, groups }: HandshakeContext): ClientHello {
  return {
    version: dtls12,
    random: crypto.randomBytes(randomLength),
    sessionId: new Uint8Array(0),
    cookie: new Uint8Array(0),
    cipherSuites: cipherSuites.map(({ code }) => code),
    compressionMethods: [0],
    extensions: new Map([
      [
        extensionTypes.supportedGroups,
        writeUint16Vector(groups.map((one) => namedGroupCodes[one])),
      ],
      [extensionTypes.ecPointFormats, writePointFormats()],
      [extensionTypes.signatureAlgorithms, writeUint16Vector([ecdsaSecp256r1Sha256])],
      [extensionTypes.useSrtp, writeUseSrtp(srtpProfiles)],
      [extensionTypes.extendedMasterSecret, new Uint8Array(0)],
      [extensionTypes.renegotiationInfo, writeRenegotiationInfo()],
      // Without ours a server may not tell its own.
      [extensionTypes.recordSizeLimit, writeRecordSizeLimit(maxPlaintextLength)],
    ]),
  };
}

function onCertificateRequest(
  state: StateNamed<"wait-certificate-request">,
  body: Uint8Array,
): Next {
  const request = parseCertificateRequest(body);
  if (request === undefined) return malformed("CertificateRequest");
  // RFC 5246 section 7.4.6: the client's certificate must be of a type the server takes, and signed
  // with a scheme it takes. CHECK D22
  const isOurs = request.certificateTypes.includes(ecdsaSign) &&
    request.signatureSchemes.includes(ecdsaSecp256r1Sha256);
  if (!isOurs) return refused("the server takes no certificate like ours");
  return { ...state, name: "wait-server-hello-done" };
}

function unexpectedIn(state: ClientState, type: string): HandshakeFailure {
  return unexpected(type, state.name);
}

function notOffered(what: string): HandshakeFailure {
  return failure(
    "no-agreement",
    "illegal_parameter",
    `the server chose a ${what} that was not offered`,
  );
}

function refused(reason: string): HandshakeFailure {
  return failure("no-agreement", "handshake_failure", reason);
}

function badSignature(type: string): HandshakeFailure {
  return failure("bad-signature", "decrypt_error", `the signature in the peer's ${type} is wrong`);
}

function badKeyShare(): HandshakeFailure {
  return failure("bad-key-share", "illegal_parameter", "the server's key share is no public key");
}
