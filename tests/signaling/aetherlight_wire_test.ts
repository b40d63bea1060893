import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  fromBase64Url,
  ingressIdOf,
  isIngressId,
  isRandomId,
  MAX_TEXT_LENGTH,
  parseBaseUrl,
  parseErrorAnswer,
  parseIngressUrl,
  parseRegistration,
  parseSequence,
  parseServerFrame,
  parseText,
  randomId,
  registrationStatement,
  toBase64Url,
} from "../../src/signaling/wire.ts";
import { createNodeKey, registrationBody } from "../signal/node_key.ts";
import { fuzzParsers, parsers, rightTexts } from "./aetherlight_wire_fuzz.ts";

Deno.test("an ingress id is the base32 of the key's SHA-256", () => {
  // RFC 4648's alphabet over the digest's bits, by another way.
  const key = new TextEncoder().encode("any bytes");
  const bits = [...createHash("sha256").update(key).digest()]
    .map((byte) => byte.toString(2).padStart(8, "0")).join("").padEnd(260, "0");
  const expected = bits.match(/.{5}/g)?.map((group) =>
    "abcdefghijklmnopqrstuvwxyz234567"[parseInt(group, 2)]
  ).join("");
  assert.equal(ingressIdOf(key), expected);
  assert(isIngressId(ingressIdOf(key)));
});

Deno.test("an id has one spelling", () => {
  const id = ingressIdOf(new Uint8Array(91));
  const other = id.endsWith("a") ? "b" : "r";
  for (const text of [id.toUpperCase(), id.slice(1), `${id}a`, id.slice(0, -1) + other, ""]) {
    assert(!isIngressId(text), text);
  }
  const random = randomId();
  assert(isRandomId(random));
  for (const text of [`${random}A`, random.slice(1), `${random.slice(0, -1)}B`, "", "="]) {
    assert(!isRandomId(text), text);
  }
});

Deno.test("base64url is read in its one spelling and length only", () => {
  const bytes = Uint8Array.of(255, 254, 253, 0);
  assert.equal(toBase64Url(bytes), "__79AA");
  assert.deepEqual(fromBase64Url("__79AA", 4), bytes);
  for (const text of ["__79AB", "//79AA", "__79AA==", " __79A", "__79A", "", "__79AAA"]) {
    assert.equal(fromBase64Url(text, 4), undefined, text);
  }
});

Deno.test("base URLs are http or https, perhaps with a path, and end without a slash", () => {
  const good = [
    ["https://light.example", "https://light.example"],
    ["HTTPS://Light.Example:443/", "https://light.example"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://[::1]:8080/a/b//", "http://[::1]:8080/a/b"],
  ];
  for (const [text = "", url] of good) assert.equal(parseBaseUrl(text), url);
  const bad = [
    "",
    "light.example",
    "ftp://light.example",
    "https://user:pw@light.example",
    "https://light.example/?a",
    "https://light.example/?",
    "https://light.example/#",
    "https://light.example/#a",
    `https://light.example/${"a".repeat(512)}`,
  ];
  for (const text of bad) assert.equal(parseBaseUrl(text), undefined, text);
});

Deno.test("an ingress URL is a base URL with the id of an ingress", () => {
  const id = ingressIdOf(new Uint8Array(91));
  const url = `https://light.example/base/ingresses/${id}`;
  assert.deepEqual(parseIngressUrl(url), { baseUrl: "https://light.example/base", id });
  const bad = [
    url.toUpperCase(),
    `${url}/`,
    `${url}?a`,
    `/ingresses/${id}`,
    `file:///ingresses/${id}`,
  ];
  for (const text of bad) assert.equal(parseIngressUrl(text), undefined, text);
});

Deno.test("sequence numbers are whole, not negative and exact", () => {
  assert.equal(parseSequence("0"), 0);
  assert.equal(parseSequence("1767225600000"), 1767225600000);
  assert.equal(parseSequence(7), 7);
  for (
    const value of ["", "-1", "1.5", "0x1", "9007199254740992", -1, 1.5, NaN, 2 ** 53, null, {}]
  ) {
    assert.equal(parseSequence(value), undefined, String(value));
  }
});

Deno.test("what is signed cannot be read in two ways", () => {
  const statement = registrationStatement({ audience: "https://a", id: "b", challenge: "c" });
  const text = new TextDecoder().decode(statement);
  assert.equal(text, "aetherlight-registration-v1\nhttps://a\nb\nc");
});

Deno.test("texts are printable ASCII up to their length", () => {
  const body = (text: unknown) => JSON.stringify({ text });
  const longest = "~".repeat(MAX_TEXT_LENGTH);
  assert.equal(parseText(body(longest)), longest);
  for (const text of ["", `${longest}~`, "\n", "\u007f", "\u00e4", 1, null, ["a"]]) {
    assert.equal(parseText(body(text)), undefined);
  }
});

Deno.test("a reason that comes to a terminal has no control characters", () => {
  const answer = (message: string) => JSON.stringify({ error: { code: "no_ingress", message } });
  assert.deepEqual(parseErrorAnswer(answer("gone")), { code: "no_ingress", message: "gone" });
  for (const message of ["\u001b[2J", "two\nlines", "x".repeat(513)]) {
    assert.equal(parseErrorAnswer(answer(message)), undefined);
  }
});

Deno.test("every parser takes what is right and answers undefined to what is not", async () => {
  const texts = await rightTexts();
  for (const parse of parsers) {
    assert(texts.some((text) => parse(text) !== undefined), parse.name);
    for (const text of ["", "null", "1", "[]", "{}", '"x"', "{", '{"__proto__":null}']) {
      assert.equal(parse(text), undefined, `${parse.name} ${text}`);
    }
  }
});

Deno.test("no parser throws at a mutation of what is right", async () => {
  await fuzzParsers(20_000);
});

Deno.test("what a parser takes is written again as it was", async () => {
  const key = await createNodeKey();
  const body = await registrationBody(key, { audience: "https://a.example", challenge: "x" });
  const { publicKey, audience, challenge, signature } = parseRegistration(body) ?? {};
  assert.deepEqual(publicKey, key.publicKeySpki);
  assert.deepEqual([audience, challenge], ["https://a.example", "x"]);
  assert.equal(signature?.length, 64);
  const frame = { type: "message", sequence: 5, session: randomId(), text: "x" };
  assert.deepEqual(parseServerFrame(JSON.stringify({ ...frame, more: "dropped" })), frame);
});
