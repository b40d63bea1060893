/** Rules that are replaced while a node runs: each request is judged by one set or the other. */
import type { Access, Admission, Admitting, Opening, RefusedRequest, Verdict } from "./access.ts";

/** Holds the rules in force. */
export class ReplaceableAccess implements Access {
  #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  /** From the next request on; what was allowed before goes on. */
  replace(access: Access): void {
    this.#access = access;
  }

  judge(opening: Opening): Verdict {
    return this.#access.judge(opening);
  }

  judgeUnresolved(opening: Omit<Opening, "address">): Verdict {
    return this.#access.judgeUnresolved(opening);
  }

  admit(admitting: Admitting): Admission {
    return this.#access.admit(admitting);
  }

  handleRefused(refused: RefusedRequest): void {
    this.#access.handleRefused(refused);
  }
}
