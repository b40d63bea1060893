/** What a certificate says, for people and scripts. */
import { type Certificate, fingerprintOf, urisOf } from "./certificate.ts";
import { labelsFromUris, namesFromUris } from "./node_names.ts";
import { quoted } from "./quoted.ts";

const dayLength = 24 * 60 * 60_000;

/** The printed form of `cert show --json`, in its order. Times are ISO 8601 in UTC. */
export interface CertificateSummary {
  /** The node's name, or an authority's common name; null where there is none. */
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly keyId: string;
  /** The issuer's common name. */
  readonly issuer: string | null;
  readonly notBefore: string;
  readonly notAfter: string;
  /** Whole days until the end; negative once it has ended. */
  readonly daysLeft: number;
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly isCa: boolean;
}

/**
 * Sums a certificate up. Nothing is verified.
 *
 * @param now milliseconds since 1970
 */
export function summaryOf(certificate: Certificate, now: number): CertificateSummary {
  const uris = urisOf(certificate);
  const names = namesFromUris(uris);
  const labels = names.ok ? names.value.labels : labelMap(uris);
  return {
    name: (names.ok ? names.value.name : certificate.subjectName) ?? null,
    labels: Object.fromEntries(labels),
    keyId: certificate.keyId,
    issuer: certificate.issuerName ?? null,
    notBefore: isoSeconds(certificate.notBefore),
    notAfter: isoSeconds(certificate.notAfter),
    daysLeft: Math.floor((certificate.notAfter - now) / dayLength),
    serialNumber: certificate.serialNumber,
    fingerprint: fingerprintOf(certificate.der),
    isCa: certificate.extensions.basicConstraints?.isCa ?? false,
  };
}

/** The summary as lines of "what: value". Text from the certificate is escaped for a terminal. */
export function describeSummary(summary: CertificateSummary): string {
  const { daysLeft } = summary;
  const left = daysLeft < 0 ? "ended" : `${daysLeft} ${daysLeft === 1 ? "day" : "days"} left`;
  const labels = Object.entries(summary.labels).map(([key, value]) => `${key}=${plain(value)}`);
  const rows: [string, string][] = [
    ["name", plain(summary.name ?? "(none)")],
    ["labels", labels.join(", ") || "(none)"],
    ["key id", summary.keyId],
    ["issuer", plain(summary.issuer ?? "(unnamed)")],
    ["valid from", summary.notBefore],
    ["valid to", `${summary.notAfter} (${left})`],
    ["serial number", summary.serialNumber],
    ["SHA-256 fingerprint", summary.fingerprint],
    ["is a CA", summary.isCa ? "yes" : "no"],
  ];
  return rows.map(([what, value]) => `${`${what}:`.padEnd(21)}${value}`).join("\n");
}

function labelMap(uris: readonly string[]): ReadonlyMap<string, string> {
  const labels = labelsFromUris(uris);
  return labels.ok ? labels.value : new Map<string, string>();
}

function isoSeconds(time: number): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

function plain(text: string): string {
  return quoted(text).slice(1, -1);
}
