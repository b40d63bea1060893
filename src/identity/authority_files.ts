/**
 * The CA as it lies on disk: a key file and a certificate file, read to issue with, or newly made.
 * Making one loads the issuing library; reading does not.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { BadInput } from "../bad_input.ts";
import type { Certificate } from "./certificate.ts";
import { pkcs8Of, readCertificateFile, readPrivateKeyFile } from "./identity_files.ts";
import type { Authority } from "./issue.ts";
import { keyIdOf } from "./key_id.ts";
import { writePem } from "./pem.ts";
import { authorityDefect, isSelfSigned } from "./verify.ts";
import type { NewFile } from "./write_files.ts";

/** The two files of a CA. */
export interface AuthorityPaths {
  readonly keyPath: string;
  readonly certPath: string;
}

/** A CA to issue with. */
export interface AuthorityInUse {
  readonly authority: Authority;
  /** What a node has to present beside its own certificate: authorities that are no roots. */
  readonly chain: readonly Certificate[];
  /** The CA's own files where it is new; they are yet to be written. */
  readonly files: readonly NewFile[];
}

/** What a new CA is to be. */
export interface NewAuthority {
  readonly paths: AuthorityPaths;
  /** Undefined for a name made from its key. */
  readonly name: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly notAfter: number;
  readonly overwrite: boolean;
}

/**
 * Whether the CA's files are there.
 *
 * @throws {BadInput} where only one of the two is
 */
export async function hasAuthorityFiles({ keyPath, certPath }: AuthorityPaths): Promise<boolean> {
  const [hasKey, hasCertificate] = await Promise.all([exists(keyPath), exists(certPath)]);
  if (hasKey === hasCertificate) return hasKey;
  const [there, missing] = hasKey
    ? [`key "${keyPath}"`, `certificate "${certPath}"`]
    : [`certificate "${certPath}"`, `key "${keyPath}"`];
  throw new BadInput(
    `the CA's ${there} is there, but not its ${missing}: give both with --cakey and --cacert, ` +
      `or move the one away to have a new CA made`,
  );
}

/**
 * Reads a CA to issue with.
 *
 * @param now milliseconds since 1970
 * @throws {BadInput} where a file is missing or bad, the key can be read by others, the two do not
 *   belong together, or the CA has ended or is none
 */
export async function readAuthorityFiles(
  { keyPath, certPath }: AuthorityPaths,
  now: number,
): Promise<AuthorityInUse> {
  if (!await hasAuthorityFiles({ keyPath, certPath })) {
    throw new BadInput(
      `there is no CA in "${keyPath}" and "${certPath}": give its files with --cakey and ` +
        `--cacert, or make one with "aetherport cert generate-ca"`,
    );
  }
  const { key, keyId } = await readPrivateKeyFile(keyPath);
  const certificates = await readCertificateFile(certPath);
  const [certificate] = certificates;
  const defect = authorityDefect(certificate) ?? endedDefect(certificate, now) ??
    (certificate.keyId === keyId ? undefined : `its key is not the one in "${keyPath}"`);
  if (defect !== undefined) {
    throw new BadInput(
      `cannot issue with the CA "${certPath}": ${defect}; give another with --cakey and --cacert`,
    );
  }
  const chain = certificates.filter((each) => !isSelfSigned(each));
  return { authority: { certificate, key }, chain, files: [] };
}

/** Makes a CA. Its files are returned, not written, so that they appear with what it issues. */
export async function createAuthority(
  { paths, name, labels, now, notAfter, overwrite }: NewAuthority,
): Promise<AuthorityInUse> {
  const { createPrivateKey, issueAuthority } = await import("./issue.ts");
  const key = createPrivateKey();
  const spki = publicKeyOf(key);
  const certificate = await issueAuthority({
    ...{ key, spki },
    names: { name: name ?? `aetherport-ca-${keyIdOf(spki).slice(0, 8)}`, labels },
    validity: { now, notAfter },
  });
  const files = [
    keyFile({ path: paths.keyPath, key, overwrite }),
    certificateFile({ path: paths.certPath, chain: [certificate], overwrite }),
  ];
  return { authority: { certificate, key }, chain: [], files };
}

/** A private key as a file that only its owner can read. */
export function keyFile(
  { path, key, overwrite }: { path: string; key: KeyObject; overwrite: boolean },
): NewFile {
  return { path, text: pkcs8Of(key), mode: 0o600, overwrite };
}

/** Certificates as a file, the first being what the file is about. */
export function certificateFile(
  { path, chain, overwrite }: { path: string; chain: readonly Certificate[]; overwrite: boolean },
): NewFile {
  const text = chain.map(({ der }) => writePem({ label: "CERTIFICATE", der })).join("");
  return { path, text, mode: 0o644, overwrite };
}

/** The SubjectPublicKeyInfo (DER) of a private key. */
export function publicKeyOf(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
}

/** Whether there is anything at the path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function endedDefect({ notAfter }: Certificate, now: number): string | undefined {
  return now < notAfter ? undefined : `it ended on ${new Date(notAfter).toISOString()}`;
}
