/**
 * Removes the checks of src/sctp/ one at a time, in a copy of the tree, and shows that at least one
 * test goes red each time. Prints the table; ends with 1 where a check is not missed.
 *
 *     deno run -A tests/sctp/remove_checks.ts          all of them
 *     deno run -A tests/sctp/remove_checks.ts S1 S6    those of some rows
 *
 * @module
 */
import { type Removal, removeChecks } from "./removal.ts";

/** Fast, and together they know all the checks. */
const TESTS = ["setup", "sack", "heartbeat", "stream_reset"]
  .map((name) => `tests/sctp/${name}_test.ts`);

const REMOVALS: readonly Removal[] = [
  {
    row: "S1",
    file: "association.ts",
    check: "return verificationTag === 0 && isLast;",
    without: "return isLast;",
  },
  {
    row: "S1",
    file: "association.ts",
    check: "return verificationTag === 0 && isLast;",
    without: "return verificationTag === 0;",
  },
  {
    row: "S1",
    file: "association.ts",
    check: "if ((flags & tagReflectedFlag) === 0) return verificationTag === localTag;",
    without: "if ((flags & tagReflectedFlag) === 0) return true;",
  },
  {
    row: "S1",
    file: "association.ts",
    check: "return peer !== undefined && verificationTag === peer.tag;",
    without: "return peer !== undefined;",
  },
  {
    row: "S1",
    file: "association.ts",
    check: "return verificationTag === this.#verifyCookie(bytes)?.localTag;",
    without: "return this.#verifyCookie(bytes) !== undefined;",
  },
  {
    row: "S1",
    file: "association.ts",
    check: "return verificationTag === localTag; // CHECK S1",
    without: "return true;",
  },
  {
    row: "S2",
    file: "state_cookie.ts",
    check:
      "if (tag.length !== expected.length || !timingSafeEqual(tag, expected)) return undefined;",
    without: "",
  },
  {
    row: "S2",
    file: "setup.ts",
    check: "  const { unrecognized } = init;\n",
    without: '  context.state = "cookie-wait";\n  const { unrecognized } = init;\n',
  },
  {
    row: "S2",
    file: "setup.ts",
    check: "if (staleness > 0) {",
    without: "if (false) {",
  },
  {
    row: "S6",
    file: "association.ts",
    check: "if (!isTransferring || !parseSack(bytes, start, end, this.#sack)) return true;",
    without: "parseSack(bytes, start, end, this.#sack);",
  },
  {
    row: "S6",
    file: "packet/sack_chunk.ts",
    check:
      "if (!areGapsAscending(bytes, gapsStart, gapsStart + gapCount * gapLength)) return false;",
    without: "",
  },
  {
    row: "S6",
    file: "tx/transmitter.ts",
    check: 'if (!outstanding.isSent(add32(sack.cumulativeTsnAck, lastGap))) return "false";',
    without: "",
  },
  {
    row: "S6",
    file: "tx/transmitter.ts",
    check: 'if (distance32(outstanding.cumulativeTsn, sack.cumulativeTsnAck) < 0) return "old";',
    without: "",
  },
  {
    row: "S14",
    file: "stream_reset.ts",
    check: "if (distance === -1) return this.#respond(sequenceNumber, this.#lastResult);",
    without: "",
  },
  {
    row: "S17",
    file: "association.ts",
    check: "return hasValidChecksum(bytes, start, end); // CHECK S17",
    without: "return true;",
  },
  {
    row: "S17",
    file: "association.ts",
    check: "this.#context.offered.isZeroChecksumAcceptable && hasZeroChecksum",
    without: "hasZeroChecksum",
  },
  {
    row: "S19",
    file: "heartbeat.ts",
    check:
      "if (nonce === undefined || !nonce.every((byte, n) => byte === info[4 + n])) return undefined;",
    without: "",
  },
];

if (import.meta.main) {
  Deno.exit(
    await removeChecks({ folder: "src/sctp", tests: TESTS, removals: REMOVALS, rows: Deno.args })
      ? 0
      : 1,
  );
}
