/** Who this node is: its key, its certificate with the names in it, and whom it trusts. */
import { BadInput } from "../bad_input.ts";
import type { Certificate } from "./certificate.ts";
import { readCertificateFile, readPrivateKeyFile, readTrustFiles } from "./identity_files.ts";
import type { NodeNames } from "./node_names.ts";
import { writePem } from "./pem.ts";
import { leafDefect, nodeNamesOf, type Trust, validityDefect } from "./verify.ts";

const dayLength = 24 * 60 * 60_000;
const warningDays = 30;

/** The files that an identity is read from. Without authorities, peers are known by key alone. */
export interface NodeIdentityFiles {
  readonly keyPath: string;
  readonly certPath: string;
  readonly caPaths: readonly string[];
}

/** A loaded identity. It never changes; a newer one is a new object. */
export interface NodeIdentity extends NodeNames {
  readonly keyId: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** The node's certificate and what follows it in its file. */
  readonly certificatePem: string;
  /** The same in DER, the node's own certificate first. */
  readonly chain: readonly Uint8Array[];
  readonly trust: Trust;
  /** When the node's certificate ends; milliseconds since 1970. */
  readonly notAfter: number;
  readonly files: NodeIdentityFiles;
}

/**
 * Loads an identity.
 *
 * @param now milliseconds since 1970; the certificate must be valid then
 * @throws {BadInput} where a file is missing, is something else, is a key that others can read, or
 *   where key and certificate do not belong together, or the certificate is no node's or has ended
 */
export async function loadNodeIdentity(
  files: NodeIdentityFiles,
  now: number = Date.now(),
): Promise<NodeIdentity> {
  const key = await readPrivateKeyFile(files.keyPath);
  const certificates = await readCertificateFile(files.certPath);
  const [leaf] = certificates;
  const names = usableNames({ leaf, files, now });
  if (leaf.keyId !== key.keyId) {
    throw new BadInput(
      `the key "${files.keyPath}" and the certificate "${files.certPath}" do not belong together: ` +
        `give the key that the certificate was made with`,
    );
  }
  return {
    ...names,
    keyId: key.keyId,
    privateKeyPem: key.pem,
    certificatePem: certificates.map(pemOf).join(""),
    chain: certificates.map(({ der }) => der),
    trust: await readTrustFiles(files.caPaths),
    notAfter: leaf.notAfter,
    files,
  };
}

/**
 * One line for the user where the certificate ends within 30 days; otherwise undefined.
 *
 * @param now milliseconds since 1970
 */
export function expiryWarning(identity: NodeIdentity, now: number): string | undefined {
  const days = Math.floor((identity.notAfter - now) / dayLength);
  if (days >= warningDays) return undefined;
  const date = new Date(identity.notAfter).toISOString().slice(0, 10);
  const when = days < 0
    ? `ended on ${date}`
    : `ends in ${days} ${days === 1 ? "day" : "days"}, on ${date}`;
  const { certPath } = identity.files;
  return `the certificate "${certPath}" ${when}: run "${renewal(certPath)}"`;
}

function usableNames(
  { leaf, files, now }: { leaf: Certificate; files: NodeIdentityFiles; now: number },
): NodeNames {
  const { certPath } = files;
  const names = nodeNamesOf(leaf);
  const defect = leafDefect(leaf) ?? (names.ok ? undefined : names.reason);
  if (defect !== undefined || !names.ok) {
    throw new BadInput(
      `"${certPath}" cannot be a node's certificate: ${defect}; ` +
        `make one with "aetherport cert generate --name <name>"`,
    );
  }
  const outOfDate = validityDefect(leaf, now);
  if (outOfDate !== undefined) {
    throw new BadInput(`cannot use "${certPath}": ${outOfDate}; run "${renewal(certPath)}"`);
  }
  return names.value;
}

function renewal(certPath: string): string {
  return `aetherport cert re-sign --cert ${certPath} --force`;
}

function pemOf({ der }: Certificate): string {
  return writePem({ label: "CERTIFICATE", der });
}
