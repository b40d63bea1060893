/**
 * HTTP/1 messages, parsed by llhttp (the parser of node, as WebAssembly, from undici), which is
 * strict as long as nobody asks it to be lenient. What follows from a message is this module's
 * user's business: it hears of a head, of pieces of the body, and of the end.
 *
 * @module
 */
import wasm from "undici/lib/llhttp/llhttp_simd-wasm.js";

/** One header field as it was written, its value without surrounding blanks. Latin-1. */
export interface HttpField {
  readonly name: string;
  readonly value: string;
}

/** What precedes a body. */
export interface HttpHead {
  /** Of a request. */
  readonly method: string;
  /** Of a request: its target as it was written. */
  readonly target: string;
  /** Of a response. */
  readonly status: number;
  readonly major: number;
  readonly minor: number;
  readonly fields: readonly HttpField[];
  /** Whether another protocol is asked for, or was agreed on. */
  readonly isUpgrade: boolean;
  /** Whether another message may follow. */
  readonly isKeptAlive: boolean;
}

/** What is told of one message after the other. */
export interface HttpParserHandler {
  /** False where no body follows, whatever the head says: in an answer to HEAD. */
  handleHead(head: HttpHead): boolean;
  /** A piece of the body, lent until this returns. */
  handleBody(bytes: Uint8Array): void;
  /** The message is over. The parser stops behind it. */
  handleEnd(trailers: readonly HttpField[]): void;
}

/** How far it came. */
export interface Parsed {
  /** Bytes taken. */
  readonly length: number;
  /** More of the message is to come; it is over; what follows is another protocol; or what is wrong. */
  readonly state: "more" | "ended" | "upgraded" | Defect;
}

/** What is wrong with a message: with how it is written, how long its head is, or HTTP/2's preface. */
export interface Defect {
  readonly type: "malformed" | "too-large" | "http2";
  readonly defect: string;
}

type MessageType = "request" | "response";

/** Names and values together of one head, in KB, and how many fields there may be. */
export const headLimits = {
  request: { kilobytes: 16, fieldCount: 128 },
  response: { kilobytes: 64, fieldCount: 512 },
} as const;
/** So much of a message's first line is kept, in characters. */
const maxLineLength = 16_384;
/** Copied into the parser's memory at once, in bytes. */
const pieceLength = 65_536;

const types = { request: 1, response: 2 } as const;
const codes = { ok: 0, paused: 21, pausedUpgrade: 22, pausedHttp2: 23, user: 24 } as const;
/** What `wasm_on_headers_complete` answers where no body follows. */
const noBody = 1;

type Call = (...args: number[]) => number;
type Name =
  | "llhttp_alloc"
  | "llhttp_free"
  | "malloc"
  | "llhttp_execute"
  | "llhttp_resume"
  | "llhttp_resume_after_upgrade"
  | "llhttp_get_error_pos"
  | "llhttp_get_error_reason"
  | "llhttp_get_http_major"
  | "llhttp_get_http_minor"
  | "llhttp_get_method"
  | "llhttp_method_name"
  | "llhttp_get_status_code"
  | "llhttp_message_needs_eof";

interface Library {
  readonly call: Readonly<Record<Name, Call>>;
  readonly memory: WebAssembly.Memory;
  /** Where pieces are copied to. */
  readonly piece: number;
}

let loaded: Library | undefined;
/** By their addresses: the callbacks are of all. */
const parsers = new Map<number, HttpParser>();

/** Parses the messages of one direction of one connection. */
export class HttpParser {
  readonly #library: Library;
  readonly #handler: HttpParserHandler;
  readonly #address: number;
  readonly #type: MessageType;
  #line = "";
  #isLineRead = false;
  #target = "";
  #fields: { name: string; value: string }[] = [];
  #isWithinName = false;
  #headLength = 0;
  #isHeadRead = false;
  #defect: Defect | undefined;
  /** What a handler threw. */
  #failure: { readonly error: unknown } | undefined;

