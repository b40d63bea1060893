/**
 * A strict reader of DER (ITU-T X.690 sections 8 and 10): definite and shortest lengths only, tags
 * of one byte, nothing left over. It knows ASN.1's universal types, and nothing of certificates.
 *
 * A defect is thrown as {@link DerDefect}, so that a parser reads as the type's definition does;
 * whoever takes hostile bytes catches that one class at one place.
 */

/** Tags as they stand in the identifier octet (X.690 section 8.1.2). */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Of an object identifier, in bytes. A UUID below 2.25 takes 20; no sane one more than this. */
const maxObjectIdentifierLength = 64;

/** The input is not the DER that was expected. The message is one line and safe to print. */
export class DerDefect extends Error {
  override readonly name = "DerDefect";
}

/** One element: its identifier octet, its contents, and the whole encoding. Views, not copies. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** Reads the elements of one constructed value (or of a whole input) in order. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The next element, of whatever tag. */
  any(): DerElement {
    const element = readElement(this.#bytes, this.#offset);
    this.#offset += element.whole.length;
    return element;
  }

  /** The next element, which must have this tag. */
  expect(tag: number): DerElement {
    const found = this.#bytes[this.#offset];
    if (found !== tag) throw new DerDefect(`expected the DER tag ${hex(tag)}, found ${hex(found)}`);
    return this.any();
  }

  /** The next element where it has this tag; otherwise undefined, and nothing is read. */
  optional(tag: number): DerElement | undefined {
    return this.#bytes[this.#offset] === tag ? this.any() : undefined;
  }

  /** A reader of the contents of the next element, which must have this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.expect(tag).content);
  }

  /** Nothing may be left. */
  end(): void {
    if (!this.isAtEnd) throw new DerDefect("bytes follow where the DER value should end");
  }
}

/** The one element that the bytes are. */
export function readOnlyElement(bytes: Uint8Array, tag: number): DerElement {
  const reader = new DerReader(bytes);
  const element = reader.expect(tag);
  reader.end();
  return element;
}

/** BOOLEAN: DER writes true as FF (X.690 section 11.1). */
export function readBoolean({ content }: DerElement): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
    throw new DerDefect("a DER boolean is neither 00 nor FF");
  }
  return content[0] === 0xff;
}

/** The contents of an INTEGER in its shortest form (X.690 section 8.3.2), two's complement. */
export function readInteger({ content }: DerElement): Uint8Array {
  const [first, second] = content;
  if (first === undefined) throw new DerDefect("a DER integer is empty");
  const isPadded = second !== undefined &&
    ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (isPadded) throw new DerDefect("a DER integer is not in its shortest form");
  return content;
}

/** An INTEGER from 0 to 127: as much as versions and path lengths here can be. */
export function readSmallInteger(element: DerElement): number {
  const content = readInteger(element);
  const value = content[0] ?? 0;
  if (content.length !== 1 || value > 127) throw new DerDefect("a number is out of bounds");
  return value;
}

/** The bytes of a BIT STRING that has whole bytes only, as keys and signatures are. */
export function readWholeBytes({ content }: DerElement): Uint8Array {
  if (content.length < 2 || content[0] !== 0) {
    throw new DerDefect("a DER bit string is empty or has no whole bytes");
  }
  return content.subarray(1);
}

/**
 * The bits that are set in a named BIT STRING, numbered from the first. DER leaves out trailing
 * zero bits (X.690 section 11.2.2).
 */
