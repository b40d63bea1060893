import assert from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { keyIdOf } from "../../src/identity/key_id.ts";
import {
  expiryWarning,
  loadNodeIdentity,
  type NodeIdentityFiles,
} from "../../src/identity/node_identity.ts";
import { verifyCertificateChain } from "../../src/identity/verify.ts";
import { authorityParts, buildCertificate, testKey } from "./certificate_builder.ts";
import {
  ca,
  type IdentityFolder,
  inIdentityFolder,
  node,
  otherCa,
  pemOf,
} from "./identity_folder.ts";

const day = 86_400_000;

Deno.test("an identity is loaded with its names, key id, chain and trust", () =>
  inIdentityFolder(async ({ files }) => {
    const identity = await loadNodeIdentity(files);
    assert.equal(identity.name, "node1");
    assert.equal(identity.keyId, keyIdOf(node.key.spki));
    assert.match(identity.privateKeyPem, /^-----BEGIN PRIVATE KEY-----\n/);
    assert.match(identity.certificatePem, /^-----BEGIN CERTIFICATE-----\n/);
    assert.ok(verifyCertificateChain(identity.chain, identity.trust, Date.now()).ok);
  }));

Deno.test("an identity without authorities trusts none", () =>
  inIdentityFolder(async ({ files }) => {
    assert.deepEqual((await loadNodeIdentity({ ...files, caPaths: [] })).trust.cas, []);
  }));

Deno.test("one file may hold several authorities, and a certificate file its chain", () =>
  inIdentityFolder(async ({ files, folder }) => {
    const both = [ca, otherCa].map((each) => pemOf(buildCertificate(authorityParts(each))));
    await Deno.writeTextFile(`${folder}/ca.pem`, `some text\n${both.join("more text\n")}`);
    const own = await Deno.readTextFile(files.certPath);
    await Deno.writeTextFile(files.certPath, own + both.join(""));
    const identity = await loadNodeIdentity(files);
    assert.equal(identity.trust.cas.length, 2);
    assert.equal(identity.chain.length, 3);
  }));

Deno.test("a key as openssl ecparam writes it is taken", () =>
  inIdentityFolder(async ({ files }) => {
    const sec1 = node.key.privateKey.export({ type: "sec1", format: "pem" }).toString();
    const parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    await Deno.writeTextFile(files.keyPath, parameters + sec1);
    assert.match((await loadNodeIdentity(files)).privateKeyPem, /BEGIN PRIVATE KEY/);
  }));

interface Spoilt {
  readonly spoil: (folder: IdentityFolder) => Promise<Partial<NodeIdentityFiles> | void>;
  readonly message: RegExp;
}

Deno.test({
  name: "a key that systemd hands over may show the group's right to read, and no other",
  // Only root's files are root's.
  ignore: Deno.uid() !== 0,
  fn: () =>
    inIdentityFolder(async ({ files, folder, writeKey }) => {
      const unreadable = /can be read by others/;
      await writeKey(node.key, 0o440);
      await assert.rejects(loadNodeIdentity(files), unreadable);
      Deno.env.set("CREDENTIALS_DIRECTORY", folder);
      try {
        assert.equal((await loadNodeIdentity(files)).name, "node1");
        await Deno.chown(files.keyPath, 0, 1);
        await assert.rejects(loadNodeIdentity(files), unreadable);
        await Deno.chown(files.keyPath, 0, 0);
        await writeKey(node.key, 0o444);
        await assert.rejects(loadNodeIdentity(files), unreadable);
        Deno.env.set("CREDENTIALS_DIRECTORY", `${folder}/elsewhere`);
        await writeKey(node.key, 0o440);
        await assert.rejects(loadNodeIdentity(files), unreadable);
      } finally {
        Deno.env.delete("CREDENTIALS_DIRECTORY");
      }
    }),
});

