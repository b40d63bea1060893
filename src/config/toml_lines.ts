/**
 * Where the keys and values of a TOML document stand: the parser tells that of syntax errors only.
 * It is given documents that were parsed, so it need not judge them; of others it may miss the rest.
 */
import { parse } from "smol-toml";

/** Names of tables and keys, and positions in lists. */
export type TomlPath = readonly (string | number)[];

const blanks = /[ \t]*/y;
const blanksAndComments = /(?:[ \t\r\n]|#[^\n]*)*/y;
const bareKey = /[\w-]+/y;
const bareValue = /[^,\]}#\n]+/y;
const quoted =
  /"""(?:\\[^]|(?!""")[^\\])*"""(?:"{0,2})|'''(?:(?!''')[^])*'''(?:'{0,2})|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y;
const restOfLine = /[^\n]*/y;

/** The line of each path of a document. */
export class TomlLines {
  readonly #text: string;
  readonly #offsets = new Map<string, number>();
  /** How many tables an array of tables has so far, by its path. */
  readonly #tableCounts = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#scan();
  }

  /** The line, from 1, where the path stands; else that of what it is in. */
  lineOf(path: TomlPath): number {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsets.get(JSON.stringify(path.slice(0, length)));
      if (offset !== undefined) return this.#text.slice(0, offset).split("\n").length;
    }
    return 1;
  }

  #scan(): void {
    let table: TomlPath = [];
    this.#skip("\ufeff");
    for (this.#take(blanksAndComments); this.#at < this.#text.length;) {
      const begin = this.#at;
      if (this.#text[begin] === "[") table = this.#scanHeader();
      else this.#scanPair(table);
      // What follows a value that is not quoted, or a header.
      this.#take(restOfLine);
      this.#take(blanksAndComments);
      if (this.#at === begin) return;
    }
  }

  #scanHeader(): TomlPath {
    const begin = this.#at;
    this.#skip("[");
    const isArray = this.#skip("[");
    const keys = this.#scanKeys();
    const table = this.#resolve(isArray ? keys.slice(0, -1) : keys);
    this.#noteOuter(table, begin);
    const last = keys.at(-1);
    if (!isArray || last === undefined) return this.#note(table, begin);
    const name = JSON.stringify([...table, last]);
    const count = this.#tableCounts.get(name) ?? 0;
    this.#tableCounts.set(name, count + 1);
    if (count === 0) this.#note([...table, last], begin);
    return this.#note([...table, last, count], begin);
  }

  /** Within an array of tables, what follows belongs to the last of them. */
  #resolve(keys: readonly string[]): TomlPath {
    let path: TomlPath = [];
    for (const key of keys) {
      path = [...path, key];
      const count = this.#tableCounts.get(JSON.stringify(path));
      if (count !== undefined) path = [...path, count - 1];
    }
    return path;
  }

  #scanPair(table: TomlPath): void {
    const begin = this.#at;
    const keys = this.#scanKeys();
    const path = this.#note([...table, ...keys], begin);
    this.#noteOuter(path, begin);
    this.#take(blanks);
    if (this.#skip("=")) this.#scanValue(path);
  }

  #scanKeys(): string[] {
    const keys: string[] = [];
    do {
      this.#take(blanks);
      const bare = this.#take(bareKey);
      const text = bare === "" ? unquote(this.#take(quoted)) : bare;
      if (text === undefined) break;
      keys.push(text);
      this.#take(blanks);
    } while (this.#skip("."));
    return keys;
  }

  #scanValue(path: TomlPath): void {
    this.#take(blanks);
    if (this.#skip("[")) return this.#scanList(path);
    if (this.#skip("{")) return this.#scanInlineTable(path);
    if (this.#take(quoted) === "") this.#take(bareValue);
  }

  #scanList(path: TomlPath): void {
    for (let position = 0;; position++) {
      this.#take(blanksAndComments);
      if (this.#skip("]")) return;
      const begin = this.#at;
      this.#scanValue(this.#note([...path, position], begin));
      this.#take(blanksAndComments);
      this.#skip(",");
      if (this.#at === begin) return;
    }
  }

  #scanInlineTable(path: TomlPath): void {
    while (true) {
      this.#take(blanksAndComments);
      if (this.#skip("}")) return;
      const begin = this.#at;
      this.#scanPair(path);
      this.#take(blanksAndComments);
      this.#skip(",");
      if (this.#at === begin) return;
    }
  }

  /** Tables that a dotted key implies stand where it does first. */
  #noteOuter(path: TomlPath, offset: number): void {
    for (let length = 1; length < path.length; length++) {
      const outer = path.slice(0, length);
      if (!this.#offsets.has(JSON.stringify(outer))) this.#note(outer, offset);
    }
  }

  #note(path: TomlPath, offset: number): TomlPath {
    this.#offsets.set(JSON.stringify(path), offset);
    return path;
  }

  /** What the pattern (sticky) matches here, which may be nothing. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [text] = pattern.exec(this.#text) ?? [""];
    this.#at += text.length;
    return text;
  }

  #skip(character: string): boolean {
    if (!this.#text.startsWith(character, this.#at)) return false;
    this.#at += character.length;
    return true;
  }
}

/** A key without its quotes; undefined where there is none. */
function unquote(text: string): string | undefined {
  if (text === "") return undefined;
  return text.includes("\\") ? Object.keys(parse(`${text} = 0`))[0] : text.slice(1, -1);
}
