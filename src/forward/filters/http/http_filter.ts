/**
 * HTTP/1.1 under a rule: every request on a connection is parsed, judged and written anew for the
 * target, one after the other, so that what was judged is what arrives. Answers pass as they are,
 * each head once it is whole; they are parsed to know where each ends. After an upgrade to WebSocket
 * all bytes pass.
 */
import { ReadBuffer } from "../../read_buffer.ts";
import type { Connection } from "../../../socket/connection.ts";
import { type Filter, type FilterContext, FilterError } from "../filter.ts";
import {
  type HttpRequest,
  readRequest,
  RequestError,
  usableTrailers,
  valuesOf,
} from "./http_request.ts";
import type { HttpRule } from "../../../access/content_rule.ts";
import { HttpJudge } from "./http_rule.ts";
import {
  type Defect,
  fromLatin1,
  headLimits,
  type HttpField,
  type HttpHead,
  HttpParser,
} from "./llhttp.ts";
import { writeAnswer, writeHttp2Refusal, writeRequestHead, writeTrailers } from "./write_head.ts";

/** A head takes so long at most, in ms. */
const headTimeout = 30_000;
/** So much of a refused body is read to keep the connection, in bytes. */
const maxRefusedBody = 1_048_576;
/** A client that was told that its connection is over has so long to end it, in ms. */
const lingerTimeout = 2_000;
/** So much is held of an answer's head, in bytes. */
const maxHeldLength = headLimits.response.kilobytes * 1_024;
const lineEnd = fromLatin1("\r\n");

/** Where the exchange stands. */
type Phase =
  /** A request is being read, or none has begun. */
  | "request"
  /** It is all there, and its answer is not. */
  | "answer"
  /** Bytes pass as they are. */
  | "upgraded"
  /** Nothing passes any more. */
  | "closing";

/** Puts a rule before a target that speaks HTTP. */
export function httpFilter(rule: HttpRule): Filter {
  const judge = new HttpJudge(rule);
  return (connection, context) => new HttpConnection(connection, judge, context);
}

