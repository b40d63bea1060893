/** Which running nodes a command is about. */
import { Option } from "commander";
import { resolve } from "node:path";
import { parsePath } from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import { controlDirectory } from "../control/control_socket.ts";
import { SpecError } from "../socket/endpoint.ts";

/** A socket at this path, or none. */
export type ControlSocketOption = { readonly path: string } | "none";

/** What commander makes of {@link controlFlags}. */
export interface ControlOptions {
  readonly pid?: number;
  readonly controlSocket?: ControlSocketOption;
}

/** New ones for each command: it adds their variables to them. */
export function controlFlags(): Option[] {
  return [
    new Option("--pid <pid>", "the node with this process id").argParser(parsePid),
    new Option("--control-socket <path>", "the node that was started with this --control-socket")
      .argParser(parseControlSocket).conflicts("pid"),
  ];
}

/** Reads `--control-socket`. Throws {@link BadInput}. */
export function parseControlSocket(text: string): ControlSocketOption {
  if (text === "none") return "none";
  try {
    return { path: parsePath(resolve(text), 1) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(`--control-socket ${JSON.stringify(text)}: ${error.message}`);
  }
}

/** Where this user's nodes listen unless they are told otherwise. */
export function ownControlDirectory(): string {
  return controlDirectory(Deno.env.get("XDG_RUNTIME_DIR"));
}

function parsePid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new BadInput(`--pid ${JSON.stringify(text)} is not a process id`);
}