const spoilt: Record<string, Spoilt> = {
  "a key that others can read": {
    spoil: ({ writeKey }) => writeKey(node.key, 0o640),
    message: /can be read by others \(mode 0640\): run "chmod 600 .*key\.pem"/,
  },
  "another node's key": {
    spoil: ({ writeKey }) => writeKey(testKey()),
    message: /do not belong together/,
  },
  "a key on another curve": {
    spoil: ({ writeKey }) => writeKey(testKey("P-384")),
    message: /no P-256 private key/,
  },
  "a key with a passphrase": {
    spoil: async ({ files }) => {
      const text = node.key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      await Deno.writeTextFile(files.keyPath, text.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"));
    },
    message: /has a passphrase: remove it with "openssl pkcs8/,
  },
  "a missing key": {
    spoil: ({ files }) => Deno.remove(files.keyPath),
    message: /cannot read the private key ".*key\.pem": there is no such file/,
  },
  "a missing certificate": {
    spoil: ({ files }) => Deno.remove(files.certPath),
    message: /cannot read the certificate ".*cert\.pem": there is no such file/,
  },
  "a missing authority": {
    spoil: ({ files }) => Promise.resolve({ caPaths: [`${files.caPaths[0]}x`] }),
    message: /ca\.pemx": there is no such file/,
  },
  "a directory": {
    spoil: ({ folder }) => Promise.resolve({ certPath: folder }),
    message: /it is a directory/,
  },
  "a file that is no PEM": {
    spoil: ({ files }) => Deno.writeTextFile(files.certPath, "hello"),
    message: /does not hold a PEM certificate \(it holds no PEM at all\)/,
  },
  "key and certificate swapped": {
    spoil: async ({ files: { keyPath, certPath } }) => {
      await Deno.chmod(certPath, 0o600);
      return { keyPath: certPath, certPath: keyPath };
    },
    message: /does not hold a PEM private key \(it holds PEM of: CERTIFICATE\)/,
  },
  "a certificate whose base64 is broken": {
    spoil: ({ files }) =>
      Deno.writeTextFile(
        files.certPath,
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
      ),
    message: /does not hold a PEM certificate/,
  },
  "a certificate that is no DER": {
    spoil: ({ files }) => Deno.writeTextFile(files.certPath, pemOf(new Uint8Array(3))),
    message: /certificate 1 in ".*" cannot be used/,
  },
  "an authority's certificate as the node's": {
    spoil: ({ files }) =>
      Deno.writeTextFile(files.certPath, pemOf(buildCertificate(authorityParts(ca)))),
    message: /cannot be a node's certificate: the certificate is an authority's/,
  },
  "a node's certificate as an authority's": {
    spoil: ({ files }) => Promise.resolve({ caPaths: [files.certPath] }),
    message: /cannot be trusted: the issuer "node1" is no authority/,
  },
  "a file without end": {
    spoil: () => Promise.resolve({ certPath: "/dev/zero" }),
    message: /too long/,
  },
};

for (const [name, { spoil, message }] of Object.entries(spoilt)) {
  Deno.test({
    name: `an identity with ${name} is refused, and what to do is said`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      inIdentityFolder(async (folder) => {
        const changed = await spoil(folder) ?? {};
        await assert.rejects(loadNodeIdentity({ ...folder.files, ...changed }), (error) => {
          assert.ok(error instanceof BadInput);
          assert.match(error.message, message);
          assert.ok(!error.message.includes("\n"));
          return true;
        });
      }),
  });
}

Deno.test("a certificate that has ended is refused with the command that renews it", () =>
  inIdentityFolder(async ({ files }) => {
    const loading = loadNodeIdentity(files, Date.now() + 2 * day);
    await assert.rejects(loading, /ended on .*; run "aetherport cert re-sign --cert .* --force"/);
    await assert.rejects(loadNodeIdentity(files, Date.now() - 2 * day), /begins on/);
  }));

Deno.test("a certificate is warned of in its last 30 days", () =>
  inIdentityFolder(async ({ files }) => {
    const identity = { ...await loadNodeIdentity(files), notAfter: 100 * day };
    assert.equal(expiryWarning(identity, 70 * day), undefined);
    assert.match(expiryWarning(identity, 70 * day + 1) ?? "", /ends in 29 days, on 1970-04-11/);
    assert.match(expiryWarning(identity, 98.5 * day) ?? "", /ends in 1 day,.*re-sign --cert/);
    assert.match(expiryWarning(identity, 101 * day) ?? "", /ended on 1970-04-11/);
  }));
