import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { CompactEncrypt, CompactSign } from "jose";
import { parseCertificate } from "../../src/identity/certificate.ts";
import { judgeByChain, judgeByKeyId } from "../../src/identity/judge.ts";
import { keyIdOf } from "../../src/identity/key_id.ts";
import type { NodeIdentity } from "../../src/identity/node_identity.ts";
import { ReplayCache } from "../../src/identity/replay_cache.ts";
import {
  type EnvelopeContent,
  maxEnvelopeLength,
  openEnvelope,
  type OpenOptions,
  type OpenVerdict,
  sealEnvelope,
} from "../../src/signaling/envelope.ts";
import { randomId } from "../../src/signaling/wire.ts";
import {
  authorityParts,
  buildCertificate,
  nodeParts,
  type TestKey,
  testKey,
} from "../identity/certificate_builder.ts";

const now = Date.now();
const ca = { name: "test-ca", key: testKey() };
const caCertificate = buildCertificate(authorityParts(ca));
const trust = { cas: [parsed(caCertificate)] };
const egress = node("egress1", ca);
const ingress = node("ingress1", ca);
const stranger = node("egress1", { name: "test-ca", key: testKey() });

interface TestNode {
  readonly identity: NodeIdentity;
  readonly key: TestKey;
}

function parsed(der: Uint8Array) {
  const outcome = parseCertificate(der);
  assert.ok(outcome.ok);
  return outcome.value;
}

function node(name: string, signer: { name: string; key: TestKey }): TestNode {
  const key = testKey();
  const certificate = buildCertificate(nodeParts({ name, key, signer }));
  const identity: NodeIdentity = {
    ...{ name, labels: new Map<string, string>(), keyId: keyIdOf(key.spki) },
    privateKeyPem: key.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificatePem: "",
    chain: [certificate],
    trust,
    notAfter: parsed(certificate).notAfter,
    files: { keyPath: "", certPath: "", caPaths: [] },
  };
  return { identity, key };
}

const sessionId = randomId();
const offer: EnvelopeContent = {
  sessionId,
  direction: "egress-to-ingress",
  type: "offer",
  sequence: 0,
  body: { ufrag: "u", candidates: ["192.0.2.7 4711"], fingerprint: "AB:CD" },
};

function candidates(sequence: number): EnvelopeContent {
  return { ...offer, type: "candidates", sequence, body: [`candidate ${sequence}`] };
}

function seal(content: EnvelopeContent, { from = egress, to = ingress, at = now } = {}) {
  const receiver = { keyId: to.identity.keyId, publicKey: to.key.spki };
  return sealEnvelope(content, { identity: from.identity, receiver, now: at });
}

/** What an ingress that trusts the CA makes of it, with a replay cache of its own unless given. */
function open(sealed: string, changed: Partial<OpenOptions> = {}): Promise<OpenVerdict> {
  return openEnvelope(sealed, {
    ...{ identity: ingress.identity, direction: "egress-to-ingress", sessionId, now },
    judge: judgeByChain(trust),
    replayCache: new ReplayCache(),
    ...changed,
  });
}

async function refusal(sealed: string, changed: Partial<OpenOptions> = {}): Promise<string> {
  const verdict = await open(sealed, changed);
  return verdict.ok ? "opened" : verdict.reason;
}

const sealedOffer = await seal(offer);

Deno.test("the receiver opens what was sealed for it, and knows its sender", async () => {
  const verdict = await open(sealedOffer);
  assert.ok(verdict.ok);
  const { sender, time, ...content } = verdict.envelope;
  assert.deepEqual(content, offer);
  assert.equal(sender.name, "egress1");
  assert.equal(sender.keyId, egress.identity.keyId);
  assert.equal(time, now);
});

Deno.test("an answer can be sealed to the key in the offer's certificate", async () => {
  const opened = await open(sealedOffer);
  assert.ok(opened.ok);
  const { keyId, publicKey } = opened.envelope.sender;
  const answer: EnvelopeContent = {
    ...offer,
    direction: "ingress-to-egress",
    type: "answer",
    body: "answer",
  };
  const sealed = await sealEnvelope(answer, {
    identity: ingress.identity,
    receiver: { keyId, publicKey },
    now,
  });
  const verdict = await open(sealed, {
    identity: egress.identity,
    direction: "ingress-to-egress",
    senderKeyId: ingress.identity.keyId,
  });
  assert.equal(verdict.ok && verdict.envelope.body, "answer");
});

