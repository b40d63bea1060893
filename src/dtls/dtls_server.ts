/**
 * The server's side of a full handshake with mutual certificates (RFC 6347 figure 1):
 *
 * ```text
 * ClientHello             -------->                             Flight 1
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
 * RFC 6347 section 4.2.1: "If the server is being operated in an environment where amplification is
 * not a problem, the server MAY be configured not to perform a cookie exchange." Ours is one: ICE has
 * shown that the client is where it says before its first datagram gets here.
 *
 * @module
 */
import { parseCertificate, writeCertificate } from "./certificate.ts";
import { ecdsaSign, writeCertificateRequest } from "./certificate_request.ts";
import { parseCertificateVerify } from "./certificate_verify.ts";
import type { CipherSuite } from "./cipher_suite.ts";
import { type ClientHello, parseClientHello, randomLength } from "./client_hello.ts";
import { parseClientKeyExchange } from "./client_key_exchange.ts";
import {
  allowsUncompressedPoints,
  type Extensions,
  extensionTypes,
  isInitialRenegotiationInfo,
  parseUint16Vector,
  writePointFormats,
  writeRenegotiationInfo,
} from "./extension.ts";
import { parseFinished, writeFinished } from "./finished.ts";
import type { Agreement, HandshakeContext, HandshakeScript } from "./handshake_context.ts";
import type { KeyShare, NamedGroup } from "./handshake_crypto.ts";
import { failure, type HandshakeFailure, malformed, unexpected } from "./handshake_failure.ts";
import type { HandshakeMessage } from "./handshake_header.ts";
import { deriveMasterSecret, deriveTrafficKeys, deriveVerifyData } from "./key_schedule.ts";
import { ecdsaSecp256r1Sha256, isShareWellFormed, namedGroupCodes } from "./named_group.ts";
import { peerDefect } from "./peer_expectation.ts";
import { dtls12, offersDtls12 } from "./protocol_version.ts";
import { maxPlaintextLength } from "./record.ts";
import { maxPayloadLengthOf, writeRecordSizeLimit } from "./record_size_limit.ts";
import { writeServerHello } from "./server_hello.ts";
import { writeServerHelloDone } from "./server_hello_done.ts";
import { writeServerEcdhParams, writeServerKeyExchange } from "./server_key_exchange.ts";
import { chooseSrtpProfile, writeUseSrtp } from "./use_srtp.ts";
import { concatenate } from "./wire_writer.ts";

/** RFC 5746 section 3.3: "the Signaling Cipher Suite Value (SCSV)". */
const emptyRenegotiationInfoScsv = 0x00ff;

/** What the hellos settled. */
interface Session {
  readonly suite: CipherSuite;
  readonly group: NamedGroup;
  readonly clientRandom: Uint8Array;
  readonly serverRandom: Uint8Array;
  /** The longest payload of a protected record that the client takes. */
  readonly maxPayloadLength: number | undefined;
}

/** Both have what they need for the keys. */
interface Keyed {
  readonly masterSecret: Uint8Array;
  readonly agreement: Agreement;
}

type ServerState =
  | { readonly name: "wait-client-hello" }
  | { readonly name: "wait-certificate"; readonly session: Session; readonly keyShare: KeyShare }
  | {
    readonly name: "wait-client-key-exchange";
    readonly session: Session;
    readonly keyShare: KeyShare;
    readonly peerChain: readonly Uint8Array[];
  }
  | {
    readonly name: "wait-certificate-verify";
    readonly session: Session;
    readonly peerChain: readonly Uint8Array[];
    readonly masterSecret: Uint8Array;
  }
  | { readonly name: "wait-change-cipher-spec" } & Keyed
  | { readonly name: "wait-finished" } & Keyed
  | { readonly name: "connected"; readonly agreement: Agreement };

type StateNamed<Name extends ServerState["name"]> = Extract<ServerState, { readonly name: Name }>;

type Next = ServerState | HandshakeFailure;

/** The server's script. */
export class DtlsServer implements HandshakeScript {
  readonly sendsLastFlight = true;
  readonly #context: HandshakeContext;
  #state: ServerState;

