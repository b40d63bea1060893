/**
 * STUN messages, spoilt.
 *
 * @module
 */
import type { Random } from "../sim/random.ts";

const interesting = [0, 1, 2, 4, 6, 8, 0x1c, 0x20, 0x28, 0x7f, 0x80, 0xff] as const;

function splice(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}

/** Spoils a message: bytes, lengths, order, ends. */
export function mutate(random: Random, genuine: Uint8Array): Uint8Array {
  let bytes = genuine.slice();
  for (let round = random.below(4); round >= 0; round--) {
    const at = random.below(bytes.length);
    switch (random.below(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        bytes[at] = random.pick(interesting);
        break;
      case 2:
        bytes = bytes.slice(0, Math.max(1, at));
        break;
      case 3:
        bytes = splice(bytes.subarray(0, at), bytes.subarray(random.below(at + 1)));
        break;
      case 4: // A length that lies.
        bytes[at & ~3 | 2] = random.below(3);
        bytes[at & ~3 | 3] = random.pick(interesting);
        break;
      default: // The length of the whole made right again.
        bytes = bytes.slice(0, bytes.length & ~3);
        bytes[2] = (bytes.length - 20) >> 8;
        bytes[3] = bytes.length - 20;
    }
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}
