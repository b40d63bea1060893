/**
 * Bytes that show by themselves whether they came whole and in order: a piece of a cipher's stream,
 * over and over. Its length is a prime, so that no block or packet that is lost, repeated or swapped
 * leaves it as it was.
 */
import { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";

/** What is written and read at once, in bytes. */
export const blockLength = 262_144;

const period = 1_048_573;
const pattern = createPattern();

function createPattern(): Buffer {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  const once = cipher.update(Buffer.alloc(period));
  return Buffer.concat([once, once.subarray(0, blockLength)]);
}

/** A block's worth of the stream that begins so many bytes after its start. */
export function patternAt(offset: number): Uint8Array {
  const start = offset % period;
  return pattern.subarray(start, start + blockLength);
}

/** Whether bytes, a block at most, are what the stream has at an offset. */
export function isPatternAt(offset: number, bytes: Uint8Array): boolean {
  const start = offset % period;
  return Buffer.compare(bytes, pattern.subarray(start, start + bytes.length)) === 0;
}
