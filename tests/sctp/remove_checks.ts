/**
 * Removes the checks of src/sctp/ one at a time, in a copy of the tree, and shows that at least one
 * test goes red each time. Prints the table; ends with 1 where a check is not missed.
 *
 *     deno run -A tests/sctp/remove_checks.ts          all of them
 *     deno run -A tests/sctp/remove_checks.ts S1 S6    those of some rows
 *
 * @module
 */
import { type RemovalGroup, removeChecks } from "../removal.ts";

/** Whose packets count, and how an association comes about. */
const SETUP: RemovalGroup = {
  tests: ["sctp/setup"],
  removals: [
    {
      row: "S20",
      file: "outbox.ts",
      check: "if (this.#replies.length < maxReplyCount) ",
      without: "",
    },
    {
      row: "S3",
      file: "setup.ts",
      check: "if (!isPeerTagKnown && isTied)",
      without: "if (!isPeerTagKnown)",
    },
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
      row: "S1",
      file: "association.ts",
      check:
        "if (header.sourcePort !== destinationPort || header.destinationPort !== sourcePort) {",
      without: "if (false) {",
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
      row: "S2",
      file: "setup.ts",
      check: "if (!isUsableInit(init)) {",
      without: "if (false) {",
    },
    {
      row: "S3",
      file: "setup.ts",
      check: 'if (context.state !== "cookie-wait") return;',
      without: "",
    },
    {
      row: "S3",
      file: "setup.ts",
      check: 'if (context.state === "cookie-echoed") context.establish(now);',
      without: "context.establish(now);",
    },
    {
      row: "S3",
      file: "setup.ts",
      check: 'if (peer === undefined || context.state === "cookie-echoed") {',
      without: "{",
    },
    {
      row: "S3",
      file: "setup.ts",
      check: "if (!isPeerTagKnown && isTied) ",
      without: "if (isTied) ",
    },
    {
      row: "S4",
      file: "setup.ts",
      check: "if (!isUsableInit(init) || stateCookie === undefined) {",
      without: "if (stateCookie === undefined) {",
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
  ],
};

/** Which answers to data, and to heartbeats, are believed. */
const ACKNOWLEDGEMENTS: RemovalGroup = {
  tests: ["sctp/sack", "sctp/heartbeat"],
  removals: [
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
      row: "S6",
      file: "packet/sack_chunk.ts",
      check: "if (end - start !== length) return false;",
      without: "",
    },
    {
      row: "S19",
      file: "heartbeat.ts",
      check:
        "if (nonce === undefined || !nonce.every((byte, n) => byte === info[4 + n])) return undefined;",
      without: "",
    },
  ],
};

/** When a stream begins anew. */
const RESETS: RemovalGroup = {
  tests: ["sctp/stream_reset"],
  removals: [
    {
      row: "S14",
      file: "stream_reset.ts",
      check: "if (distance === -1) return this.#respond(sequenceNumber, this.#lastResult);",
      without: "",
    },
    {
      row: "S14",
      file: "stream_reset.ts",
      check: "if (distance !== 0) {",
      without: "if (false) {",
    },
    {
      row: "S14",
      file: "stream_reset.ts",
      check: "if (!this.#context.hasReceivedAllTo(lastAssignedTsn)) {",
      without: "if (false) {",
    },
    {
      row: "S14",
      file: "stream_reset.ts",
      check: "if (streamIds.length === 0) return reConfigResults.denied;",
      without: "",
    },
    {
      row: "S14",
      file: "stream_reset.ts",
      check: "if (request?.sequenceNumber !== responseSequenceNumber) return;",
      without: "if (request === undefined) return;",
    },
    {
      row: "S14",
      file: "association.ts",
      check: "isTransferring && peer.capabilities.isStreamReset) {",
      without: "isTransferring) {",
    },
  ],
};