  constructor(type: MessageType, handler: HttpParserHandler) {
    this.#library = loaded ??= load();
    this.#handler = handler;
    this.#type = type;
    this.#address = this.#library.call.llhttp_alloc(types[type]);
    parsers.set(this.#address, this);
  }

  /** Whether a message has begun and is not over. */
  get isWithinMessage(): boolean {
    return this.#headLength > 0;
  }

  /** Whether it is its head that has begun and is not over. */
  get isWithinHead(): boolean {
    return this.isWithinMessage && !this.#isHeadRead;
  }

  /** The first line of the message that is being read, as it was written and as far as it came. */
  get firstLine(): string {
    return this.#line;
  }

  /** The fields of its head, as far as they came, or of its trailers. */
  get fields(): readonly HttpField[] {
    return this.#fields;
  }

  /** Takes bytes until the message is over, and no further. Throws what a handler throws. */
  parse(bytes: Uint8Array): Parsed {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + pieceLength);
      const { length, state } = this.#execute(piece);
      at += length;
      if (state !== "more") return { length: at, state };
    }
    return { length: bytes.length, state: "more" };
  }

  /** What was to be another protocol is not: HTTP goes on. */
  resumeAfterUpgrade(): void {
    this.#library.call.llhttp_resume_after_upgrade(this.#address);
  }

  /** Frees it. */
  destroy(): void {
    if (parsers.delete(this.#address)) this.#library.call.llhttp_free(this.#address);
  }

  #execute(piece: Uint8Array): Parsed {
    const { call, memory, piece: at } = this.#library;
    this.#keepLine(piece);
    new Uint8Array(memory.buffer, at, piece.length).set(piece);
    const code = call.llhttp_execute(this.#address, at, piece.length);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (code === codes.ok) return { length: piece.length, state: "more" };
    const length = call.llhttp_get_error_pos(this.#address) - at;
    if (code === codes.paused) {
      call.llhttp_resume(this.#address);
      return { length, state: "ended" };
    }
    if (code === codes.pausedUpgrade) return { length, state: "upgraded" };
    const defect = textAt(memory, call.llhttp_get_error_reason(this.#address));
    const type = code === codes.pausedHttp2 ? "http2" : "malformed";
    return { length, state: this.#defect ?? { type, defect } };
  }

  /** Of a message's begin: empty lines before it are none of its own. */
  #keepLine(piece: Uint8Array): void {
    if (this.#isLineRead) return;
    const start = this.#line === "" ? piece.findIndex((byte) => byte !== 13 && byte !== 10) : 0;
    if (start < 0) return;
    const end = piece.indexOf(10, start);
    this.#isLineRead = end >= 0;
    const rest = latin1(piece.subarray(start, this.#isLineRead ? end : piece.length));
    this.#line = (this.#line + rest).slice(0, maxLineLength).replace(/\r$/, "");
  }

  /** 0 to go on. */
  onTarget(at: number, length: number): number {
    this.#target += this.#read(at, length);
    return this.#count(length);
  }

  onName(at: number, length: number): number {
    if (!this.#isWithinName) this.#fields.push({ name: "", value: "" });
    this.#isWithinName = true;
    const field = this.#fields.at(-1);
    if (field !== undefined) field.name += this.#read(at, length);
    const { fieldCount } = headLimits[this.#type];
    if (this.#fields.length <= fieldCount) return this.#count(length);
    return this.#refuse({ type: "too-large", defect: `more than ${fieldCount} header fields` });
  }

  onValue(at: number, length: number): number {
    this.#isWithinName = false;
    const field = this.#fields.at(-1);
    if (field !== undefined) field.value += this.#read(at, length);
    return this.#count(length);
  }

  onHead(isUpgrade: boolean, isKeptAlive: boolean): number {
    // The parser knows RTSP and ICE, too.
    const protocol = this.#type === "request" ? this.#line.split(" ").at(-1) : this.#line;
    if (protocol?.startsWith("HTTP/1.") !== true) {
      return this.#refuse({ type: "malformed", defect: "it is another protocol" });
    }
    const { call, memory } = this.#library;
    const method = call.llhttp_get_method(this.#address);
    const head: HttpHead = {
      method: textAt(memory, call.llhttp_method_name(method)),
      target: this.#target,
      status: call.llhttp_get_status_code(this.#address),
      major: call.llhttp_get_http_major(this.#address),
      minor: call.llhttp_get_http_minor(this.#address),
      fields: this.#takeFields(),
      isUpgrade,
      isKeptAlive,
    };
    this.#isHeadRead = true;
    return this.#handle(() => this.#handler.handleHead(head) ? 0 : noBody);
  }

  onBody(at: number, length: number): number {
    return this.#handle(() => {
      this.#handler.handleBody(new Uint8Array(this.#library.memory.buffer, at, length));
      return 0;
    });
  }

  onEnd(): number {
    const trailers = this.#isHeadRead ? this.#takeFields() : [];
    this.#target = "";
    this.#line = "";
    this.#isLineRead = false;
    this.#headLength = 0;
    this.#isHeadRead = false;
    return this.#handle(() => {
      this.#handler.handleEnd(trailers);
      return codes.paused;
    });
  }

  onBegin(): number {
    this.#headLength = 1;
    return 0;
  }

  /** What is thrown through WebAssembly leaves its stack as it was: all parsers would pay for it. */
  #handle(work: () => number): number {
    try {
      return work();
    } catch (error) {
      this.#failure = { error };
      return codes.user;
    }
  }

  #takeFields(): HttpField[] {
    const fields = this.#fields;
    this.#fields = [];
    this.#isWithinName = false;
    return fields.map(({ name, value }) => ({ name, value: trimmed(value) }));
  }

  #count(length: number): number {
    this.#headLength += length;
    const { kilobytes } = headLimits[this.#type];
    if (this.#headLength <= kilobytes * 1_024) return 0;
    return this.#refuse({ type: "too-large", defect: `a head of more than ${kilobytes} KB` });
  }

  #refuse(defect: Defect): number {
    this.#defect = defect;
    return codes.user;
  }

  #read(at: number, length: number): string {
    return latin1(new Uint8Array(this.#library.memory.buffer, at, length));
  }
}

/** Bytes as text, each a character: what HTTP's heads are made of. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Without the blanks of HTTP around it, and those only: bytes above 127 may be parts of letters. */
export function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

/** The way back. */
export function fromLatin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function load(): Library {
  const of = (address: number) => parsers.get(address);
  const refused = codes.user;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(wasm)), {
    env: {
      wasm_on_message_begin: (address: number) => of(address)?.onBegin() ?? refused,
      wasm_on_url: (address: number, at: number, length: number) =>
        of(address)?.onTarget(at, length) ?? refused,
      wasm_on_status: () => 0,
      wasm_on_header_field: (address: number, at: number, length: number) =>
        of(address)?.onName(at, length) ?? refused,
      wasm_on_header_value: (address: number, at: number, length: number) =>
        of(address)?.onValue(at, length) ?? refused,
      wasm_on_headers_complete: (
        address: number,
        _status: number,
        isUpgrade: number,
        isKeptAlive: number,
      ) => of(address)?.onHead(isUpgrade === 1, isKeptAlive === 1) ?? refused,
      wasm_on_body: (address: number, at: number, length: number) =>
        of(address)?.onBody(at, length) ?? refused,
      wasm_on_message_complete: (address: number) => of(address)?.onEnd() ?? refused,
    },
  });
  const call = instance.exports as unknown as Record<Name, Call>;
  const { memory } = instance.exports as unknown as { readonly memory: WebAssembly.Memory };
  return { call, memory, piece: call.malloc(pieceLength) };
}

function textAt(memory: WebAssembly.Memory, address: number): string {
  if (address === 0) return "it is not HTTP/1.1";
  const bytes = new Uint8Array(memory.buffer, address);
  return latin1(bytes.subarray(0, bytes.indexOf(0)));
}
