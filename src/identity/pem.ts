/** PEM (RFC 7468): base64 between "BEGIN" and "END" lines; text around the blocks is ignored. */
import { Buffer } from "node:buffer";

const blockPattern = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;
const linePattern = /.{1,64}/g;

/** One block: the label of its BEGIN line ("CERTIFICATE"), and the bytes. */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

/** The blocks of a text in order. A block whose base64 is broken is left out, as text is. */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, label = "", body = ""] of text.matchAll(blockPattern)) {
    const der = fromBase64(body.replace(/\s+/g, ""));
    if (der !== undefined) blocks.push({ label, der });
  }
  return blocks;
}

/** One block as text: lines of 64 characters and a newline at the end. */
export function writePem({ label, der }: PemBlock): string {
  const lines = der.toBase64().match(linePattern) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** Base64 (RFC 4648 section 4), canonical and padded, or undefined. */
function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined;
}
