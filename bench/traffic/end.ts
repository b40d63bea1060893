/**
 * One end of the traffic, as a process of its own: it takes a JSON array a line, what to do and with
 * what, and answers each with one line.
 */
import {
  converse,
  download,
  firstByteAt,
  openAndKeep,
  openByClock,
  openEach,
  upload,
} from "./client.ts";
import { serve } from "./service.ts";

/** What an end can do. */
export const commands = {
  serve,
  download,
  upload,
  converse,
  openEach,
  openAndKeep,
  openByClock,
  firstByteAt,
} as const;

async function obey(line: string): Promise<unknown> {
  const [name, argument] = JSON.parse(line) as [keyof typeof commands, never];
  try {
    return { result: await commands[name](argument) };
  } catch (error) {
    return { error: `${name}: ${error}` };
  }
}

async function main(): Promise<void> {
  let rest = "";
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) console.log(JSON.stringify(await obey(line)));
  }
  Deno.exit(0);
}

if (import.meta.main) await main();
