/** The commands that a node offers to others by name: `--allow-exec name=command`. */
import { parseExecName } from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import { SpecError } from "../socket/endpoint.ts";

/** One command. */
export interface ExecCommand {
  readonly name: string;
  /** The program, and its arguments. */
  readonly argv: readonly [string, ...string[]];
}

/** What a backslash takes its meaning from within double quotes, as POSIX's shell has it. */
const escapedInQuotes = new Set(['"', "\\", "$", "`"]);

/** Reads one `--allow-exec` value. Throws {@link BadInput} with the column and an example. */
export function parseExecCommand(spec: string): ExecCommand {
  try {
    const equals = spec.indexOf("=");
    if (equals < 0) throw new SpecError(spec.length + 1, "a command is missing (name=command)");
    const name = parseExecName(spec.slice(0, equals), 1);
    if (/^\d+$/.test(name)) {
      throw new SpecError(1, `"exec:${name}" reads as a port: a name has more than digits`);
    }
    const [program, ...args] = splitWords(spec, equals + 1);
    if (program === undefined || program === "") {
      throw new SpecError(equals + 2, "the command is empty");
    }
    return { name, argv: [program, ...args] };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--allow-exec ${JSON.stringify(spec)}, column ${error.column}: ${error.message}. ` +
        "Example: --allow-exec 'backup=tar -cf - /srv/data'",
    );
  }
}

/**
 * The words from a place on, as a shell splits them: at blanks, but for those that are quoted or
 * follow a backslash. Nothing is expanded. Throws {@link SpecError}.
 */
function splitWords(text: string, start: number): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === "\0") throw new SpecError(at + 1, "a command has no zero bytes");
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'" || character === '"') {
      const quoted = readQuoted(text, at);
      word = (word ?? "") + quoted.text;
      at = quoted.end;
    } else if (character === "\\") {
      if (++at === text.length) throw new SpecError(at, "a backslash with nothing after it");
      word = (word ?? "") + text.charAt(at);
    } else word = (word ?? "") + character;
  }
  return word === undefined ? words : [...words, word];
}

/** What is quoted from a quote on, and where the other quote is. */
function readQuoted(text: string, start: number): { readonly text: string; readonly end: number } {
  const quote = text.charAt(start);
  let quoted = "";
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === quote) return { text: quoted, end: at };
    const isEscape = quote === '"' && character === "\\" &&
      escapedInQuotes.has(text.charAt(at + 1));
    if (isEscape) at++;
    quoted += text.charAt(at);
  }
  throw new SpecError(start + 1, `a ${quote} without its other one`);
}
