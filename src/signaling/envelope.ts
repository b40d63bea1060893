/**
 * Sealed signaling messages: what the nodes say to each other through a server that is trusted with
 * nothing. A message is signed with the sender's node key (JWS, RFC 7515) beside its certificate
 * chain, and the whole is encrypted to the receiver's key (JWE, RFC 7516). The server sees the
 * length and a fresh public key, nothing else.
 *
 * Every algorithm is fixed here; none is taken from a message. The form is in docs/identity.md.
 */
import { compactDecrypt, CompactEncrypt, CompactSign, compactVerify } from "jose";
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey } from "node:crypto";
import type { Judge } from "../identity/judge.ts";
import { isKeyId, publicKeyMatchesId } from "../identity/key_id.ts";
import type { NodeIdentity } from "../identity/node_identity.ts";
import { readPem } from "../identity/pem.ts";
import type { ReplayCache, ReplayEntry } from "../identity/replay_cache.ts";
import type { Peer } from "../identity/verify.ts";
import { isRandomId, randomId } from "./wire.ts";

/** Characters of a sealed message, at most. All of them are ASCII. */
export const maxEnvelopeLength = 24_576;

/** How long after it was sealed a message is taken, in milliseconds. */
export const envelopeValidity = 120_000;

/** By how much a sender's clock may be ahead, in milliseconds. */
export const maxClockAdvance = 60_000;

const envelopeVersion = 1;
const signatureType = "aetherport-envelope";
const maxSequence = 0x7fff_ffff;

// Header, no wrapped key, 96-bit IV, ciphertext, 128-bit tag: RFC 7516 section 3.1.
const sealedPattern =
  /^([A-Za-z0-9_-]{1,512})\.\.[A-Za-z0-9_-]{16}\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{22})$/;
const signedPattern = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;

// One elliptic-curve operation less than with a wrapped key, and nothing here has two receivers.
const keyManagement = "ECDH-ES";
const contentEncryption = "A256GCM";
const signatureAlgorithm = "ES256";

// One key serves both; the certificate's key usage says so (digitalSignature, keyAgreement).
const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const agreementAlgorithm = { name: "ECDH", namedCurve: "P-256" } as const;

/** Who speaks: the egress begins a session, the ingress answers. */
export type EnvelopeDirection = "egress-to-ingress" | "ingress-to-egress";

/** What a message is for. An offer or answer is the first of its direction; nothing else is. */
export type EnvelopeType = "offer" | "answer" | "candidates" | "close";

const directions: Readonly<Record<EnvelopeDirection, readonly EnvelopeType[]>> = {
  "egress-to-ingress": ["offer", "candidates", "close"],
  "ingress-to-egress": ["answer", "candidates", "close"],
};

/** A message as the sender means it. */
export interface EnvelopeContent {
  /** A random id chosen by the egress; the same in both directions. */
  readonly sessionId: string;
  readonly direction: EnvelopeDirection;
  readonly type: EnvelopeType;
  /** 0 for the offer and the answer, then 1, 2, ... in each direction. */
  readonly sequence: number;
  /** Any JSON value. Its form is the caller's business, as is distrusting what is in it. */
  readonly body: unknown;
}

/** Whom a message is for. The key may come from anybody: it is held against the id. */
export interface EnvelopeReceiver {
  readonly keyId: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
}

