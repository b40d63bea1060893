/** A folder of identity files for a test: good ones, to be spoilt one at a time. */
import type { NodeIdentityFiles } from "../../src/identity/node_identity.ts";
import { writePem } from "../../src/identity/pem.ts";
import {
  authorityParts,
  buildCertificate,
  type CertificateParts,
  nodeParts,
  type TestKey,
  testKey,
} from "./certificate_builder.ts";

/** Keys are slow to make and the same for every test. */
export const ca = { name: "test-ca", key: testKey() };
export const node = { name: "node1", key: testKey(), signer: ca };
export const otherCa = { name: "other-ca", key: testKey() };

export interface IdentityFolder {
  readonly folder: string;
  readonly files: NodeIdentityFiles;
  writeKey(key: TestKey, mode?: number): Promise<void>;
  writeNode(changed?: Partial<CertificateParts>): Promise<void>;
}

/** Runs a test in a folder with a good key, certificate and CA, and removes the folder. */
export async function inIdentityFolder(
  test: (folder: IdentityFolder) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const [keyPath, certPath, caPath] = ["key.pem", "cert.pem", "ca.pem"].map((name) =>
    `${folder}/${name}`
  ) as [string, string, string];
  const writeKey = async ({ privateKey }: TestKey, mode = 0o600) => {
    await Deno.writeTextFile(
      keyPath,
      privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    );
    await Deno.chmod(keyPath, mode);
  };
  const writeNode = (changed: Partial<CertificateParts> = {}) =>
    Deno.writeTextFile(certPath, pemOf(buildCertificate({ ...nodeParts(node), ...changed })));
  try {
    await writeKey(node.key);
    await writeNode();
    await Deno.writeTextFile(caPath, pemOf(buildCertificate(authorityParts(ca))));
    await test({ folder, files: { keyPath, certPath, caPaths: [caPath] }, writeKey, writeNode });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export function pemOf(der: Uint8Array): string {
  return writePem({ label: "CERTIFICATE", der });
}
