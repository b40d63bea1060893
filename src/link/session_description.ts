/**
 * What two nodes tell each other before they are linked: a standard SDP offer or answer for one
 * data channel session (RFC 8866, 8839, 8841, 8842), read leniently and written as little as
 * another WebRTC stack needs. All that is read is bounded and checked here, so that nothing of the
 * other side's text travels on as it came.
 */
import { chunkTypes } from "../sctp/packet/chunk_type.ts";
import { type InitFields, parseLoneInit, writeInit } from "../sctp/packet/init_chunk.ts";
import { canonicalAddress } from "../socket/endpoint.ts";

/** One ICE candidate over UDP (RFC 8839, section 5.1). */
export interface Candidate {
  readonly foundation: string;
  /** 1 to 2^31 - 1. */
  readonly priority: number;
  /** IPv4 or IPv6, in canonical spelling. */
  readonly address: string;
  readonly port: number;
  readonly type: "host" | "srflx" | "prflx" | "relay";
}

/** One side of a session. */
export interface SessionDescription {
  readonly type: "offer" | "answer";
  /** The number in the o= line; tells one offer from another. */
  readonly sessionId: string;
  /** In an answer of ours: the session id of the offer that it answers. */
  readonly answers?: string;
  readonly iceUfrag: string;
  readonly icePwd: string;
  /** SHA-256 of the DTLS certificate, upper-case hex with colons (RFC 8122). */
  readonly fingerprint: string;
  /** a=setup: who begins the DTLS handshake (RFC 8842). */
  readonly setup: "actpass" | "active" | "passive";
  readonly mid: string;
  readonly sctpPort: number;
  /**
   * a=sctp-init: an INIT chunk in base64; where both sides tell theirs, SCTP needs no handshake
   * (draft-hancke-tsvwg-snap). In an answer only where the offer has one.
   */
  readonly sctpInit?: InitFields;
  /** The longest message the writer takes, in bytes; 0 for any. */
  readonly maxMessageSize: number;
  readonly candidates: readonly Candidate[];
  /** Whether all candidates are here; else more are trickled (RFC 8840). */
  readonly hasAllCandidates: boolean;
}

/** Thrown where a text is not a session description that this program can use. */
export class DescriptionError extends Error {
  override readonly name = "DescriptionError";
}

/** Longer texts are refused unread, in characters. */
const maxDescriptionLength = 32_768;
/** Further candidates are ignored (a generation of them, reliability row I4). */
const maxCandidateCount = 32;
/** RFC 8841, section 6.1: what a missing a=max-message-size means. */
const defaultMaxMessageSize = 65_536;
/** An INIT chunk has 20 bytes and its parameters, of which there are few. */
const initPattern = /^[A-Za-z0-9+/]{27,700}={0,2}$/;
const mediaPattern = /^m=application [1-9]\d* UDP\/DTLS\/SCTP webrtc-datachannel/;
const candidatePattern =
  /^candidate:([\w+/]{1,32}) 1 udp (\d{1,10}) ([\d.:a-f]{2,45}) (\d{1,5}) typ (host|srflx|prflx|relay)(?: |$)/i;

/** Reads an SDP text. Throws {@link DescriptionError} saying what is missing or wrong. */
export function parseSessionDescription(
  type: "offer" | "answer",
  sdp: string,
): SessionDescription {
  if (sdp.length > maxDescriptionLength) throw new DescriptionError("it is too long");
  const lines = sdp.split(/\r\n|\n/);
  const [media, otherMedia] = lines.filter((line) => line.startsWith("m="));
  if (otherMedia !== undefined || !mediaPattern.test(media ?? "")) {
    throw new DescriptionError("it does not describe exactly one data channel session");
  }
  const attribute = (name: string, pattern: RegExp): string | undefined => {
    const prefix = `a=${name}:`;
    const line = lines.find((line) => line.startsWith(prefix));
    if (line === undefined) return undefined;
    const value = line.slice(prefix.length).trim();
    if (!pattern.test(value)) throw new DescriptionError(`its ${name} is malformed`);
    return value;
  };
  const required = (name: string, pattern: RegExp): string => {
    const value = attribute(name, pattern);
    if (value === undefined) throw new DescriptionError(`it has no ${name}`);
    return value;
  };
  const answers = attribute("aetherport-answers", /^\d{1,20}$/);
  const sctpInit = parseSctpInit(lines);
  return {
    type,
    sessionId: /^o=\S+ (\d{1,20}) /m.exec(sdp)?.[1] ?? "0",
    ...(answers === undefined ? {} : { answers }),
    iceUfrag: required("ice-ufrag", /^[\w+/]{4,256}$/),
    icePwd: required("ice-pwd", /^[\w+/]{22,256}$/),
    fingerprint: parseFingerprint(lines),
    setup: parseSetup(type, required("setup", /^(actpass|active|passive)$/)),
    mid: attribute("mid", /^[\w.-]{1,32}$/) ?? "0",
    sctpPort: parseSctpPort(attribute("sctp-port", /^\d{1,5}$/) ?? "5000"),
    ...(sctpInit === undefined ? {} : { sctpInit }),
    maxMessageSize: Math.min(
      Number(attribute("max-message-size", /^\d{1,20}$/) ?? defaultMaxMessageSize),
      Number.MAX_SAFE_INTEGER,
    ),
    candidates: parseCandidates(lines),
    hasAllCandidates: lines.includes("a=end-of-candidates"),
  };
}