  private constructor(context: HandshakeContext, state: ServerState) {
    this.#context = context;
    this.#state = state;
  }

  /** Waits for flight 1. */
  static begin(context: HandshakeContext): DtlsServer {
    return new DtlsServer(context, { name: "wait-client-hello" });
  }

  fork(context: HandshakeContext): DtlsServer {
    return new DtlsServer(context, this.#state);
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

  /** The states, and what leads out of each. CHECK D5 */
  #next(state: ServerState, { type, body }: HandshakeMessage): Next {
    switch (state.name) {
      case "wait-client-hello":
        return type === "ClientHello" ? this.#onClientHello(body) : unexpectedIn(state, type);
      case "wait-certificate":
        return type === "Certificate"
          ? this.#onCertificate(state, body)
          : unexpectedIn(state, type);
      case "wait-client-key-exchange":
        return type === "ClientKeyExchange"
          ? this.#onClientKeyExchange(state, body)
          : unexpectedIn(state, type);
      case "wait-certificate-verify":
        return type === "CertificateVerify"
          ? this.#onCertificateVerify(state, body)
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

  /** Flight 1 is complete: sends flight 4. */
  #onClientHello(body: Uint8Array): Next {
    const hello = parseClientHello(body);
    if (hello === undefined) return malformed("ClientHello");
    const choice = chooseParameters(this.#context, hello);
    if ("kind" in choice) return choice;
    const { crypto, chain } = this.#context;
    const { suite, group, maxPayloadLength } = choice;
    const serverRandom = crypto.randomBytes(randomLength);
    this.#context.send(
      "ServerHello",
      writeServerHello({
        version: dtls12,
        random: serverRandom,
        // "The server may return an empty session_id to indicate that the session will not be
        // cached and therefore cannot be resumed." (RFC 5246 section 7.4.1.3)
        sessionId: new Uint8Array(0),
        cipherSuite: suite.code,
        compressionMethod: 0,
        extensions: answerTo(hello.extensions),
      }),
    );
    this.#context.send("Certificate", writeCertificate({ chain }));
    const keyShare = crypto.createKeyShare(group);
    const params = writeServerEcdhParams(namedGroupCodes[group], keyShare.publicKey);
    const signature = crypto.sign(concatenate(hello.random, serverRandom, params));
    this.#context.send(
      "ServerKeyExchange",
      writeServerKeyExchange({ params, signatureScheme: ecdsaSecp256r1Sha256, signature }),
    );
    this.#context.send(
      "CertificateRequest",
      writeCertificateRequest({
        certificateTypes: [ecdsaSign],
        signatureSchemes: [ecdsaSecp256r1Sha256],
        authorities: new Uint8Array(0),
      }),
    );
    this.#context.send("ServerHelloDone", writeServerHelloDone());
    const session = { suite, group, maxPayloadLength, clientRandom: hello.random, serverRandom };
    return { name: "wait-certificate", session, keyShare };
  }

  #onCertificate({ session, keyShare }: StateNamed<"wait-certificate">, body: Uint8Array): Next {
    const certificate = parseCertificate(body);
    if (certificate === undefined) return malformed("Certificate");
    const { chain: peerChain } = certificate;
    const defect = peerDefect(this.#context.crypto, this.#context.peer, peerChain); // CHECK D2 D7
    if (defect !== undefined) {
      const alert = peerChain.length === 0 ? "handshake_failure" : "bad_certificate";
      return failure("peer-refused", alert, defect);
    }
    return { name: "wait-client-key-exchange", session, keyShare, peerChain };
  }