Deno.test("the sealed text shows no name, fingerprint, candidate, session or key id", () => {
  const parts = sealedOffer.split(".");
  const shown = parts.map((part) => Buffer.from(part, "base64url").toString("latin1"));
  assert.deepEqual(Object.keys(JSON.parse(shown[0] ?? "")), ["alg", "enc", "epk"]);
  const hidden = [
    ...["egress1", "ingress1", "192.0.2.7", "AB:CD", "offer", sessionId, "x5c"],
    ...[egress.identity.keyId, ingress.identity.keyId],
  ];
  for (const secret of hidden) {
    assert.ok(![sealedOffer, ...shown].some((text) => text.includes(secret)), secret);
  }
});

Deno.test("two envelopes of one message share nothing but the algorithms", async () => {
  const [first, second] = [await seal(offer), await seal(offer)].map((text) => text.split("."));
  assert.ok(first !== undefined && second !== undefined);
  for (const at of [0, 2, 3, 4]) assert.notEqual(first[at], second[at]);
});

Deno.test("a duplicate is taken once, also when both arrive together", async () => {
  const replayCache = new ReplayCache();
  const both = await Promise.all([
    open(sealedOffer, { replayCache }),
    open(sealedOffer, { replayCache }),
  ]);
  assert.equal(both.filter(({ ok }) => ok).length, 1);
  assert.match(await refusal(sealedOffer, { replayCache }), /taken before/);
});

Deno.test("a replay is refused as long as it is valid, and as stale afterwards", async () => {
  const replayCache = new ReplayCache();
  assert.ok((await open(sealedOffer, { replayCache })).ok);
  const reasons: string[] = [];
  for (const age of [1, 60_000, 120_000, 120_001, 3_600_000]) {
    // Other traffic makes the cache forget what it may.
    const other = { ...offer, sessionId: randomId() };
    const sealed = await seal(other, { at: now + age });
    const taken = await open(sealed, {
      ...{ replayCache, now: now + age, sessionId: other.sessionId },
    });
    assert.ok(taken.ok);
    reasons.push(await refusal(sealedOffer, { replayCache, now: now + age }));
  }
  assert.deepEqual(reasons.map((reason) => /taken before|stale/.exec(reason)?.[0]), [
    ...["taken before", "taken before", "taken before", "stale", "stale"],
  ]);
});

Deno.test("a replay is refused before its sender is judged", async () => {
  const replayCache = new ReplayCache();
  assert.ok((await open(sealedOffer, { replayCache })).ok);
  const judge = () => assert.fail("the judge was asked");
  assert.match(await refusal(sealedOffer, { replayCache, judge }), /taken before/);
});

Deno.test("messages that overtook each other are each taken once", async () => {
  const replayCache = new ReplayCache();
  const sealed = await Promise.all([3, 1, 2, 1, 3].map((number) => seal(candidates(number))));
  const taken: boolean[] = [];
  for (const each of sealed) taken.push((await open(each, { replayCache })).ok);
  assert.deepEqual(taken, [true, true, true, false, false]);
});

Deno.test("a message of another session is refused", async () => {
  assert.match(await refusal(sealedOffer, { sessionId: randomId() }), /another session/);
});

Deno.test("halves of two envelopes do not make one", async () => {
  const other = await seal({ ...offer, sessionId: randomId() });
  const [mine, theirs] = [sealedOffer.split("."), other.split(".")];
  for (let cut = 1; cut < mine.length; cut++) {
    const splice = [...mine.slice(0, cut), ...theirs.slice(cut)].join(".");
    if (splice === other || splice === sealedOffer) continue;
    assert.match(await refusal(splice), /no signed message/);
  }
});

Deno.test("a message reflected to its sender is refused", async () => {
  const reflected = { identity: egress.identity, direction: "ingress-to-egress" } as const;
  assert.match(await refusal(sealedOffer, reflected), /no signed message/);
  // Even where a node calls itself, and so can read its own messages.
  const toSelf = await seal(offer, { to: egress });
  assert.match(await refusal(toSelf, reflected), /other direction/);
});