export function readNamedBits({ content }: DerElement): ReadonlySet<number> {
  const unusedCount = content[0] ?? 8;
  const last = content.at(-1) ?? 0;
  const isShortest = content.length > 1 && unusedCount < 8 &&
    (last & ((1 << unusedCount) - 1)) === 0 && (last & (1 << unusedCount)) !== 0;
  if (!isShortest) throw new DerDefect("a DER named bit string is not in its shortest form");
  const bits = new Set<number>();
  for (let bit = 0; bit < (content.length - 1) * 8; bit++) {
    if (((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.add(bit);
  }
  return bits;
}

/** An OBJECT IDENTIFIER in dotted form (X.690 section 8.19). */
export function readObjectIdentifier({ content }: DerElement): string {
  if (content.length === 0 || content.length > maxObjectIdentifierLength) {
    throw new DerDefect("a DER object identifier is empty or too long");
  }
  const arcs: bigint[] = [];
  let arc = 0n;
  let isStart = true;
  for (const byte of content) {
    if (isStart && byte === 0x80) throw new DerDefect("a DER object identifier is padded");
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    isStart = byte < 0x80;
    if (!isStart) continue;
    arcs.push(arc);
    arc = 0n;
  }
  if (!isStart) throw new DerDefect("a DER object identifier is cut off");
  const [head = 0n, ...rest] = arcs;
  const root = head < 80n ? head / 40n : 2n;
  return [root, head - root * 40n, ...rest].join(".");
}

/** The text of a UTF8String, PrintableString or IA5String. */
export function readText({ tag, content }: DerElement): string {
  const text = tag === derTag.utf8String ? utf8(content) : String.fromCharCode(...content);
  const isValid = tag === derTag.utf8String ||
    (tag === derTag.printableString && /^[A-Za-z0-9 '()+,./:=?-]*$/.test(text)) ||
    // deno-lint-ignore no-control-regex -- IA5String is all of ASCII
    (tag === derTag.ia5String && /^[\x00-\x7f]*$/.test(text));
  if (!isValid) throw new DerDefect("a text has characters that its DER type does not allow");
  return text;
}

/**
 * UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 has them: seconds, "Z", no fraction;
 * UTCTime through 2049 and GeneralizedTime from 2050. Milliseconds since 1970.
 */
export function readTime({ tag, content }: DerElement): number {
  const text = String.fromCharCode(...content);
  const digits = tag === derTag.utcTime ? 2 : tag === derTag.generalizedTime ? 4 : 0;
  if (digits === 0 || !/^\d+Z$/.test(text) || text.length !== digits + 11) {
    throw new DerDefect("a time is not written as RFC 5280 asks");
  }
  const shortYear = Number(text.slice(0, digits));
  const year = digits === 4 ? shortYear : shortYear + (shortYear < 50 ? 2000 : 1900);
  if (digits === 4 && year < 2050) throw new DerDefect("a time before 2050 is no UTCTime");
  const rest = text.slice(digits).replace(/(..)(..)(..)(..)(..)Z/, "-$1-$2T$3:$4:$5.000Z");
  const iso = `${String(year).padStart(4, "0")}${rest}`;
  const time = Date.parse(iso);
  // Date.parse rolls "02-30" over to March; writing it back shows that.
  if (Number.isNaN(time) || new Date(time).toISOString() !== iso) {
    throw new DerDefect("a time names no real date");
  }
  return time;
}

function readElement(bytes: Uint8Array, offset: number): DerElement {
  const tag = bytes[offset];
  if (tag === undefined) throw new DerDefect("the DER value is cut off");
  if ((tag & 0x1f) === 0x1f) throw new DerDefect("a DER tag takes more than one byte");
  const { length, contentOffset } = readLength(bytes, offset + 1);
  const end = contentOffset + length;
  if (end > bytes.length) throw new DerDefect("the DER value is cut off");
  return {
    tag,
    content: bytes.subarray(contentOffset, end),
    whole: bytes.subarray(offset, end),
  };
}

/** Lengths to 65,535: nothing here is longer. The indefinite form and padding are BER, not DER. */
function readLength(bytes: Uint8Array, at: number): { length: number; contentOffset: number } {
  const [first = 0x80, high = 0, low = 0] = bytes.subarray(at, at + 3);
  if (first < 0x80) return { length: first, contentOffset: at + 1 };
  if (first === 0x81 && high >= 0x80) return { length: high, contentOffset: at + 2 };
  if (first === 0x82 && high > 0) return { length: high * 256 + low, contentOffset: at + 3 };
  throw new DerDefect("a DER length is not in its shortest form");
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new DerDefect("a text is not UTF-8");
    throw error;
  }
}

function hex(byte: number | undefined): string {
  return byte === undefined ? "none" : byte.toString(16).padStart(2, "0");
}
