/**
 * The first messages of a TLS client: RFC 8446, section 4.1.2, with the names that it asks for (RFC
 * 6066 section 3, RFC 7301). They may be cut into records anywhere.
 */

/** What a client asks for. */
export interface ClientHello {
  /** The host's name, lower case; undefined where there is none. */
  readonly serverName: string | undefined;
  /** Protocols, the preferred first. */
  readonly protocols: readonly string[];
  /** Of its records, in bytes: what follows is not of it. */
  readonly length: number;
}

/** The longest ClientHello that is taken, in bytes; those of browsers have 2 KB. */
export const maxClientHelloLength = 16_384;

const handshakeRecord = 22;
const messageTypes = { clientHello: 1, serverHello: 2 } as const;
const recordHeaderLength = 5;
const maxRecordLength = 16_384;
/** RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest". */
const retryRandom = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
const extensionTypes = { serverName: 0, protocols: 16 } as const;

/** The ClientHello at the beginning, "more" where it is not all there, "none" where it is none. */
export function parseClientHello(bytes: Uint8Array): ClientHello | "more" | "none" {
  const message = firstMessage(bytes, messageTypes.clientHello);
  if (typeof message === "string") return message;
  // No client says more in the same record, where a second hello would go unseen.
  if (!message.isAlone) return "none";
  try {
    return { ...readHello(new Cursor(message.body)), length: message.end };
  } catch (error) {
    if (error instanceof RangeError) return "none";
    throw error;
  }
}

/**
 * Whether a server that was sent a ClientHello asks for another one (HelloRetryRequest, RFC 8446
 * section 4.1.4); "more" where its first bytes do not say yet.
 */
export function asksForAnotherHello(bytes: Uint8Array): boolean | "more" {
  const message = firstMessage(bytes, messageTypes.serverHello);
  if (typeof message === "string") return message === "more" ? "more" : false;
  return message.body.subarray(2, 34).toHex() === retryRandom;
}

/** Where the second ClientHello begins, behind early data; "more" where that is not all there. */
export function startOfSecondHello(bytes: Uint8Array): number | "more" {
  for (let at = 0; at + recordHeaderLength <= bytes.length;) {
    if (bytes[at] === handshakeRecord) return at;
    at += recordHeaderLength + ((bytes[at + 3] ?? 0) << 8 | (bytes[at + 4] ?? 0));
  }
  return "more";
}

/** A handshake message out of its records. */
interface Message {
  readonly body: Uint8Array;
  /** Whether its last record holds nothing else. */
  readonly isAlone: boolean;
  /** Where that ends. */
  readonly end: number;
}

/** The first handshake message, joined from its records. */
function firstMessage(bytes: Uint8Array, wanted: number): Message | "more" | "none" {
  const parts: number[] = [];
  for (let at = 0;;) {
    if (bytes.length > at && bytes[at] !== handshakeRecord) return "none";
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return "none";
    if (bytes.length < at + recordHeaderLength) return "more";
    const length = (bytes[at + 3] ?? 0) << 8 | (bytes[at + 4] ?? 0);
    if (length === 0 || length > maxRecordLength) return "none";
    const start = at + recordHeaderLength;
    parts.push(...bytes.subarray(start, start + length));
    const [type, ...sizes] = parts.slice(0, 4);
    if (type !== undefined && type !== wanted) return "none";
    const [high = 0, middle = 0, low = 0] = sizes;
    const size = high << 16 | middle << 8 | low;
    if (sizes.length === 3 && size > maxClientHelloLength) return "none";
    if (sizes.length === 3 && parts.length >= 4 + size) {
      const body = Uint8Array.from(parts.slice(4, 4 + size));
      return {
        body,
        isAlone: start + length <= bytes.length && parts.length === 4 + size,
        end: start + length,
      };
    }
    if (bytes.length < start + length) return "more";
    at = start + length;
  }
}

/** Throws RangeError where it is malformed. */
function readHello(hello: Cursor): Omit<ClientHello, "length"> {
  hello.skip(2 + 32);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  if (hello.isAtEnd) return { serverName, protocols };
  const extensions = hello.vector(2);
  const seen = new Set<number>();
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (seen.has(type)) throw new RangeError("an extension comes twice");
    seen.add(type);
    if (type === extensionTypes.serverName) serverName = readServerName(content);
    if (type === extensionTypes.protocols) protocols = readProtocols(content);
  }
  return { serverName, protocols };
}

function readServerName(content: Cursor): string {
  const list = content.vector(2);
  if (list.number(1) !== 0) throw new RangeError("a name that is no host's");
  const name = list.vector(2).text().toLowerCase();
  // RFC 6066 section 3: one name of each type, of which there is one.
  if (!list.isAtEnd || !content.isAtEnd || name === "") throw new RangeError("not one name");
  return name.replace(/\.$/, "");
}

function readProtocols(content: Cursor): string[] {
  const list = content.vector(2);
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.vector(1).text());
  return protocols;
}

/** Reads numbers and vectors; throws RangeError beyond the end. */
class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new RangeError("it is too short");
    this.#at += length;
  }

  number(length: 1 | 2): number {
    const at = this.#at;
    this.skip(length);
    const [first = 0, second = 0] = this.#bytes.subarray(at, at + length);
    return length === 1 ? first : first << 8 | second;
  }

  /** A vector whose length has so many bytes. */
  vector(lengthLength: 1 | 2): Cursor {
    const length = this.number(lengthLength);
    const at = this.#at;
    this.skip(length);
    return new Cursor(this.#bytes.subarray(at, at + length));
  }

  /** Printable ASCII. */
  text(): string {
    const text = String.fromCharCode(...this.#bytes);
    if (!/^[!-~]*$/.test(text)) throw new RangeError("it is not printable");
    return text;
  }
}