Deno.test("a message for another receiver is refused, also where that one passes it on", async () => {
  const third = node("third", ca);
  assert.match(await refusal(sealedOffer, { identity: third.identity }), /no signed message/);
  const inner = await innerText(sealedOffer, ingress);
  const passedOn = await encryptFor(inner, third);
  assert.match(await refusal(passedOn, { identity: third.identity }), /another receiver/);
});

Deno.test("a message by another than the expected sender is refused", async () => {
  const senderKeyId = ingress.identity.keyId;
  assert.match(await refusal(sealedOffer, { senderKeyId }), /another sender/);
});

Deno.test("a sender of a foreign authority is refused", async () => {
  assert.match(await refusal(await seal(offer, { from: stranger })), /not accepted/);
});

Deno.test("without authorities, the allowed keys are taken and no others", async () => {
  const judge = judgeByKeyId(new Set([stranger.identity.keyId]));
  assert.ok((await open(await seal(offer, { from: stranger }), { judge })).ok);
  assert.match(await refusal(sealedOffer, { judge }), /not allowed/);
});

Deno.test("a clock may differ by the stated times and no more", async () => {
  const at = async (offset: number) => (await open(await seal(offer, { at: now + offset }))).ok;
  assert.deepEqual([await at(60_000), await at(-120_000)], [true, true]);
  assert.deepEqual([await at(60_001), await at(-120_001)], [false, false]);
});

Deno.test("an oversized message is refused unread, and not sealed either", async () => {
  assert.match(await refusal(`${sealedOffer}${"A".repeat(maxEnvelopeLength)}`), /too long/);
  assert.match(await refusal("A".repeat(10_000_000)), /too long/);
  const wellMade = await encryptFor("x".repeat(18_400), ingress);
  assert.ok(wellMade.length > maxEnvelopeLength && wellMade.length < maxEnvelopeLength + 300);
  assert.match(await refusal(wellMade), /too long/);
  await assert.rejects(seal({ ...offer, body: "x".repeat(20_000) }), /characters/);
});

Deno.test("nothing is sealed for a key that is not the one the id names", async () => {
  const receiver = { keyId: ingress.identity.keyId, publicKey: stranger.key.spki };
  await assert.rejects(sealEnvelope(offer, { identity: egress.identity, receiver, now }), /key/);
});

Deno.test("nothing is sealed whose type contradicts its direction or number", async () => {
  await assert.rejects(seal({ ...offer, type: "answer" }), /direction/);
  await assert.rejects(seal({ ...offer, sequence: 1 }), /sequence number/);
  await assert.rejects(seal(candidates(0)), /sequence number/);
  await assert.rejects(seal({ ...offer, sessionId: "short" }), /session id/);
});

Deno.test("every cut of an envelope is refused", async () => {
  for (let length = 0; length < sealedOffer.length; length += 13) {
    assert.notEqual(await refusal(sealedOffer.slice(0, length)), "opened");
  }
});

Deno.test("a change of any sampled character is refused, also of bits that decoders drop", async () => {
  const ends = [...sealedOffer.matchAll(/\.|$/g)].map(({ index }) => index - 1);
  const sampled = Array.from({ length: sealedOffer.length }, (_, at) => at)
    .filter((at) => at % 7 === 0 || ends.includes(at));
  for (const at of sampled) {
    for (const letter of "ABQgw.") {
      if (sealedOffer[at] === letter) continue;
      const changed = sealedOffer.slice(0, at) + letter + sealedOffer.slice(at + 1);
      assert.notEqual(await refusal(changed), "opened", `${letter} at ${at}`);
    }
  }
});

Deno.test("another spelling of the same bytes is refused", async () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const parts = sealedOffer.split(".");
  // 22 characters hold 132 bits, of which the tag has 128: the next letter is the same tag.
  const tag = parts[4] ?? "";
  const last = alphabet[alphabet.indexOf(tag.slice(-1)) + 1];
  const other = tag.slice(0, -1) + last;
  assert.deepEqual(Buffer.from(other, "base64url"), Buffer.from(tag, "base64url"));
  assert.match(await refusal([...parts.slice(0, 4), other].join(".")), /sealed form/);
});