  #onClientKeyExchange(
    { session, keyShare, peerChain }: StateNamed<"wait-client-key-exchange">,
    body: Uint8Array,
  ): Next {
    const { crypto, transcript } = this.#context;
    const { suite, group } = session;
    const exchange = parseClientKeyExchange(body);
    if (exchange === undefined) return malformed("ClientKeyExchange");
    if (!isShareWellFormed(group, exchange.publicKey)) return badKeyShare(); // CHECK D10
    const preMasterSecret = keyShare.deriveSecret(exchange.publicKey);
    if (preMasterSecret === undefined) return badKeyShare(); // CHECK D10
    // RFC 7627 section 3: the session hash covers "all handshake messages sent or received, starting
    // at the ClientHello up to and including the ClientKeyExchange message". CHECK D6
    const sessionHash = transcript.digest(suite.hash);
    const masterSecret = deriveMasterSecret(crypto, { suite, preMasterSecret, sessionHash });
    return { name: "wait-certificate-verify", session, peerChain, masterSecret };
  }

  #onCertificateVerify(
    { session, peerChain, masterSecret }: StateNamed<"wait-certificate-verify">,
    body: Uint8Array,
  ): Next {
    const { crypto, transcript } = this.#context;
    const { suite, group } = session;
    const verify = parseCertificateVerify(body);
    if (verify === undefined) return malformed("CertificateVerify");
    // RFC 5246 section 7.4.8: "The hash and signature algorithms used in the signature MUST be one
    // of those present in the supported_signature_algorithms field of the CertificateRequest".
    if (verify.signatureScheme !== ecdsaSecp256r1Sha256) {
      const reason = "the client signed by a scheme that was not asked for";
      return failure("no-agreement", "illegal_parameter", reason);
    }
    const [leaf = new Uint8Array(0)] = peerChain;
    // Over "all handshake messages ... up to, but not including, this message". CHECK D2
    if (!crypto.verify(leaf, transcript.bytesBeforeLast(), verify.signature)) {
      const reason = "the signature in the peer's CertificateVerify is wrong";
      return failure("bad-signature", "decrypt_error", reason);
    }
    this.#context.protect({
      suite,
      keys: deriveTrafficKeys(crypto, { ...session, masterSecret }),
      maxPayloadLength: session.maxPayloadLength,
    });
    const agreement = { suite, group, peerChain };
    return { name: "wait-change-cipher-spec", masterSecret, agreement };
  }

  /** Flight 5 is complete: sends flight 6. */
  #onFinished({ masterSecret, agreement }: StateNamed<"wait-finished">, body: Uint8Array): Next {
    const { crypto, transcript } = this.#context;
    const { suite } = agreement;
    const received = parseFinished(body);
    if (received === undefined) return malformed("Finished");
    const expected = deriveVerifyData(crypto, {
      suite,
      masterSecret,
      writer: "client",
      transcriptHash: transcript.digestBeforeLast(suite.hash),
    });
    // RFC 5246 section 7.4.9: "Recipients of Finished messages MUST verify that the contents are
    // correct." CHECK D3
    if (!crypto.equal(received, expected)) {
      return failure("bad-finished", "decrypt_error", "the client saw another handshake than we");
    }
    this.#context.sendChangeCipherSpec();
    const verifyData = deriveVerifyData(crypto, {
      suite,
      masterSecret,
      writer: "server",
      transcriptHash: transcript.digest(suite.hash),
    });
    this.#context.send("Finished", writeFinished(verifyData));
    return { name: "connected", agreement };
  }
}

