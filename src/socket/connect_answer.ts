/** The answer of an HTTP proxy to CONNECT (RFC 9110, section 9.3.6; RFC 9112, section 4). */

/** No answer's head is longer, in bytes. */
export const maxAnswerLength = 16_384;

/** What an answer's head says. */
export type ConnectAnswer =
  /** More bytes are to come. */
  | { readonly type: "incomplete" }
  /** It is no answer of an HTTP proxy. */
  | { readonly type: "malformed" }
  /** `end` is where what follows the head begins. */
  | { readonly type: "complete"; readonly status: number; readonly end: number };

const malformed: ConnectAnswer = { type: "malformed" };

/** Reads the head, of which the first bytes are there. Only its status counts. */
export function parseConnectAnswer(bytes: Uint8Array): ConnectAnswer {
  // One character a byte, so that lengths are those of bytes.
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, maxAnswerLength));
  const start = "HTTP/1.".slice(0, text.length);
  if (!text.startsWith(start)) return malformed;
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return bytes.length < maxAnswerLength ? { type: "incomplete" } : malformed;
  const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r\n/.exec(text) ?? [];
  return status === undefined
    ? malformed
    : { type: "complete", status: Number(status), end: end + 4 };
}