Deno.test("20,000 mutated texts are refused and throw nothing", async () => {
  const edit = fc.record({
    at: fc.nat(sealedOffer.length),
    removed: fc.nat(6),
    inserted: fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.string({ unit: fc.constantFrom("A", "_", "."), maxLength: 6 }),
    ),
  });
  const mutated = fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) =>
    edits.reduce(
      (text, { at, removed, inserted }) => text.slice(0, at) + inserted + text.slice(at + removed),
      sealedOffer,
    )
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 9, arbitrary: mutated }, { weight: 1, arbitrary: fc.string() }),
      async (text) => (await open(text)).ok === (text === sealedOffer),
    ),
    { numRuns: 20_000 },
  );
});

// What a hostile node can encrypt to the receiver: anything. None of it is signed as it should be.

const innerOffer = await innerText(sealedOffer, ingress);

/** The signed message within an envelope. */
async function innerText(sealed: string, receiver: TestNode): Promise<string> {
  const { compactDecrypt } = await import("jose");
  const key = await agreementKey(receiver);
  return new TextDecoder().decode((await compactDecrypt(sealed, key)).plaintext);
}

function agreementKey({ key }: TestNode): Promise<CryptoKey> {
  const pkcs8 = new Uint8Array(key.privateKey.export({ type: "pkcs8", format: "der" }));
  const algorithm = { name: "ECDH", namedCurve: "P-256" };
  return crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["deriveBits"]);
}

async function encryptFor(
  inner: string,
  to: TestNode,
  header: { alg: string; enc: string; zip?: string; crit?: string[] } = {
    alg: "ECDH-ES",
    enc: "A256GCM",
  },
): Promise<string> {
  const algorithm = { name: "ECDH", namedCurve: "P-256" };
  const spki = new Uint8Array(to.key.spki);
  const key = await crypto.subtle.importKey("spki", spki, algorithm, true, []);
  return await new CompactEncrypt(new TextEncoder().encode(inner))
    .setProtectedHeader(header)
    .encrypt(key);
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decodedHeader(): Record<string, unknown> {
  const [header = ""] = innerOffer.split(".");
  return JSON.parse(Buffer.from(header, "base64url").toString());
}

function payloadOf(inner: string): Record<string, unknown> {
  const [, payload = ""] = inner.split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString());
}

/** The egress's own signature over a payload of the test's choice. */
async function signedByEgress(payload: unknown, from = egress): Promise<string> {
  const pkcs8 = new Uint8Array(from.key.privateKey.export({ type: "pkcs8", format: "der" }));
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  const { x5c } = decodedHeader();
  assert.ok(Array.isArray(x5c));
  return await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "ES256", typ: "aetherport-envelope", x5c })
    .sign(key);
}

Deno.test("the fixed forms are opened when they are made by hand", async () => {
  const inner = await signedByEgress(payloadOf(innerOffer));
  assert.ok((await open(await encryptFor(inner, ingress))).ok);
});

Deno.test("the algorithm is never the message's choice", async () => {
  const [, payload = "", signature = ""] = innerOffer.split(".");
  const header = decodedHeader();
  const forged = [
    `${encoded({ ...header, alg: "none" })}.${payload}.`,
    `${encoded({ ...header, alg: "none" })}.${payload}.${signature}`,
    `${encoded({ ...header, alg: "HS256" })}.${payload}.${signature}`,
    `${encoded({ ...header, alg: "ES384" })}.${payload}.${signature}`,
    `${encoded({ ...header, jwk: { kty: "EC" } })}.${payload}.${signature}`,
    `${encoded({ ...header, crit: ["exp"] })}.${payload}.${signature}`,
  ];
  for (const inner of forged) {
    assert.match(await refusal(await encryptFor(inner, ingress)), /no signed message/);
  }
  for (const alg of ["ECDH-ES+A256KW", "ECDH-ES+A128KW"]) {
    const sealed = await encryptFor(innerOffer, ingress, { alg, enc: "A256GCM" });
    assert.match(await refusal(sealed), /sealed form/);
  }
  const [sealedHeader = "", ...rest] = sealedOffer.split(".");
  const protectedHeader = JSON.parse(Buffer.from(sealedHeader, "base64url").toString());
  for (const changed of [{ alg: "dir" }, { alg: "none" }, { kid: "x" }, { crit: ["exp"] }]) {
    const sealed = [encoded({ ...protectedHeader, ...changed }), ...rest].join(".");
    assert.match(await refusal(sealed), /sealed form/);
  }
  const weaker = await encryptFor(innerOffer, ingress, { alg: "ECDH-ES", enc: "A128GCM" });
  assert.match(await refusal(weaker), /sealed form/);
});

