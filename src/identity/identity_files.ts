/**
 * Reads the files of an identity: private keys, certificates, sets of authorities. Every failure is
 * a {@link BadInput} that names the file and says what to run.
 */
import { dirname } from "node:path";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { BadInput } from "../bad_input.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { isP256PublicKey, keyIdOf } from "./key_id.ts";
import { type PemBlock, readPem, writePem } from "./pem.ts";
import { authorityDefect, isSelfSigned, leafDefect, type Trust } from "./verify.ts";

// A set of authorities is the longest that is read, and a device or pipe must end somewhere.
const maxFileLength = 1 << 20;

/** Permission bits of group and others. */
const readableByOthers = 0o077;
const readableByGroup = 0o040;

/** A P-256 private key. */
export interface PrivateKeyFile {
  /** PKCS#8, whatever the file's own form is. */
  readonly pem: string;
  readonly key: KeyObject;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  readonly keyId: string;
}

/**
 * Reads a private key (PKCS#8 or SEC 1, RFC 5915), and refuses one that others can read.
 *
 * @throws {BadInput} where the file is missing, open to others, or holds no P-256 private key
 */
export async function readPrivateKeyFile(path: string): Promise<PrivateKeyFile> {
  const text = await readText({ path, what: "the private key", isSecret: true });
  const block = readPem(text).find(({ label }) => label.endsWith("PRIVATE KEY"));
  if (block === undefined) throw wrongContents({ path, wanted: "a PEM private key", text });
  if (block.label === "ENCRYPTED PRIVATE KEY") {
    throw new BadInput(
      `the private key "${path}" has a passphrase: remove it with ` +
        `"openssl pkcs8 -in ${path} -out <file>"`,
    );
  }
  const key = importPrivateKey(block);
  const spki = key && new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
  if (key === undefined || spki === undefined || !isP256PublicKey(spki)) {
    throw new BadInput(
      `"${path}" holds no P-256 private key: make one with "aetherport cert generate"`,
    );
  }
  return { pem: pkcs8Of(key), key, spki, keyId: keyIdOf(spki) };
}

/**
 * Reads a certificate and what follows it in the file: its chain, the certificate itself first.
 *
 * @throws {BadInput} where the file is missing, or holds no certificate that Aetherport takes
 */
export async function readCertificateFile(
  path: string,
): Promise<readonly [Certificate, ...Certificate[]]> {
  const text = await readText({ path, what: "the certificate", isSecret: false });
  const [first, ...rest] = readPem(text)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ der }, at) => certificateOf({ path, der, at }));
  if (first === undefined) throw wrongContents({ path, wanted: "a PEM certificate", text });
  return [first, ...rest];
}

/**
 * Reads the trusted authorities; each file may hold several. An authority that is out of date stays
 * in the set: what it issued is refused when it is judged.
 *
 * @throws {BadInput} where a file is missing, or holds what can vouch for nobody
 */
export async function readTrustFiles(paths: readonly string[]): Promise<Trust> {
  const cas: Certificate[] = [];
  for (const path of paths) {
    for (const certificate of await readCertificateFile(path)) {
      const defect = authorityDefect(certificate);
      const isPinned = leafDefect(certificate) === undefined && isSelfSigned(certificate);
      if (defect !== undefined && !isPinned) {
        throw new BadInput(`"${path}" holds a certificate that cannot be trusted: ${defect}`);
      }
      cas.push(certificate);
    }
  }
  return { cas };
}

/** A private key as PKCS#8 (RFC 5208) in PEM. */
export function pkcs8Of(key: KeyObject): string {
  const der = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  return writePem({ label: "PRIVATE KEY", der });
}

function certificateOf(
  { path, der, at }: { path: string; der: Uint8Array; at: number },
): Certificate {
  const parsed = parseCertificate(der);
  if (parsed.ok) return parsed.value;
  throw new BadInput(
    `certificate ${at + 1} in "${path}" cannot be used: ${parsed.reason}; ` +
      `make one with "aetherport cert generate"`,
  );
}

function importPrivateKey(block: PemBlock): KeyObject | undefined {
  try {
    return createPrivateKey(writePem(block));
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

async function readText(
  { path, what, isSecret }: { path: string; what: string; isSecret: boolean },
): Promise<string> {
  try {
    using file = await Deno.open(path);
    // The opened file is asked, not the path: the path may name another file by now.
    const { mode, uid, gid } = await file.stat();
    const othersBits = uid === 0 && gid === 0 && isCredential(path)
      ? readableByOthers & ~readableByGroup
      : readableByOthers;
    if (isSecret && mode !== null && (mode & othersBits) !== 0) throw openToOthers(path, mode);
    return await readBounded(file, path);
  } catch (error) {
    throw explained(error, `cannot read ${what} "${path}"`);
  }
}

/**
 * systemd hands a credential to a service's user by an access control list, which stat shows as the
 * group's right, and lets nobody else into the folder (systemd.exec(5), LoadCredential).
 */
function isCredential(path: string): boolean {
  const folder = Deno.env.get("CREDENTIALS_DIRECTORY") ?? "";
  return folder.startsWith("/") && dirname(path) === folder;
}

async function readBounded(file: Deno.FsFile, path: string): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16_384);
  let text = "";
  for (;;) {
    const length = await file.read(buffer);
    if (length === null) return text + decoder.decode();
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
    if (text.length > maxFileLength) {
      throw new BadInput(`"${path}" is too long: a PEM file has at most ${maxFileLength} bytes`);
    }
  }
}

function openToOthers(path: string, mode: number): BadInput {
  const bits = (mode & 0o777).toString(8).padStart(4, "0");
  return new BadInput(
    `the private key "${path}" can be read by others (mode ${bits}): run "chmod 600 ${path}"`,
  );
}

function explained(error: unknown, doing: string): unknown {
  if (error instanceof Deno.errors.NotFound) {
    return new BadInput(
      `${doing}: there is no such file; make one with "aetherport cert generate --name <name>"`,
    );
  }
  if (error instanceof Deno.errors.IsADirectory) {
    return new BadInput(`${doing}: it is a directory, give a file`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new BadInput(`${doing}: permission denied, run as the user that owns it`);
  }
  if (error instanceof BadInput || !(error instanceof Error)) return error;
  return new Error(`${doing}: ${error.message}`, { cause: error });
}

function wrongContents(
  { path, wanted, text }: { path: string; wanted: string; text: string },
): BadInput {
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----/g)].map(([, label]) => label);
  const found = labels.length === 0 ? "no PEM at all" : `PEM of: ${labels.slice(0, 4).join(", ")}`;
  return new BadInput(
    `"${path}" does not hold ${wanted} (it holds ${found}): give the right file, or make one with ` +
      `"aetherport cert generate"`,
  );
}
