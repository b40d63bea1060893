/**
 * Offers and answers as text that people copy from one terminal to another. A text is
 *
 *     aetherport-offer:1:<length>:<check>:<body>:aetherport-end
 *
 * with `answer` for `offer` in an answer; body: the SDP, compressed (RFC 1951) and in base64
 * (RFC 4648, section 4, no padding); length: the body's, in characters; check: the first 8 hex
 * digits of the body's SHA-256. White space within it means nothing.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import {
  DescriptionError,
  parseSessionDescription,
  type SessionDescription,
  writeSessionDescription,
} from "../link/session_description.ts";

/** What the reader found in what was pasted. */
export type PastedItem =
  | { readonly kind: "description"; readonly description: SessionDescription }
  /** Text that is no offer or answer of this program. */
  | { readonly kind: "wrong"; readonly problem: string }
  /** Less than was printed at the other end. */
  | { readonly kind: "truncated"; readonly problem: string }
  /** As long as was printed, but not the same. */
  | { readonly kind: "damaged"; readonly problem: string };

const begin = /aetherport-(?:offer|answer):/g;
const end = ":aetherport-end";
const framePattern = /^aetherport-(offer|answer):(\d{1,4}):(\d{1,6}):([\da-f]{8}):(.*)$/s;
const formatVersion = 1;
/** Terminals hand over at most 4,095 characters a line: longer texts are wrapped. */
const maxLineLength = 3_500;
const wrappedLineLength = 76;
/** More without an end marker is dropped, in characters. */
const maxTextLength = 65_536;
/** Inflates to at most so many bytes. */
const maxSdpLength = 32_768;
/** What terminals put before and after pasted text. */
const escape = String.fromCharCode(27);
const bracketedPaste = new RegExp(`${escape}\\[20[01]~`, "g");
/** Leaves the escape, which a later piece may complete. */
const strippedCharacters = new RegExp(`(?!${escape})[\\s\\p{Cc}\\u200b\\ufeff]`, "gu");

/** Writes an offer or answer: one line, or lines of 76 characters where it is long. */
export function writePastedText(description: SessionDescription): string {
  const sdp = Buffer.from(writeSessionDescription(description));
  const body = deflateRawSync(sdp, { level: 9 }).toString("base64").replace(/=+$/, "");
  const frame = `aetherport-${description.type}:${formatVersion}:${body.length}:${
    check(body)
  }:${body}${end}`;
  if (frame.length <= maxLineLength) return frame;
  return frame.replace(new RegExp(`.{${wrappedLineLength}}`, "g"), "$&\n").trimEnd();
}

function check(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 8);
}

/** Puts together what comes in pieces: lines, wrapped lines, texts pasted twice. */
export class PastedTextReader {
  /** What came since the last item, without white space. */
  #text = "";
  #endsLine = true;

  /** Takes a piece as it came from the terminal or pipe. */
  push(piece: string): PastedItem[] {
    const items: PastedItem[] = [];
    for (const line of piece.split(/(?<=[\r\n])/)) {
      this.#text = (this.#text + stripLine(line)).replace(bracketedPaste, "");
      this.#endsLine = /[\r\n]$/.test(line);
      this.#takeItems(items);
    }
    return items;
  }

  /** The input has ended: what is left is not whole. */
  end(): PastedItem[] {
    const item = this.incomplete();
    this.#text = "";
    return item === undefined ? [] : [item];
  }

  /** What can be said of a text that has begun and not ended, if there is one. */
  incomplete(): PastedItem | undefined {
    if (this.#text.replaceAll(escape, "") === "") return undefined;
    return this.#text.startsWith("aetherport-") || isMarkerStart(this.#text)
      ? truncated(this.#text)
      : foreign;
  }

  #takeItems(items: PastedItem[]): void {
    while (this.#text !== "") {
      const first = this.#findBegin(0);
      if (first === undefined) return this.#handleUnmarked(items);
      const second = this.#findBegin(first + 1);
      const frame = this.#text.slice(first);
      const length = frame.indexOf(end);
      const isRestarted = second !== undefined && (length < 0 || second - first < length);
      if (isRestarted) {
        items.push(truncated(frame.slice(0, second - first)));
        this.#text = this.#text.slice(second);
      } else if (length >= 0) {
        items.push(readFrame(frame.slice(0, length)));
        this.#text = frame.slice(length + end.length);
      } else {
        this.#text = frame;
        if (frame.length > maxTextLength) this.#dropOverlong(items);
        return;
      }
    }
  }

  #findBegin(from: number): number | undefined {
    begin.lastIndex = from;
    return begin.exec(this.#text)?.index;
  }

  /** No begin marker: wrong, unless its first characters are all that has come so far. */
  #handleUnmarked(items: PastedItem[]): void {
    const at = this.#text.indexOf(end);
    if (at >= 0) {
      this.#text = this.#text.slice(at + end.length);
      items.push(beheaded);
      return this.#takeItems(items);
    }
    const isPending = !this.#endsLine && this.#text.length <= maxTextLength;
    if (isPending || isMarkerStart(this.#text)) return;
    const isEmpty = this.#text.replaceAll(escape, "") === "";
    this.#text = "";
    if (!isEmpty) items.push(foreign);
  }

  #dropOverlong(items: PastedItem[]): void {
    this.#text = "";
    items.push({ kind: "wrong", problem: `a text longer than ${maxTextLength} characters` });
  }
}

const foreign: PastedItem = {
  kind: "wrong",
  problem: "this is no offer or answer of aetherport",
};

const beheaded: PastedItem = {
  kind: "truncated",
  problem: "the text is cut short: its beginning is missing. Copy it whole and paste it again",
};

function isMarkerStart(text: string): boolean {
  return "aetherport-offer:".startsWith(text) || "aetherport-answer:".startsWith(text);
}

/** Leaves out white space and control characters. */
function stripLine(line: string): string {
  return line.replace(strippedCharacters, "");
}

function truncated(frame: string): PastedItem {
  const [, , , length, , body = ""] = framePattern.exec(frame) ?? [];
  const amount = length === undefined
    ? "its beginning only"
    : `${Math.min(body.length, Number(length))} of ${length} characters`;
  return {
    kind: "truncated",
    problem: `the text is cut short: ${amount} arrived. Copy it whole and paste it again`,
  };
}

function readFrame(frame: string): PastedItem {
  const match = framePattern.exec(frame);
  if (match === null) {
    return { kind: "damaged", problem: "the text's beginning is damaged. Copy and paste it again" };
  }
  const [, type, version, length, expected, body = ""] = match;
  if (Number(version) !== formatVersion) {
    const problem = `the text has format ${version}, this program reads ${formatVersion}: ` +
      "use the same version at both ends";
    return { kind: "wrong", problem };
  }
  if (body.length < Number(length)) return truncated(frame);
  if (body.length > Number(length) || check(body) !== expected) {
    return { kind: "damaged", problem: "the text was altered on its way. Copy and paste it again" };
  }
  return readBody(type === "offer" ? "offer" : "answer", body);
}

function readBody(type: "offer" | "answer", body: string): PastedItem {
  try {
    const sdp = inflateRawSync(Buffer.from(body, "base64"), { maxOutputLength: maxSdpLength });
    const description = parseSessionDescription(type, sdp.toString("utf8"));
    return { kind: "description", description };
  } catch (error) {
    const reason = error instanceof DescriptionError ? error.message : "its body does not unpack";
    return { kind: "wrong", problem: `the ${type} cannot be used: ${reason}` };
  }
}