Deno.test("an HMAC keyed with the sender's public key is no signature", async () => {
  const [, payload = ""] = innerOffer.split(".");
  const header = encoded({ ...decodedHeader(), alg: "HS256" });
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const raw = new Uint8Array(egress.key.spki);
  const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
  const mac = await crypto.subtle.sign(
    "HMAC",
    key,
    new TextEncoder().encode(`${header}.${payload}`),
  );
  const inner = `${header}.${payload}.${Buffer.from(mac).toString("base64url")}`;
  assert.match(await refusal(await encryptFor(inner, ingress)), /no signed message/);
});

Deno.test("another's signature under the sender's certificate is refused", async () => {
  const inner = await signedByEgress(payloadOf(innerOffer), stranger);
  assert.match(await refusal(await encryptFor(inner, ingress)), /signature is wrong/);
});

Deno.test("a signed message that says it is from another sender is refused", async () => {
  const payload = { ...payloadOf(innerOffer), sender: stranger.identity.keyId };
  const inner = await signedByEgress(payload);
  assert.match(await refusal(await encryptFor(inner, ingress)), /certificate is not its sender's/);
});

Deno.test("a changed payload under the old signature is refused", async () => {
  const [header, , signature] = innerOffer.split(".");
  const payload = encoded({ ...payloadOf(innerOffer), body: "other" });
  const sealed = await encryptFor(`${header}.${payload}.${signature}`, ingress);
  assert.match(await refusal(sealed), /signature is wrong/);
});

Deno.test("a refused message does not use up its place in the replay cache", async () => {
  const replayCache = new ReplayCache();
  const [header, , signature] = innerOffer.split(".");
  const payload = encoded({ ...payloadOf(innerOffer), body: "other" });
  const forged = await encryptFor(`${header}.${payload}.${signature}`, ingress);
  assert.ok(!(await open(forged, { replayCache })).ok);
  assert.equal(replayCache.size, 0);
  assert.ok((await open(sealedOffer, { replayCache })).ok);
});

Deno.test("a well-signed payload with a wrong field is refused", async () => {
  const payload = payloadOf(innerOffer);
  const wrong: unknown[] = [
    ...[null, 7, "text", [], {}],
    { ...payload, version: 2 },
    { ...payload, version: "1" },
    { ...payload, type: "shutdown" },
    { ...payload, type: "constructor" },
    { ...payload, direction: "constructor" },
    { ...payload, direction: "__proto__" },
    { ...payload, sequence: -1 },
    { ...payload, sequence: 0.5 },
    { ...payload, sequence: 2 ** 31 },
    { ...payload, time: null },
    { ...payload, time: 1e300 },
    { ...payload, sender: payload.sender + "a" },
    { ...payload, receiver: 5 },
    { ...payload, sessionId: `${sessionId}\n` },
    { ...payload, more: true },
    (({ body: _, ...rest }) => rest)(payload),
  ];
  for (const each of wrong) {
    const sealed = await encryptFor(await signedByEgress(each), ingress);
    assert.notEqual(await refusal(sealed), "opened", JSON.stringify(each));
  }
});

Deno.test("2,000 mutated messages, well encrypted, are refused and throw nothing", async () => {
  const edit = fc.tuple(fc.nat(innerOffer.length), fc.nat(4), fc.string({ maxLength: 4 }));
  await fc.assert(
    fc.asyncProperty(edit, async ([at, removed, inserted]) => {
      const inner = innerOffer.slice(0, at) + inserted + innerOffer.slice(at + removed);
      const verdict = await open(await encryptFor(inner, ingress));
      assert.equal(verdict.ok, inner === innerOffer);
    }),
    { numRuns: 2_000 },
  );
});
