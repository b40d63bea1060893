/**
 * Memory outside the V8 heap for what C reads and writes: it neither moves nor is collected, and
 * the address of each byte is known without asking. Asking V8 for the address of a small array
 * moves it out of the heap first, and a view made for a call costs more than the call.
 *
 * @module
 */

/**
 * How C is told where a byte lies. A `u32` is the cheapest argument Deno passes, and enough where
 * the memory lies below 4 GiB. Elsewhere it is a pointer object, made once for each place.
 */
export type Address = number | Deno.PointerObject;

/** Reserved, not used: the system provides a page when it is first written to. */
const defaultCapacity = 16 * 1024 * 1024;

/** A cache line, so that neighbours do not share one. */
const alignment = 64;

/** Pointer objects kept at most: a ring of slots has a few thousand places. */
const maxPointerCount = 16_384;

const lowMemory = {
  protection: 0x3, // PROT_READ | PROT_WRITE
  flags: 0x20 | 0x2 | 0x40 | 0x4000, // MAP_ANONYMOUS | MAP_PRIVATE | MAP_32BIT | MAP_NORESERVE
  limit: 0x1_0000_0000n,
} as const;

/** One region, handed out in pieces. `A` is number where it lies below 4 GiB. */
export class Arena<A extends Address = Address> {
  readonly capacity: number;
  /** The whole region. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What every piece's `buffer` is identical to. */
  readonly buffer: ArrayBuffer;
  /** The address of the byte at an offset of `buffer`. */
  readonly address: (offset: number) => A;
  #used = 0;
  /** Released offsets by the length they are free for. */
  readonly #free = new Map<number, number[]>();
  /** The length reserved at each offset that is in use. */
  readonly #lengths = new Map<number, number>();

  constructor(
    { buffer, address }: {
      readonly buffer: ArrayBuffer;
      readonly address: (offset: number) => A;
    },
  ) {
    this.capacity = buffer.byteLength;
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.address = address;
  }

  /** A zeroed piece of the region; undefined when it is used up. */
  allocate(length: number): Uint8Array<ArrayBuffer> | undefined {
    const reserved = Math.max(1, Math.ceil(length / alignment)) * alignment;
    const offset = this.#free.get(reserved)?.pop() ?? this.#extend(reserved);
    if (offset === undefined) return undefined;
    this.#lengths.set(offset, reserved);
    return new Uint8Array(this.buffer, offset, length);
  }

  /** Takes back a piece that `allocate` gave, and erases it. Anything else is refused. */
  release(piece: Uint8Array): boolean {
    const reserved = this.#lengths.get(piece.byteOffset);
    if (piece.buffer !== this.buffer || reserved === undefined) return false;
    this.#lengths.delete(piece.byteOffset);
    this.bytes.fill(0, piece.byteOffset, piece.byteOffset + reserved);
    const free = this.#free.get(reserved);
    if (free === undefined) this.#free.set(reserved, [piece.byteOffset]);
    else free.push(piece.byteOffset);
    return true;
  }

  #extend(reserved: number): number | undefined {
    // Written so that NaN is refused too.
    if (!(this.#used + reserved <= this.capacity)) return undefined;
    const offset = this.#used;
    this.#used += reserved;
    return offset;
  }
}

/**
 * An arena below 4 GiB; undefined where the system does not offer one. It lives as long as the
 * process.
 */
export function createLowArena(capacity: number = defaultCapacity): Arena<number> | undefined {
  // MAP_32BIT is x86-64's alone.
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return undefined;
  const region = mapLow(capacity);
  if (region === undefined) return undefined;
  const base = Number(Deno.UnsafePointer.value(region));
  const buffer = Deno.UnsafePointerView.getArrayBuffer(region, capacity);
  return new Arena({ buffer, address: (offset) => base + offset });
}

function mapLow(capacity: number): Deno.PointerObject | undefined {
  try {
    const { symbols } = Deno.dlopen("libc.so.6", {
      mmap: {
        parameters: ["pointer", "usize", "i32", "i32", "i32", "isize"],
        result: "pointer",
      },
    });
    const { protection, flags, limit } = lowMemory;
    const region = symbols.mmap(null, BigInt(capacity), protection, flags, -1, 0n);
    // MAP_FAILED is the highest address there is, and so refused as well.
    const end = Deno.UnsafePointer.value(region) + BigInt(capacity);
    return region === null || end > limit ? undefined : region;
  } catch {
    // There is no C library of that name: another arena does.
    return undefined;
  }
}

/**
 * An arena wherever `allocateZeroed` puts it. It lives as long as the process; undefined where there
 * is no memory.
 */
export function createPointerArena(
  allocateZeroed: (length: bigint) => Deno.PointerValue,
  capacity: number = defaultCapacity,
): Arena<Deno.PointerObject> | undefined {
  const region = allocateZeroed(BigInt(capacity));
  if (region === null) return undefined;
  const buffer = Deno.UnsafePointerView.getArrayBuffer(region, capacity);
  return new Arena({ buffer, address: pointersFrom(region) });
}

function pointersFrom(region: Deno.PointerObject): (offset: number) => Deno.PointerObject {
  const pointers = new Map<number, Deno.PointerObject>();
  return (offset) => {
    const known = pointers.get(offset);
    if (known !== undefined) return known;
    const pointer = Deno.UnsafePointer.offset(region, offset) ?? region;
    if (pointers.size >= maxPointerCount) pointers.clear();
    pointers.set(offset, pointer);
    return pointer;
  };
}
