/**
 * Chunks that a peer might send, of which tests care for a few fields.
 *
 * @module
 */
import {
  dataFlags,
  dataHeaderLength,
  iDataHeaderLength,
  writeDataHeader,
  writeIDataHeader,
} from "../../src/sctp/packet/data_chunk.ts";
import {
  sackHeaderLength,
  writeDuplicate,
  writeGap,
  writeSackHeader,
} from "../../src/sctp/packet/sack_chunk.ts";

/** A DATA or I-DATA chunk: a whole, ordered message unless it says otherwise. */
export function dataChunk(
  {
    tsn,
    isInterleaved,
    streamId = 0,
    messageNumber = 0,
    fragmentNumber = 0,
    flags = dataFlags.beginning | dataFlags.ending,
    text = "x",
  }: {
    readonly tsn: number;
    readonly isInterleaved: boolean;
    readonly streamId?: number;
    readonly messageNumber?: number;
    readonly fragmentNumber?: number;
    readonly flags?: number;
    readonly text?: string;
  },
): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const headerLength = isInterleaved ? iDataHeaderLength : dataHeaderLength;
  const chunk = new Uint8Array(headerLength + payload.length);
  const { length } = payload;
  if (isInterleaved) {
    const ppidOrFragmentNumber = (flags & dataFlags.beginning) !== 0 ? 51 : fragmentNumber;
    writeIDataHeader(
      chunk,
      0,
      flags,
      tsn,
      streamId,
      messageNumber,
      ppidOrFragmentNumber,
      length,
    );
  } else {
    writeDataHeader(chunk, 0, flags, tsn, streamId, messageNumber, 51, length);
  }
  chunk.set(payload, headerLength);
  return chunk;
}

/** A SACK chunk. */
export function sackChunk(
  { cumulativeTsnAck, window = 4_194_304, gaps = [], duplicates = [] }: {
    readonly cumulativeTsnAck: number;
    readonly window?: number;
    readonly gaps?: readonly (readonly [number, number])[];
    readonly duplicates?: readonly number[];
  },
): Uint8Array {
  const chunk = new Uint8Array(sackHeaderLength + (gaps.length + duplicates.length) * 4);
  writeSackHeader(chunk, 0, cumulativeTsnAck, window, gaps.length, duplicates.length);
  let at = sackHeaderLength;
  for (const [start, end] of gaps) {
    writeGap(chunk, at, start, end);
    at += 4;
  }
  for (const tsn of duplicates) {
    writeDuplicate(chunk, at, tsn);
    at += 4;
  }
  return chunk;
}
