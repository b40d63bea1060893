/** The audit log: a file to which each record is appended as one line of JSON. */
import { getLogger } from "@logtape/logtape";
import { dirname } from "node:path";
import type { AuditRecord } from "../access/policy/audit_record.ts";
import { BadInput } from "../bad_input.ts";
import { lookAt } from "../control/control_socket.ts";
import { messageOf } from "../message_of.ts";

const log = getLogger(["aetherport", "cli"]);

/** One file. Only its owner can read it. */
export class AuditLog {
  readonly #path: string;
  #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();
  #isFailing = false;

  /** Throws {@link BadInput} where it cannot be written. */
  constructor(path: string) {
    this.#path = path;
    this.#file = open(path);
  }

  /** Appends a record; that it failed is logged, once until it succeeds again. */
  write(record: AuditRecord): void {
    try {
      let rest = this.#encoder.encode(`${JSON.stringify(record)}\n`);
      while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) {
        log.error("cannot write {path}: {problem}", {
          ...{ event: "audit-failed", path: this.#path, problem: messageOf(error) },
        });
      }
      this.#isFailing = true;
    }
  }

  /**
   * Goes on in the file that is at the path now: the old one was moved away. Where there can be none,
   * that is logged, and it goes on in the old one.
   */
  reopen(): void {
    try {
      const file = open(this.#path);
      this.#file.close();
      this.#file = file;
    } catch (error) {
      log.error("{problem}; it goes on in the file that was there", {
        ...{ event: "audit-failed", path: this.#path, problem: messageOf(error) },
      });
    }
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * Throws {@link BadInput} where an audit log could not be written there. It makes none: that would be
 * whoever checks its owner.
 */
export function checkAuditLog(path: string): void {
  try {
    const isThere = lookAt(path) !== undefined;
    if (isThere) Deno.openSync(path, { append: true }).close();
    else Deno.removeSync(Deno.makeTempFileSync({ dir: dirname(path), prefix: ".aetherport-" }));
  } catch (error) {
    throw unwritable(path, error);
  }
}

function open(path: string): Deno.FsFile {
  try {
    const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    // One that was there already may have been for others to read.
    if (Deno.build.os !== "windows" && file.statSync().isFile) Deno.chmodSync(path, 0o600);
    return file;
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): BadInput {
  return new BadInput(`--audit-log ${path} cannot be written: ${messageOf(error)}`);
}
