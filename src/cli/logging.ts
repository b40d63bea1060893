/** Where log records go: stderr, as text for people or as JSON lines. */
import { configureSync, type LogLevel, type LogRecord } from "@logtape/logtape";

/** How much is logged, and how. */
export interface LoggingOptions {
  readonly level: "quiet" | "normal" | "verbose";
  readonly format: "text" | "json";
}

const lowestLevels: Record<LoggingOptions["level"], LogLevel> = {
  quiet: "warning",
  normal: "info",
  verbose: "debug",
};
const colours: Partial<Record<LogLevel, string>> = { warning: "33", error: "31", fatal: "31" };

/** Sets logging up for the process; once more, it changes what was set up. */
export function configureLogging({ level, format }: LoggingOptions): void {
  const write = format === "json" ? writeJson : writeText;
  const encoder = new TextEncoder();
  configureSync({
    reset: true,
    sinks: { stderr: (record: LogRecord) => writeAll(encoder.encode(write(record))) },
    loggers: [
      { category: "aetherport", sinks: ["stderr"], lowestLevel: lowestLevels[level] },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
}

/** One JSON object a line: time, level, message, and what the message speaks of. */
function writeJson({ timestamp, level, message, properties }: LogRecord): string {
  const values = Object.entries(properties).map(([name, value]) => [
    name,
    value instanceof Error ? value.message : value,
  ]);
  const time = new Date(timestamp).toISOString();
  const fields = { time, level, message: render(message), ...Object.fromEntries(values) };
  return `${JSON.stringify(fields)}\n`;
}

function writeText({ timestamp, level, message }: LogRecord): string {
  const time = new Date(timestamp).toTimeString().slice(0, 8);
  const name = level === "warning" || level === "error" ? `${level}: ` : "";
  const line = `${time} ${name}${render(message)}`;
  const colour = hasColours() ? colours[level] : undefined;
  return colour === undefined ? `${line}\n` : `\x1b[${colour}m${line}\x1b[0m\n`;
}

/** Texts and values alternate in a record's message. */
function render(message: readonly unknown[]): string {
  return message.map((part) => part instanceof Error ? part.stack ?? part.message : part).join("");
}

function hasColours(): boolean {
  return Deno.stderr.isTerminal() && (Deno.env.get("NO_COLOR") ?? "") === "";
}

function writeAll(bytes: Uint8Array): void {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch {
    // Whoever read stderr has gone; the program goes on.
  }
}
