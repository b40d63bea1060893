/**
 * What a certificate says of its node: one name and some labels, carried as URIs in the subject
 * alternative name (RFC 5280 section 4.2.1.6):
 *
 *     aetherport:node/<name>
 *     aetherport:label/<key>=<value, percent-encoded>
 *
 * The forms are canonical: there is one spelling of a name or label, and any other is refused, so
 * that two readers never see two different names in one certificate.
 */

const nodeUriPrefix = "aetherport:node/";
const labelUriPrefix = "aetherport:label/";

/** Bytes of UTF-8 in a label's value, at most. */
export const maxLabelValueLength = 128;

/** Labels in a certificate, at most. */
export const maxLabelCount = 16;

/** What a valid name is, for messages to the user. */
export const nodeNameRule = "1 to 64 of A-Z a-z 0-9 . _ - and the first a letter or digit";

// No leading dash or dot: a name is the start of a file's name ("<name>-key.pem").
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const dnsLabel = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** A node's name and labels. Who vouches for them is not said here. */
export interface NodeNames {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** What reading untrusted input gives: the value, or the reason why there is none (one line). */
export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: string };

/** Whether the text can be the name of a node or the key of a label. */
export function isNodeName(text: string): boolean {
  return namePattern.test(text);
}

/** Whether the text can be the value of a label: 1 to 128 bytes of UTF-8, no control characters. */
export function isLabelValue(text: string): boolean {
  return text.length > 0 && text.isWellFormed() && !/\p{Cc}/u.test(text) &&
    new TextEncoder().encode(text).length <= maxLabelValueLength;
}

/**
 * Whether the name can also stand as a dNSName (RFC 1123 section 2.1): dot-separated labels of
 * letters, digits and inner hyphens, the last not all digits, or it would look like an address.
 */
export function isDnsName(name: string): boolean {
  const labels = name.split(".");
  return name.length <= 253 && labels.every((label) => dnsLabel.test(label)) &&
    !/^\d+$/.test(labels.at(-1) ?? "");
}

/** The URIs of a name and its labels, the labels sorted by key. */
export function urisOfNames(names: NodeNames): string[] {
  return [nodeUriPrefix + names.name, ...urisOfLabels(names.labels)];
}

/** The URIs of labels alone, sorted by key (a CA has labels and no node's name). */
export function urisOfLabels(labels: ReadonlyMap<string, string>): string[] {
  return [...labels]
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, value]) => `${labelUriPrefix}${key}=${encodeURIComponent(value)}`);
}

/**
 * Reads the name and labels from a certificate's URIs. URIs of other schemes and kinds are ignored;
 * a malformed, repeated or missing name, and a malformed or repeated label, is a defect.
 */
export function namesFromUris(uris: readonly string[]): Outcome<NodeNames> {
  const named = uris.filter((uri) => uri.startsWith(nodeUriPrefix));
  if (named.length !== 1) {
    return refused(`it names ${named.length} nodes (URIs "${nodeUriPrefix}<name>"), not one`);
  }
  const name = (named[0] ?? "").slice(nodeUriPrefix.length);
  if (!isNodeName(name)) return refused(`a node's name is malformed: use ${nodeNameRule}`);
  const labels = labelsFromUris(uris);
  return labels.ok ? { ok: true, value: { name, labels: labels.value } } : labels;
}

/** Reads the labels alone. See {@link namesFromUris}. */
export function labelsFromUris(uris: readonly string[]): Outcome<ReadonlyMap<string, string>> {
  const labels = new Map<string, string>();
  for (const uri of uris) {
    if (!uri.startsWith(labelUriPrefix)) continue;
    const label = labelFromText(uri.slice(labelUriPrefix.length));
    if (label === undefined) return refused("a label is malformed");
    if (labels.has(label.key)) return refused(`the label "${label.key}" is given twice`);
    labels.set(label.key, label.value);
  }
  if (labels.size > maxLabelCount) return refused(`it has over ${maxLabelCount} labels`);
  return { ok: true, value: labels };
}

function labelFromText(text: string): { key: string; value: string } | undefined {
  const cut = text.indexOf("=");
  const key = text.slice(0, Math.max(cut, 0));
  const value = percentDecoded(text.slice(cut + 1));
  return isNodeName(key) && value !== undefined && isLabelValue(value) ? { key, value } : undefined;
}

/** The decoded text, or undefined where another spelling of it would be the canonical one. */
function percentDecoded(encoded: string): string | undefined {
  try {
    const text = decodeURIComponent(encoded);
    return encodeURIComponent(text) === encoded ? text : undefined;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function refused(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}