/** What {@link sealEnvelope} needs besides the message. */
export interface SealOptions {
  readonly identity: NodeIdentity;
  readonly receiver: EnvelopeReceiver;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What the opener knows of a message from where it came. */
export interface OpenOptions {
  readonly identity: NodeIdentity;
  readonly direction: EnvelopeDirection;
  /** The session that the message was delivered in, by the server's word. */
  readonly sessionId: string;
  /** Where the sender is known already: the ingress that was called, the maker of the offer. */
  readonly senderKeyId?: string;
  readonly judge: Judge;
  readonly replayCache: ReplayCache;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** An authentic message of an accepted sender. */
export interface OpenedEnvelope extends EnvelopeContent {
  readonly sender: Peer;
  /** When it was sealed, by the sender's clock; milliseconds since 1970. */
  readonly time: number;
}

/** The message, or why it was refused: one line, for the log and never for the other end. */
export type OpenVerdict =
  | { readonly ok: true; readonly envelope: OpenedEnvelope }
  | { readonly ok: false; readonly reason: string };

/**
 * Seals a message.
 *
 * @throws {Error} where the receiver's key is not the one its id names, the message contradicts
 *   itself, or it is too long sealed
 */
export async function sealEnvelope(
  content: EnvelopeContent,
  { identity, receiver, now }: SealOptions,
): Promise<string> {
  if (!publicKeyMatchesId(receiver.publicKey, receiver.keyId)) {
    throw new Error(`cannot seal for ${receiver.keyId}: the public key given is not that one's`);
  }
  const { sessionId, direction, type, sequence, body } = content;
  const payload: Payload = {
    ...{ version: envelopeVersion, sender: identity.keyId, receiver: receiver.keyId },
    ...{ sessionId, direction, type, sequence, time: now, body: body ?? null },
  };
  const defect = payloadDefect(payload);
  if (defect !== undefined) throw new Error(`cannot seal a message: ${defect}`);
  const sealed = await encrypt(await signed(payload, identity), receiver.publicKey);
  if (sealed.length <= maxEnvelopeLength) return sealed;
  throw new Error(
    `cannot seal a message of ${sealed.length} characters: ${maxEnvelopeLength} is the most`,
  );
}

/** Loads what sealing takes, so that the first message need not wait for it: tens of ms. */
export async function prepareSealing(identity: NodeIdentity): Promise<void> {
  const key = createPublicKey(createPrivateKey(identity.privateKeyPem));
  const publicKey = new Uint8Array(key.export({ format: "der", type: "spki" }));
  const content = {
    ...{ sessionId: randomId(), sequence: 1, body: null },
    ...{ direction: "egress-to-ingress", type: "close" } as const,
  };
  // A message of this node to itself, which nobody sees.
  const receiver = { keyId: identity.keyId, publicKey };
  await sealEnvelope(content, { identity, receiver, now: Date.now() });
}

/**
 * Opens a sealed message. Never throws on the message's account. The checks go from cheap to dear;
 * the replay cache learns of a message only once it is authentic and its sender accepted.
 */
export async function openEnvelope(sealed: string, options: OpenOptions): Promise<OpenVerdict> {
  if (!isSealedForm(sealed)) return refused("it is too long or not of the sealed form");
  const plaintext = await decrypt(sealed, options.identity);
  const message = plaintext === undefined ? undefined : readSignedForm(plaintext);
  if (message === undefined) return refused("it holds no signed message for this node's key");
  const { payload, chain, text } = message;
  const defect = payloadDefect(payload) ?? bindingDefect(payload, options) ??
    timeDefect(payload, options.now);
  if (defect !== undefined) return refused(defect);
  const replayEntry = replayEntryOf(payload);
  if (!options.replayCache.isNew(replayEntry)) return refused("it was taken before");
  const verdict = options.judge(chain, options.now);
  if (!verdict.ok) return refused(`its sender is not accepted: ${verdict.reason}`);
  const sender = verdict.peer;
  if (sender.keyId !== payload.sender) return refused("its certificate is not its sender's");
  if (!await isSignedBy(text, sender.publicKey)) return refused("its signature is wrong");
  // Asked again with the answer kept: a copy may have come in while the signature was verified.
  if (!options.replayCache.take(replayEntry, options.now)) {
    return refused("it was taken before, or its sender has too many sessions");
  }
  const { sessionId, direction, type, sequence, body, time } = payload;
  return { ok: true, envelope: { sessionId, direction, type, sequence, body, time, sender } };
}

/** What is signed: the message and all that it is bound to. */
interface Payload extends EnvelopeContent {
  readonly version: number;
  /** Key ids. */
  readonly sender: string;
  readonly receiver: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

const payloadFields = [
  ...["version", "sender", "receiver", "sessionId", "direction", "type"] as const,
  ...["sequence", "time", "body"] as const,
];

/** A message's place in the replay cache: its number counts in its session and direction. */
function replayEntryOf({ sender, sessionId, direction, sequence, time }: Payload): ReplayEntry {
  return {
    ...{ sender, sequence },
    stream: `${sessionId} ${direction}`,
    expiry: time + envelopeValidity,
  };
}

/** Why a payload contradicts itself; undefined where it does not. */
function payloadDefect(payload: Payload): string | undefined {
  const { sessionId, direction, type, sequence, time, version } = payload;
  if (version !== envelopeVersion) return `its version is not ${envelopeVersion}`;
  if (!isRandomId(sessionId)) return "its session id is malformed";
  if (!Object.hasOwn(directions, direction)) return "its direction is unknown";
  if (!directions[direction].includes(type)) return "its type is none of its direction's";
  if (!Number.isInteger(sequence) || sequence < 0 || sequence > maxSequence) {
    return "its sequence number is out of bounds";
  }
  const isFirst = type === "offer" || type === "answer";
  if (isFirst !== (sequence === 0)) return "its sequence number does not go with its type";
  return Number.isSafeInteger(time) ? undefined : "its time is malformed";
}

/** Why a payload is not for here, or not for now; undefined where it is. */
function bindingDefect(payload: Payload, options: OpenOptions): string | undefined {
  if (payload.receiver !== options.identity.keyId) return "it is for another receiver";
  if (payload.direction !== options.direction) return "it goes in the other direction";
  if (payload.sessionId !== options.sessionId) return "it is of another session";
  const { senderKeyId } = options;
  if (senderKeyId !== undefined && payload.sender !== senderKeyId) return "it is of another sender";
  return undefined;
}

function timeDefect({ time }: Payload, now: number): string | undefined {
  if (time > now + maxClockAdvance) return "it is from the future: is the clock right?";
  if (now > time + envelopeValidity) return "it is stale: is the clock right?";
  return undefined;
}

interface IdentityKeys {
  readonly signing: CryptoKey;
  readonly decryption: CryptoKey;
}

// An identity never changes, so its keys are imported once; they go when it goes.
const keysByIdentity = new WeakMap<NodeIdentity, Promise<IdentityKeys>>();

function keysOf(identity: NodeIdentity): Promise<IdentityKeys> {
  const known = keysByIdentity.get(identity);
  if (known !== undefined) return known;
  const keys = importKeys(identity);
  keysByIdentity.set(identity, keys);
  return keys;
}

async function importKeys({ privateKeyPem }: NodeIdentity): Promise<IdentityKeys> {
  const [block] = readPem(privateKeyPem);
  if (block === undefined) throw new Error("the identity's private key is not PEM");
  const pkcs8 = new Uint8Array(block.der);
  return {
    signing: await crypto.subtle.importKey("pkcs8", pkcs8, signingAlgorithm, false, ["sign"]),
    decryption: await crypto.subtle.importKey("pkcs8", pkcs8, agreementAlgorithm, false, [
      "deriveBits",
    ]),
  };
}

/** JWS compact serialization of the payload, the chain in `x5c` (RFC 7515 section 4.1.6). */
async function signed(payload: Payload, identity: NodeIdentity): Promise<string> {
  const { signing } = await keysOf(identity);
  return await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({
      alg: signatureAlgorithm,
      typ: signatureType,
      x5c: identity.chain.map((der) => Buffer.from(der).toString("base64")),
    })
    .sign(signing);
}

async function isSignedBy(text: string, spki: Uint8Array): Promise<boolean> {
  const bytes = new Uint8Array(spki);
  const key = await crypto.subtle.importKey("spki", bytes, signingAlgorithm, false, ["verify"]);
  try {
    await compactVerify(text, key, { algorithms: [signatureAlgorithm] });
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** JWE compact serialization; the protected header has the algorithms and the fresh key, only. */
async function encrypt(text: string, spki: Uint8Array): Promise<string> {
  const bytes = new Uint8Array(spki);
  const key = await crypto.subtle.importKey("spki", bytes, agreementAlgorithm, false, []);
  return await new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: keyManagement, enc: contentEncryption })
    .encrypt(key);
}

async function decrypt(sealed: string, identity: NodeIdentity): Promise<Uint8Array | undefined> {
  const { decryption } = await keysOf(identity);
  try {
    const { plaintext } = await compactDecrypt(sealed, decryption, {
      keyManagementAlgorithms: [keyManagement],
      contentEncryptionAlgorithms: [contentEncryption],
    });
    return plaintext;
  } catch (error) {
    // The library and WebCrypto have many errors for what a stranger sent; all mean the same here.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/**
 * Whether the text has the one form that is opened: bounded, canonical base64url, and a header of
 * exactly the fixed algorithms and a key. So no header parameter is ever acted upon.
 */
function isSealedForm(sealed: string): boolean {
  if (sealed.length > maxEnvelopeLength) return false;
  const [, header = "", ...parts] = sealedPattern.exec(sealed) ?? [];
  if (header === "" || ![header, ...parts].every(isCanonical)) return false;
  const value = parsedJson(Buffer.from(header, "base64url"));
  return hasExactly(value, ["alg", "enc", "epk"]) && value.alg === keyManagement &&
    value.enc === contentEncryption && hasExactly(value.epk, ["kty", "crv", "x", "y"]);
}

interface SignedMessage {
  readonly text: string;
  readonly payload: Payload;
  readonly chain: readonly Uint8Array[];
}

/** Reads the form of what was encrypted. Nothing of it is verified yet. */
function readSignedForm(plaintext: Uint8Array): SignedMessage | undefined {
  const text = Buffer.from(plaintext).toString("latin1");
  const [, header = "", body = "", signature = ""] = signedPattern.exec(text) ?? [];
  if (header === "" || ![header, body, signature].every(isCanonical)) return undefined;
  const chain = readChain(parsedJson(Buffer.from(header, "base64url")));
  const payload = parsedJson(Buffer.from(body, "base64url"));
  return chain !== undefined && isPayload(payload) ? { text, payload, chain } : undefined;
}

/** The chain of a header that has exactly the fixed algorithm and type beside it. */
function readChain(header: unknown): Uint8Array[] | undefined {
  if (!hasExactly(header, ["alg", "typ", "x5c"])) return undefined;
  const { alg, typ, x5c } = header;
  if (alg !== signatureAlgorithm || typ !== signatureType || !Array.isArray(x5c)) return undefined;
  const chain: Uint8Array[] = [];
  for (const text of x5c) {
    const der = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
    if (der === undefined || der.toString("base64") !== text) return undefined;
    chain.push(new Uint8Array(der));
  }
  return chain;
}

function isPayload(value: unknown): value is Payload {
  return hasExactly(value, payloadFields) &&
    typeof value.sender === "string" && isKeyId(value.sender) &&
    typeof value.receiver === "string" && isKeyId(value.receiver) &&
    typeof value.sessionId === "string" && typeof value.direction === "string" &&
    typeof value.type === "string" && typeof value.sequence === "number" &&
    typeof value.time === "number" && typeof value.version === "number";
}

/** Whether the value is an object of these members and no others, in any order. */
function hasExactly<Name extends string>(
  value: unknown,
  names: readonly Name[],
): value is Record<Name, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.keys(value).length === names.length &&
    names.every((name) => Object.hasOwn(value, name));
}

function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    // SyntaxError of the JSON, TypeError of the UTF-8.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Base64url has several spellings of some lengths; only the one with zero bits left over is taken. */
function isCanonical(text: string): boolean {
  return Buffer.from(text, "base64url").toString("base64url") === text;
}

function refused(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}
