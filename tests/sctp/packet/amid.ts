/** Parsers get bytes that are part of a packet: what stands around them must not matter. */

type Parse<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** What `parse` makes of `chunk` between bytes that are all ones. */
export function parseAmid<T>(chunk: Uint8Array, parse: Parse<T>): T {
  const before = 5;
  const bytes = new Uint8Array(before + chunk.length + 40).fill(0xff);
  bytes.set(chunk, before);
  return parse(bytes, before, before + chunk.length);
}

/** The lengths at which what is there of `chunk` is read, or true. */
export function readableLengths(chunk: Uint8Array, parse: Parse<unknown>): number[] {
  const lengths = Array.from({ length: chunk.length + 1 }, (_, length) => length);
  return lengths.filter((length) => {
    const parsed = parseAmid(chunk.slice(0, length), parse);
    return parsed !== undefined && parsed !== false;
  });
}

/** The chunk without its padding: as long as its length field says. */
export function withoutPadding(chunk: Uint8Array): Uint8Array {
  return chunk.slice(0, ((chunk[2] ?? 0) << 8) | (chunk[3] ?? 0));
}

/** Bytes from hexadecimal digits in groups. */
export function hex(...groups: readonly string[]): Uint8Array {
  return Uint8Array.fromHex(groups.join("").replaceAll(" ", ""));
}