/** Chooses among what is offered, in our order of preference. */
function chooseParameters(
  { cipherSuites, groups }: HandshakeContext,
  hello: ClientHello,
): Pick<Session, "suite" | "group" | "maxPayloadLength"> | HandshakeFailure {
  // RFC 5246 appendix E.1: to a version "greater than the highest version supported by the server,
  // it MUST reply according to the highest version supported by the server." CHECK D9
  if (!offersDtls12(hello.version)) {
    return failure("no-agreement", "protocol_version", "the client does not speak DTLS 1.2");
  }
  const suite = cipherSuites.find(({ code }) => hello.cipherSuites.includes(code));
  if (suite === undefined) return refused("the client offers none of our cipher suites");
  // RFC 5246 section 7.4.1.2: "This vector MUST contain ... CompressionMethod.null."
  if (!hello.compressionMethods.includes(0)) return illegal("the client insists on compression");
  const { extensions } = hello;
  // RFC 7627 section 5.2: "If the server receives a ClientHello without the extension, it SHOULD
  // abort the handshake if it does not wish to interoperate with legacy clients." CHECK D6
  if (extensions.get(extensionTypes.extendedMasterSecret)?.length !== 0) {
    return refused("the client does not offer the extended master secret");
  }
  // RFC 5746 section 3.6: a first handshake has the SCSV or the extension; "The server MUST then
  // verify that the length of the "renegotiated_connection" field is zero, and if it is not, MUST
  // abort the handshake." CHECK D21
  const renegotiation = extensions.get(extensionTypes.renegotiationInfo);
  const isInitial = renegotiation === undefined
    ? hello.cipherSuites.includes(emptyRenegotiationInfoScsv)
    : isInitialRenegotiationInfo(renegotiation);
  if (!isInitial) {
    return refused("the client's renegotiation_info is not that of a first handshake");
  }
  // RFC 8422 section 5.1.2: where uncompressed points are missing from the list, "the server MUST
  // abort the handshake and return an illegal_parameter alert."
  const pointFormats = extensions.get(extensionTypes.ecPointFormats);
  if (pointFormats !== undefined && !allowsUncompressedPoints(pointFormats)) {
    return illegal("the client's list of point formats lacks the uncompressed one");
  }
  // Without the extension a client has signed for SHA-1 (RFC 5246 section 7.4.1.4.1). CHECK D22
  const schemes = listIn(extensions, extensionTypes.signatureAlgorithms);
  if (schemes === undefined) return malformed("ClientHello");
  if (!schemes.includes(ecdsaSecp256r1Sha256)) {
    return refused("the client takes no signature of ours");
  }
  const offeredGroups = listIn(extensions, extensionTypes.supportedGroups);
  if (offeredGroups === undefined) return malformed("ClientHello");
  const group = groups.find((one) => offeredGroups.includes(namedGroupCodes[one]));
  if (group === undefined) return refused("the client offers none of our groups");
  const maxPayloadLength = maxPayloadLengthOf("ClientHello", extensions);
  if (typeof maxPayloadLength === "object") return maxPayloadLength;
  return { suite, group, maxPayloadLength };
}

/** The numbers in an extension: none where it is absent, undefined where it is malformed. */
function listIn(extensions: Extensions, type: number): readonly number[] | undefined {
  const data = extensions.get(type);
  return data === undefined ? [] : parseUint16Vector(data);
}

/** RFC 5246 section 7.4.1.4: the server's extensions are among those of the client. */
function answerTo(offered: Extensions): Extensions {
  const answer = new Map<number, Uint8Array>([
    [extensionTypes.extendedMasterSecret, new Uint8Array(0)],
    // RFC 5746 section 3.6: the SCSV too is answered by the extension.
    [extensionTypes.renegotiationInfo, writeRenegotiationInfo()],
  ]);
  if (offered.has(extensionTypes.ecPointFormats)) {
    answer.set(extensionTypes.ecPointFormats, writePointFormats());
  }
  const useSrtp = offered.get(extensionTypes.useSrtp);
  const srtpProfile = useSrtp && chooseSrtpProfile(useSrtp);
  if (srtpProfile !== undefined) answer.set(extensionTypes.useSrtp, writeUseSrtp([srtpProfile]));
  if (offered.has(extensionTypes.recordSizeLimit)) {
    answer.set(extensionTypes.recordSizeLimit, writeRecordSizeLimit(maxPlaintextLength));
  }
  return answer;
}

function unexpectedIn(state: ServerState, type: string): HandshakeFailure {
  return unexpected(type, state.name);
}

function refused(reason: string): HandshakeFailure {
  return failure("no-agreement", "handshake_failure", reason);
}

function illegal(reason: string): HandshakeFailure {
  return failure("no-agreement", "illegal_parameter", reason);
}

function badKeyShare(): HandshakeFailure {
  return failure("bad-key-share", "illegal_parameter", "the client's key share is no public key");
}