/** Which data is taken, and how much. */
const DATA: RemovalGroup = {
  tests: ["sctp/rx/received_tsns", "sctp/rx/reassembly", "sctp/limits"],
  removals: [
    {
      row: "S7",
      file: "rx/received_tsns.ts",
      check: 'if (offset <= 0) return "duplicate";',
      without: "",
    },
    {
      row: "S13",
      file: "rx/received_tsns.ts",
      check: "if (distance <= 0 || distance > maxForwardDistance) return false;",
      without: "if (distance <= 0) return false;",
    },
    {
      row: "S13",
      file: "rx/received_tsns.ts",
      check: "if (distance <= 0 || distance > maxForwardDistance) return false;",
      without: "if (distance > maxForwardDistance) return false;",
    },
    {
      row: "S20",
      file: "rx/received_tsns.ts",
      check: 'if (offset > tsnWindowLength) return "beyond";',
      without: "",
    },
    {
      row: "S20",
      file: "rx/received_tsns.ts",
      check: "if (this.#duplicates.length < maxDuplicateCount) ",
      without: "",
    },
    {
      row: "S20",
      file: "rx/reassembly.ts",
      check: "if (turn < 0 || (",
      without: "if ((",
    },
    {
      row: "S20",
      file: "rx/reassembly.ts",
      check: "if (length > maxPieceLength || length > this.#maxMessageLength) {",
      without: "if (false) {",
    },
    {
      row: "S20",
      file: "rx/reassembly.ts",
      check: "if (turn > 0 && this.#order.isWaiting(",
      without: "if (false && this.#order.isWaiting(",
    },
    {
      row: "S20",
      file: "rx/reassembly.ts",
      check: "if (run.runLength > this.#maxMessageLength) {",
      without: "if (false) {",
    },
    {
      row: "S20",
      file: "rx/receiver.ts",
      check:
        'if (isInterleaved !== this.#isInterleaved) return "data of a kind that was not agreed on";',
      without: "",
    },
    {
      row: "S20",
      file: "rx/receiver.ts",
      check:
        'if (fields.payloadStart === fields.payloadEnd) return "a data chunk without user data";',
      without: "",
    },
    {
      row: "S20",
      file: "rx/receiver.ts",
      check: "|| !this.#hasRoom(tsn, fields.payloadEnd - fields.payloadStart)) {",
      without: ") {",
    },
    {
      row: "S20",
      file: "rx/held_pieces.ts",
      check: "return Math.max(length + pieceOverhead, least);",
      without: "return length + pieceOverhead;",
    },
    {
      row: "S20",
      file: "outbox.ts",
      check: "if (this.#control.length < maxControlCount) ",
      without: "",
    },
  ],
};

/** What is no chunk. */
const CHUNKS: RemovalGroup = {
  tests: [
    "sctp/packet/chunk_cursor",
    "sctp/packet/data_chunk",
    "sctp/packet/error_cause",
    "sctp/packet/forward_tsn_chunk",
    "sctp/packet/heartbeat_chunk",
    "sctp/packet/init_chunk",
    "sctp/packet/parameter",
    "sctp/packet/re_config_chunk",
    "sctp/packet/shutdown_chunk",
  ],
  removals: [
    {
      row: "S13",
      file: "packet/forward_tsn_chunk.ts",
      check: "if (count < 0 || count > maxSkippedCount || !Number.isInteger(count)) return",
      without: "if (count < 0 || count > maxSkippedCount) return",
    },
    {
      row: "S13",
      file: "packet/forward_tsn_chunk.ts",
      check: "if (count < 0 || count > maxSkippedCount || !Number.isInteger(count)) return",
      without: "if (count < 0 || !Number.isInteger(count)) return",
    },
    {
      row: "S14",
      file: "packet/re_config_chunk.ts",
      check: "return mayStandTogether(parameters) ? parameters : undefined;",
      without: "return parameters;",
    },
    {
      row: "S14",
      file: "packet/re_config_chunk.ts",
      check: "const parameter = parameters.length < 2 ? parseParameter(raw) : undefined;",
      without: "const parameter = parseParameter(raw);",
    },
    {
      row: "S14",
      file: "packet/re_config_chunk.ts",
      check: "if (count < 0 || !Number.isInteger(count)) return undefined;",
      without: "",
    },
    {
      row: "S16",
      file: "packet/chunk_cursor.ts",
      check: "if (length < chunkHeaderLength || length > available) {",
      without: "if (length < chunkHeaderLength) {",
    },
    {
      row: "S16",
      file: "packet/parameter.ts",
      check: "if (length < parameterHeaderLength || length > available) return undefined;",
      without: "if (length < parameterHeaderLength) return undefined;",
    },
    {
      row: "S16",
      file: "packet/parameter.ts",
      check: "if (parameters.length === maxParameterCount) return undefined;",
      without: "",
    },
    {
      row: "S16",
      file: "packet/data_chunk.ts",
      check: "if (end - start < headerLength) return false;",
      without: "",
    },
    {
      row: "S16",
      file: "packet/init_chunk.ts",
      check: "if (end - at < fixedLength) return undefined;",
      without: "",
    },
    {
      row: "S16",
      file: "packet/init_chunk.ts",
      check: "if (value.length !== 4) return false;",
      without: "",
    },
    {
      row: "S16",
      file: "packet/init_chunk.ts",
      check: "if (room < 0) break;",
      without: "",
    },
    {
      row: "S16",
      file: "packet/error_cause.ts",
      check: '.replaceAll(unprintable, "")',
      without: "",
    },
    {
      row: "S16",
      file: "packet/error_cause.ts",
      check: "[...text].slice(0, maxTextLength)",
      without: "[...text]",
    },
    {
      row: "S16",
      file: "packet/shutdown_chunk.ts",
      check: "if (end - start !== shutdownLength) return undefined;",
      without: "",
    },
    {
      row: "S19",
      file: "packet/heartbeat_chunk.ts",
      check: "return info === undefined || info.length > maxInfoLength ? undefined",
      without: "return info === undefined ? undefined",
    },
  ],
};

if (import.meta.main) {
  const groups = [SETUP, ACKNOWLEDGEMENTS, RESETS, DATA, CHUNKS];
  Deno.exit(await removeChecks({ folder: "src/sctp", groups, rows: Deno.args }) ? 0 : 1);
}
