import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { fingerprintOf, parseCertificate } from "../../src/identity/certificate.ts";
import { createSelfSigned } from "../../src/identity/self_signed.ts";

const dayLength = 86_400_000;
const now = Date.UTC(2030, 1, 28, 12, 30, 45);

function parsed(pem: string) {
  const outcome = parseCertificate(new Uint8Array(new X509Certificate(pem).raw));
  assert.ok(outcome.ok, "our own parser takes it");
  return outcome.value;
}

async function openssl(args: readonly string[], input: string): Promise<string | undefined> {
  try {
    const child = new Deno.Command("openssl", {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { success, stdout, stderr } = await child.output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn("SKIPPED: openssl is not there; self-signed certificates are not shown to it");
    return undefined;
  }
}

Deno.test("the strict parser takes a self-signed certificate", () => {
  const { certificatePem } = createSelfSigned(now);
  const certificate = parsed(certificatePem);
  assert.equal(certificate.subjectName, "aetherport");
  assert.deepEqual(certificate.issuer, certificate.subject);
  assert.equal(certificate.notBefore, now - dayLength);
  assert.equal(certificate.notAfter, now + 30 * dayLength);
});

Deno.test("its key is the one it comes with, and has signed it", () => {
  const { certificatePem, privateKeyPem } = createSelfSigned(now);
  const certificate = new X509Certificate(certificatePem);
  const publicKey = createPublicKey(createPrivateKey(privateKeyPem));
  assert.ok(certificate.verify(publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(privateKeyPem)));
  assert.equal(publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
});

Deno.test("no two have a key, a number or a fingerprint in common", () => {
  const all = Array.from({ length: 50 }, () => createSelfSigned(now));
  const certificates = all.map(({ certificatePem }) => parsed(certificatePem));
  assert.equal(new Set(all.map(({ privateKeyPem }) => privateKeyPem)).size, all.length);
  assert.equal(new Set(certificates.map(({ serialNumber }) => serialNumber)).size, all.length);
  assert.equal(new Set(certificates.map(({ der }) => fingerprintOf(der))).size, all.length);
});

Deno.test("openssl reads it, and finds its signature right", async () => {
  const { certificatePem } = createSelfSigned(now);
  const text = await openssl(
    ["x509", "-noout", "-text", "-fingerprint", "-sha256"],
    certificatePem,
  );
  if (text === undefined) return;
  assert.match(text, /Version: 3 \(0x2\)/);
  assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/);
  assert.match(text, /Subject: CN\s?= ?aetherport/);
  assert.match(text, /Not Before: Feb 27 12:30:45 2030 GMT/);
  assert.match(text, /NIST CURVE: P-256/);
  assert.ok(text.includes(fingerprintOf(parsed(certificatePem).der)));
  // As its own authority, at the time it was made for.
  const time = String(now / 1000);
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, certificatePem);
    const args = ["verify", "-attime", time, "-partial_chain", "-trusted", file, file];
    assert.match(await openssl(args, "") ?? "", /: OK/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("openssl reads its key", async () => {
  const { privateKeyPem } = createSelfSigned(now);
  const text = await openssl(["pkey", "-noout", "-text"], privateKeyPem);
  if (text !== undefined) assert.match(text, /ASN1 OID: prime256v1/);
});
