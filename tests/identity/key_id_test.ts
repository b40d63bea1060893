import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { isKeyId, keyIdOf, publicKeyMatchesId } from "../../src/identity/key_id.ts";
import { testKey } from "./certificate_builder.ts";

Deno.test("a key id is the base32 of the SHA-256 of the SPKI", () => {
  // The base point of P-256 as a public key; the id by coreutils: sha256sum | xxd -r -p | base32.
  const point =
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
  const spki = Buffer.from(
    `3059301306072a8648ce3d020106082a8648ce3d030107034200${point}`,
    "hex",
  );
  assert.equal(
    keyIdOf(new Uint8Array(spki)),
    "ltjff6ym5cjsinx27dgncbajqg4j5zfnnop6tyvcw7trvlfsptjq",
  );
});

Deno.test("only the one spelling of an id is an id", () => {
  const id = keyIdOf(testKey().spki);
  assert.ok(isKeyId(id));
  const others = [
    id.toUpperCase(),
    `${id}====`,
    `${id}\n`,
    id.slice(1),
    `a${id}`,
    // The four spare bits of the last character are zero: "b" would decode to the same bytes.
    `${id.slice(0, -1)}b`,
    `${id.slice(0, -1)}1`,
    "",
  ];
  for (const other of others) assert.ok(!isKeyId(other), other);
});

Deno.test("a public key matches its own id and no other", () => {
  const [mine, other] = [testKey(), testKey()];
  const id = keyIdOf(mine.spki);
  assert.ok(publicKeyMatchesId(mine.spki, id));
  assert.ok(!publicKeyMatchesId(other.spki, id));
  assert.ok(!publicKeyMatchesId(mine.spki, id.toUpperCase()));
});

Deno.test("a key that is not on P-256 matches nothing, not even its own hash", () => {
  const { spki } = testKey("P-384");
  assert.ok(!publicKeyMatchesId(spki, keyIdOf(spki)));
  assert.ok(!publicKeyMatchesId(new Uint8Array(), keyIdOf(new Uint8Array())));
});