function parseFingerprint(lines: readonly string[]): string {
  const prefix = "a=fingerprint:sha-256 ";
  const line = lines.find((line) => line.toLowerCase().startsWith(prefix));
  const value = line?.slice(prefix.length).trim().toUpperCase() ?? "";
  if (!/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/.test(value)) {
    throw new DescriptionError("it has no SHA-256 fingerprint");
  }
  return value;
}

/** Which of the two begins the DTLS handshake: the offerer or the answerer. */
export type DtlsClientSide = "offerer" | "answerer";

/**
 * Who is the DTLS client, by the a=setup of both (RFC 8842, section 5). Both sides ask this with the
 * same two values, and so agree. Throws {@link DescriptionError} where they conflict.
 *
 * RFC 4145, section 4.1, as far as it applies:
 *
 * ```text
 * Offer      Answer
 * active     passive
 * passive    active
 * actpass    active / passive
 * ```
 */
export function dtlsClientOf(
  { offer, answer }: Readonly<Record<"offer" | "answer", SessionDescription["setup"]>>,
): DtlsClientSide {
  switch (answer) {
    case "actpass":
      throw new DescriptionError("its setup leaves the role open");
    case "active":
      if (offer === "active") throw roleConflict(answer);
      return "answerer";
    case "passive":
      if (offer === "passive") throw roleConflict(answer);
      return "offerer";
  }
}

function roleConflict(setup: "active" | "passive"): DescriptionError {
  const role = setup === "active" ? "begins" : "waits for";
  return new DescriptionError(
    `its setup is ${setup} as the offer's: each side ${role} the handshake`,
  );
}

/** RFC 8842, section 5.2 and 5.3: an offer leaves the choice, an answer makes it. */
function parseSetup(type: "offer" | "answer", setup: string): SessionDescription["setup"] {
  const isChoice = setup === "actpass";
  if (type === "answer" && isChoice) throw new DescriptionError("its setup leaves the role open");
  return setup as SessionDescription["setup"];
}

function parseCandidates(lines: readonly string[]): Candidate[] {
  const candidates: Candidate[] = [];
  for (const line of lines) {
    if (!line.startsWith("a=candidate:")) continue;
    const candidate = parseCandidate(line.slice("a=".length));
    if (candidate !== undefined) candidates.push(candidate);
    if (candidates.length === maxCandidateCount) break;
  }
  return candidates;
}

/**
 * Reads `candidate:…`; undefined for what this program does not use: TCP, other components, mDNS
 * names, and addresses nobody can be reached at.
 */
export function parseCandidate(text: string): Candidate | undefined {
  const match = candidatePattern.exec(text);
  if (match === null) return undefined;
  const [, foundation = "", priority, address = "", port, type = ""] = match;
  const canonical = canonicalAddress(address);
  const isUsable = canonical !== undefined && !/^(0\.|22[4-9]\.|2[345]\d\.|::$|ff)/.test(canonical);
  const [priorityNumber, portNumber] = [Number(priority), Number(port)];
  if (
    !isUsable || priorityNumber < 1 || priorityNumber >= 2 ** 31 || portNumber < 1 ||
    portNumber > 65_535
  ) return undefined;
  return {
    foundation,
    priority: priorityNumber,
    address: canonical,
    port: portNumber,
    type: type.toLowerCase() as Candidate["type"],
  };
}

/** One that cannot be read counts as none: then there is a handshake. */
function parseSctpInit(lines: readonly string[]): InitFields | undefined {
  const prefix = "a=sctp-init:";
  const text = lines.find((line) => line.startsWith(prefix))?.slice(prefix.length).trim() ?? "";
  if (!initPattern.test(text)) return undefined;
  try {
    return parseLoneInit(Uint8Array.fromBase64(text));
  } catch {
    // Its padding is not base64's.
    return undefined;
  }
}

function parseSctpPort(digits: string): number {
  const port = Number(digits);
  if (port < 1 || port > 65_535) {
    throw new DescriptionError(`its sctp-port ${digits} is out of range`);
  }
  return port;
}

/** Writes the SDP text, lines ended by CRLF. */
export function writeSessionDescription(description: SessionDescription): string {
  const { sessionId, answers, iceUfrag, icePwd, fingerprint, setup, mid, sctpInit } = description;
  return [
    "v=0",
    `o=- ${sessionId} 1 IN IP4 0.0.0.0`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    ...(answers === undefined ? [] : [`a=aetherport-answers:${answers}`]),
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=ice-ufrag:${iceUfrag}`,
    `a=ice-pwd:${icePwd}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    `a=setup:${setup}`,
    `a=sctp-port:${description.sctpPort}`,
    ...(sctpInit === undefined
      ? []
      : [`a=sctp-init:${writeInit(chunkTypes.init, sctpInit).toBase64()}`]),
    `a=max-message-size:${description.maxMessageSize}`,
    ...description.candidates.map((candidate) => `a=${writeCandidate(candidate)}`),
    description.hasAllCandidates ? "a=end-of-candidates" : "a=ice-options:trickle",
    "",
  ].join("\r\n");
}

/** Writes `candidate:…`. A related address is never told: it says nothing the other side needs. */
export function writeCandidate({ foundation, priority, address, port, type }: Candidate): string {
  const related = type === "host" ? "" : " raddr 0.0.0.0 rport 0";
  return `candidate:${foundation} 1 udp ${priority} ${address} ${port} typ ${type}${related}`;
}
