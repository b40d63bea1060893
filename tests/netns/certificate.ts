/** A server's certificate, by an authority that nobody trusts unless told to. */
import { isIP } from "node:net";

/** The files of it, in PEM. */
export interface TestCertificate {
  readonly certPath: string;
  readonly keyPath: string;
  /** The authority's certificate. */
  readonly caPath: string;
}

/** Makes one for an address or a name, in a folder. */
export async function makeCertificate(folder: string, host: string): Promise<TestCertificate> {
  const path = (name: string) => `${folder}/turn-${name}.pem`;
  const authority = { keyPath: path("ca-key"), certPath: path("ca") };
  const leaf = { keyPath: path("key"), certPath: path("cert") };
  await request(authority, "basicConstraints=critical,CA:TRUE", []);
  await request(leaf, "basicConstraints=critical,CA:FALSE", [
    ...["-addext", `subjectAltName=${isIP(host) === 0 ? "DNS" : "IP"}:${host}`],
    ...["-CA", authority.certPath, "-CAkey", authority.keyPath],
  ]);
  return { ...leaf, caPath: authority.certPath };
}

async function request(
  { keyPath, certPath }: { readonly keyPath: string; readonly certPath: string },
  constraints: string,
  more: readonly string[],
): Promise<void> {
  const args = [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    // Without a configuration, which might add extensions of its own.
    ...["-config", "/dev/null", "-subj", `/CN=${certPath.split("/").at(-1)}`, "-days", "2"],
    ...["-addext", constraints, "-keyout", keyPath, "-out", certPath, ...more],
  ];
  const { success, stderr } = await new Deno.Command("openssl", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