/** The target, as the other node sees it through the rule. */
class HttpConnection implements Connection {
  readonly remote: string;
  readonly #target: Connection;
  readonly #judge: HttpJudge;
  readonly #context: FilterContext;
  readonly #requests: HttpParser;
  readonly #answers: HttpParser;
  readonly #buffer: ReadBuffer;
  /** For whom the other node says that it asks. */
  #client: string | undefined;
  #phase: Phase = "request";
  /** The one under way; undefined between two. */
  #request: HttpRequest | undefined;
  /** Why it was refused, which was told: its body is read and dropped. */
  #refusal: { readonly status: number; readonly reason: string } | undefined;
  #bodyLength = 0;
  #isAnswered = false;
  /** Of the answer that is being read; 0 before its head. */
  #status = 0;
  #hasAgreedToUpgrade = false;
  /** For the target, of the bytes that are being parsed. */
  #forTarget: Uint8Array<ArrayBuffer>[] = [];
  /** For the client: of the target within the buffer that was read to, or from this node. */
  readonly #forClient: Uint8Array[] = [];
  /** Of a head of the target's, which is not whole. */
  #held: Uint8Array[] = [];
  /** Where the target is read to. */
  #reads: Uint8Array = new Uint8Array(0);
  /** So many bytes were, and have not all been handed on. */
  #readCount = 0;
  #isFreed = false;
  /** A read of the target is under way. */
  #isReading = false;
  /** What it came to; undefined once it was dealt with. */
  #outcome: { readonly count: number | null } | { readonly error: unknown } | undefined;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};
  #headTimer: ReturnType<typeof setTimeout> | undefined;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(target: Connection, judge: HttpJudge, context: FilterContext) {
    this.remote = target.remote;
    this.#target = target;
    this.#judge = judge;
    this.#context = context;
    this.#buffer = new ReadBuffer(context.pool);
    this.#requests = new HttpParser("request", {
      handleHead: (head) => this.#handleRequest(head),
      handleBody: (bytes) => this.#handleBody(bytes),
      handleEnd: (trailers) => this.#handleRequestEnd(trailers),
    });
    this.#answers = new HttpParser("response", {
      handleHead: (head) => this.#handleAnswer(head),
      handleBody: () => {},
      handleEnd: () => {},
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#client = await this.#context.client;
    for (let at = 0; at < bytes.length;) {
      while (this.#isBusy) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
      }
      if (this.#phase === "closing") return;
      if (this.#phase === "upgraded") return await this.#target.write(bytes.subarray(at));
      this.#watchHead();
      at += this.#parse(bytes.subarray(at));
      await this.#flush();
    }
  }

  /** The next request is not looked at before the client has all that came of the one before. */
  get #isBusy(): boolean {
    if (this.#phase === "answer") return true;
    return this.#phase === "request" && this.#request === undefined && this.#forClient.length > 0;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (true) {
      if (this.#forClient.length > 0) return this.#handOver(buffer);
      if (this.#phase === "closing") return null;
      const outcome = this.#outcome;
      if (outcome !== undefined) {
        this.#outcome = undefined;
        if ("error" in outcome) throw outcome.error;
        if (outcome.count === null) {
          if (this.#phase === "upgraded") return null;
          this.#handleTargetEnd();
          continue;
        }
        this.#readCount = outcome.count;
        this.#handleAnswerBytes(this.#reads.subarray(0, outcome.count));
        this.#releaseRead();
        continue;
      }
      if (this.#phase === "upgraded" && !this.#isReading) return await this.#target.read(buffer);
      this.#startReading();
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Own answers may be handed over while it is under way. */
  #startReading(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#reads = this.#buffer.next(Infinity);
    const finish = (outcome: { readonly count: number | null } | { readonly error: unknown }) => {
      this.#isReading = false;
      this.#outcome = outcome;
      if (this.#isFreed) this.#buffer.shrink();
      this.#wakeReader();
    };
    this.#target.read(this.#reads).then((count) => finish({ count }), (error) => finish({ error }));
  }

  endWrite(): Promise<void> {
    if (this.#phase === "upgraded") return this.#target.endWrite();
    // It is closed soon, or was reset.
    if (this.#phase === "closing") return Promise.resolve();
    if (this.#requests.isWithinMessage && this.#phase === "request") {
      return Promise.reject(new FilterError("the client ended its side within a request"));
    }
    return this.#target.endWrite();
  }

  probe(): Promise<void> {
    return this.#phase === "closing" ? Promise.resolve() : this.#target.probe();
  }

  reset(): void {
    this.#target.reset();
    this.#free();
  }

  close(): void {
    this.#target.close();
    this.#free();
  }

  /** Takes bytes of the client up to the end of a request; how many. */
  #parse(bytes: Uint8Array): number {
    const { length, state } = this.#requests.parse(bytes);
    if (typeof state === "object") this.#handleDefect(state);
    // What follows a request for another protocol is of that: it waits for the answer.
    if (state === "upgraded") this.#requests.resumeAfterUpgrade();
    return length;
  }

  #handleDefect({ type, defect }: Defect): void {
    const reason = type === "malformed" ? `no valid HTTP/1.1: ${defect}` : defect;
    this.#requireUnanswered(reason);
    if (type === "http2") {
      const refused = "HTTP/2 does not pass here, HTTP/1.1 does";
      return this.#sayAndClose(writeHttp2Refusal(this.#withRule(refused)), refused);
    }
    const ours = { status: type === "too-large" ? 431 : 400, reason };
    const problem = this.#refusal ?? ours;
    this.#answerAndClose(problem.status, problem.reason);
  }

  /** Throws where the target's answer has begun: one of this node's would be taken for a part of it. */
  #requireUnanswered(reason: string): void {
    if (this.#isFinal) throw new FilterError(this.#withRule(reason));
  }

  /** Whether the answer that is being read, or was last, is the last of the request under way. */
  get #isFinal(): boolean {
    return this.#status >= 200;
  }

  async #flush(): Promise<void> {
    const pieces = this.#forTarget;
    this.#forTarget = [];
    const [only] = pieces;
    if (only === undefined) return;
    try {
      await this.#target.write(pieces.length === 1 ? only : joined(pieces));
    } catch (error) {
      // It was reset from here, and the client has its answer.
      if (this.#phase !== "closing") throw error;
    }
  }

  /** A client that drips a head is not waited for without end. */
  #watchHead(): void {
    if (this.#request !== undefined || this.#headTimer !== undefined) return;
    this.#headTimer = setTimeout(
      () => this.#answerAndClose(408, "the request's head took more than 30 s"),
      headTimeout,
    );
  }

  #handleRequest(head: HttpHead): boolean {
    clearTimeout(this.#headTimer);
    this.#headTimer = undefined;
    this.#bodyLength = 0;
    this.#isAnswered = false;
    this.#hasAgreedToUpgrade = false;
    try {
      const request = this.#request = readRequest(head);
      const refusal = this.#judge.refusalOf(request);
      this.#context.onJudged(summaryOf(request), refusal);
      if (refusal === undefined) {
        const { peer: { identity } } = this.#context;
        const who = { identity, client: this.#client };
        this.#forTarget.push(writeRequestHead(request, this.#judge.rule, who));
      } else {
        const status = refusal.startsWith("a body may") ? 413 : 403;
        this.#refusal = { status, reason: refusal };
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#answerAndClose(error.status, error.message, head);
    }
    // A client that waits to be told to send its body sends none, or does: nobody can tell.
    if (this.#refusal !== undefined && this.#request?.expectsContinue) {
      this.#answerAndClose(this.#refusal.status, this.#refusal.reason);
    }
    return true;
  }

  #handleBody(bytes: Uint8Array): void {
    const request = this.#request;
    if (request === undefined || this.#phase === "closing") return;
    this.#bodyLength += bytes.length;
    if (this.#refusal !== undefined) {
      if (this.#bodyLength <= maxRefusedBody) return;
      return this.#answerAndClose(this.#refusal.status, this.#refusal.reason);
    }
    const { maxBodyLength = Infinity } = this.#judge.rule;
    if (this.#bodyLength > maxBodyLength) {
      const reason = `a body may have ${maxBodyLength} bytes at most`;
      this.#requireUnanswered(reason);
      return this.#answerAndClose(413, reason);
    }
    if (request.body.type === "chunked") {
      this.#forTarget.push(fromLatin1(`${bytes.length.toString(16)}\r\n`));
    }
    this.#forTarget.push(Uint8Array.from(bytes));
    if (request.body.type === "chunked") this.#forTarget.push(lineEnd);
  }

  #handleRequestEnd(trailers: readonly HttpField[]): void {
    const request = this.#request;
    if (request === undefined || this.#phase === "closing") return;
    if (this.#refusal !== undefined) {
      const { status, reason } = this.#refusal;
      this.#refusal = undefined;
      this.#request = undefined;
      return this.#answer(status, reason, request);
    }
    if (request.body.type === "chunked") {
      this.#forTarget.push(writeTrailers(usableTrailers(trailers, this.#judge.rule)));
    }
    this.#phase = "answer";
    // A target may answer before it has heard it all.
    if (this.#isAnswered) this.#endExchange();
  }

  #handleAnswer({ status, isUpgrade }: HttpHead): boolean {
    this.#status = status;
    this.#hasAgreedToUpgrade = status === 101 && isUpgrade && this.#request?.isWebSocket === true;
    return this.#request?.method !== "HEAD";
  }

  /** Finds the ends of answers within bytes of the target, which pass to the client. */
  #handleAnswerBytes(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#phase === "upgraded") return void this.#forClient.push(rest);
      if (this.#request === undefined || this.#isAnswered) {
        throw new FilterError("the target answers what nobody has asked");
      }
      const { length, state } = this.#answers.parse(rest);
      if (typeof state === "object") {
        const { type, defect } = state;
        return this.#refuseAnswer(
          type === "malformed" ? `what is no valid HTTP/1.1: ${defect}` : defect,
        );
      }
      if (this.#status === 101 && !this.#hasAgreedToUpgrade) {
        return this.#refuseAnswer("a change to a protocol that nobody has asked for");
      }
      if (this.#answers.isWithinHead) return this.#hold(rest);
      this.#forClient.push(...this.#held, rest.subarray(0, length));
      this.#held = [];
      rest = rest.subarray(length);
      if (this.#hasAgreedToUpgrade) this.#upgrade();
      else if (state === "ended" && this.#isFinal) this.#finishAnswer();
    }
  }

  /** A client that has a part of a head can be told nothing else. */
  #hold(bytes: Uint8Array): void {
    this.#held.push(Uint8Array.from(bytes));
    const length = this.#held.reduce((sum, piece) => sum + piece.length, 0);
    if (length <= maxHeldLength) return;
    this.#refuseAnswer(`a head of more than ${headLimits.response.kilobytes} KB`);
  }

  #refuseAnswer(problem: string): void {
    const reason = `the target answers with ${problem}`;
    this.#requireUnanswered(reason);
    this.#answerAndClose(502, reason);
  }

  #finishAnswer(): void {
    this.#isAnswered = true;
    if (this.#phase === "answer") this.#endExchange();
  }

  #endExchange(): void {
    this.#phase = this.#request?.isKeptAlive === true ? "request" : "closing";
    this.#request = undefined;
    this.#status = 0;
    this.#wakeWriter();
    this.#wakeReader();
  }

  #upgrade(): void {
    this.#phase = "upgraded";
    this.#wakeWriter();
  }

  #handleTargetEnd(): void {
    if (this.#held.length > 0) return this.#refuseAnswer("a part of a head");
    this.#phase = "closing";
    this.#wakeWriter();
  }

  #handOver(buffer: Uint8Array): number {
    let count = 0;
    for (let next = this.#forClient[0]; next !== undefined; next = this.#forClient[0]) {
      const piece = next.subarray(0, buffer.length - count);
      buffer.set(piece, count);
      count += piece.length;
      if (piece.length < next.length) {
        this.#forClient[0] = next.subarray(piece.length);
        break;
      }
      this.#forClient.shift();
    }
    this.#releaseRead();
    if (!this.#isBusy) this.#wakeWriter();
    return count;
  }

  /** Where nothing of the buffer is needed any more. */
  #releaseRead(): void {
    if (this.#readCount === 0 || this.#forClient.length > 0) return;
    this.#buffer.handleRead(this.#readCount);
    this.#readCount = 0;
  }

  /** The connection goes on. */
  #answer(status: number, reason: string, request: HttpRequest): void {
    this.#forClient.push(writeAnswer({
      ...{ status, reason: this.#withRule(reason), isKeptAlive: request.isKeptAlive },
      isJson: wantsJson(request),
      isWithoutBody: request.method === "HEAD",
    }));
    if (!request.isKeptAlive) this.#phase = "closing";
    this.#wakeReader();
  }

  /** In the way that was asked for, as far as that is known. */
  #answerAndClose(
    status: number,
    reason: string,
    asked: Pick<HttpHead, "method" | "fields"> = this.#request ?? this.#begun,
  ): void {
    const answer = writeAnswer({
      ...{ status, reason: this.#withRule(reason), isKeptAlive: false },
      isJson: wantsJson(asked),
      isWithoutBody: asked.method === "HEAD",
    });
    this.#sayAndClose(answer, reason);
  }

  /** What is known of a request whose head is not whole. */
  get #begun(): Pick<HttpHead, "method" | "fields"> {
    const { firstLine, fields } = this.#requests;
    const [method = ""] = firstLine.split(" ");
    return { method, fields };
  }

  /** Nothing is read or handed on after this. Of the request under way the target has heard enough. */
  #sayAndClose(words: Uint8Array, reason: string): void {
    if (this.#phase === "closing") return;
    this.#phase = "closing";
    clearTimeout(this.#headTimer);
    this.#forTarget = [];
    this.#forClient.push(words);
    if (this.#refusal === undefined) {
      this.#context.onJudged(this.#summary, reason);
      // It must not take a part of a request for the whole.
      if (this.#request !== undefined) this.#target.reset();
    }
    this.#lingerTimer = setTimeout(() => this.#context.breakOff(reason), lingerTimeout);
    this.#wakeWriter();
    this.#wakeReader();
  }

  /** For the audit, also of what is no request yet. */
  get #summary(): string {
    return this.#request === undefined
      ? summaryOfLine(this.#requests.firstLine)
      : summaryOf(this.#request);
  }

  /** As a client is told it, who may ask about the rule. */
  #withRule(reason: string): string {
    return `${reason} (rule ${this.#context.ruleName})`;
  }

  #free(): void {
    clearTimeout(this.#headTimer);
    clearTimeout(this.#lingerTimer);
    this.#isFreed = true;
    this.#requests.destroy();
    this.#answers.destroy();
    this.#phase = "closing";
    // A read under way still writes there.
    if (!this.#isReading) this.#buffer.shrink();
    this.#wakeWriter();
    this.#wakeReader();
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function wantsJson({ fields }: Pick<HttpHead, "fields">): boolean {
  const accept = valuesOf(fields, "accept").join();
  return /\bapplication\/json\b/.test(accept) && !/\btext\/html\b/.test(accept);
}

/** For the audit: no query, which may hold secrets. */
function summaryOf({ method, host, target }: HttpRequest): string {
  return `${method} ${host}${target.split("?")[0]}`.slice(0, 256);
}

/** Of a line that may be none of HTTP. What names a host may have a password before it. */
function summaryOfLine(line: string): string {
  const [method = "", target = ""] = line.split(" ");
  if (!/^[A-Z_-]{1,32}$/.test(method)) return "no HTTP";
  const [path = ""] = target.split("?");
  const shown = path.startsWith("/") ? path : path.slice(path.lastIndexOf("@") + 1);
  return `${method} ${shown}`.replace(/[^ -~]/g, "?").trim().slice(0, 256);
}
