/** Copying from one buffer to another without a view where that is dearer than the bytes. */

/** A loop is faster than a view for few bytes. */
const shortLength = 64;

/** Copies `from[start..end)` to `to[at..)`. */
export function copyBytes(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): void {
  if (end - start > shortLength) {
    to.set(from.subarray(start, end), at);
  } else {
    for (let offset = start; offset < end; offset++) to[at++] = from[offset] ?? 0;
  }
}
