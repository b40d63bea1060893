/**
 * What both sides of a measurement know: the name of the protocol, the kinds of streams, and how an
 * upload is counted. docs/protocol.md describes it for other implementations.
 */

/** DCEP's protocol field for a stream of a measurement. */
export const benchProtocol = "aetherport-bench/1";

/** The kinds of streams, as DCEP's label names them. */
export type BenchLabel =
  /** What is sent comes back. */
  | "echo"
  /** The opener sends the pattern; the acceptor tells how much of it came. */
  | "upload"
  /** The acceptor sends the pattern until the opener ends. */
  | "download"
  /** The acceptor tells what it has sent over the link. */
  | "figures";

/** The length of a count, in bytes: how much of an upload came so far, big-endian. */
export const countLength = 8;

/** Writes a count of bytes. */
export function writeCount(count: number): Uint8Array {
  const bytes = new Uint8Array(countLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(count));
  return bytes;
}

/** Reads the count of bytes that begins there. */
export function readCount(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, countLength).getBigUint64(0));
}
