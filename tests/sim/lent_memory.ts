/**
 * Memory that is lent for one call and overwritten after it, so that whoever keeps a view of it, or
 * reaches beyond it, is found out at once.
 */

/** What a view that was kept reads: no length, type or text that anyone would take for true. */
export const POISON = 0xdb;

/** Odd, so that nobody gets away with `bytes.buffer`, which starts earlier and is not aligned. */
const GUARD_LENGTH = 13;

/** One buffer, lent again and again. */
export class LentBuffer {
  readonly #memory: Uint8Array;
  readonly #capacity: number;
  #lentLength = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#memory = new Uint8Array(GUARD_LENGTH + capacity + GUARD_LENGTH).fill(POISON);
  }

  /** The whole buffer, to write to. */
  lend(): Uint8Array {
    return this.#lend(this.#capacity);
  }

  /** A copy of these bytes. */
  lendCopy(bytes: Uint8Array): Uint8Array {
    if (bytes.length > this.#capacity) {
      throw new RangeError(`Lending ${bytes.length} B of a buffer of ${this.#capacity} B`);
    }
    const view = this.#lend(bytes.length);
    view.set(bytes);
    return view;
  }

  /** Overwrites what was lent; throws when something beside it was written to. */
  takeBack(): void {
    const end = GUARD_LENGTH + this.#lentLength;
    this.#memory.fill(POISON, GUARD_LENGTH, end);
    for (let at = 0; at < GUARD_LENGTH; at++) {
      if (this.#memory[at] === POISON && this.#memory[end + at] === POISON) continue;
      this.#memory.fill(POISON);
      throw new Error("wrote outside the bytes it was lent: mind byteOffset and byteLength");
    }
  }

  #lend(length: number): Uint8Array {
    this.#lentLength = length;
    return this.#memory.subarray(GUARD_LENGTH, GUARD_LENGTH + length);
  }
}

/** A copy of an event that owns its bytes, in plain objects and arrays however deep. */
export function copyEvent<Event>(event: Event): Event {
  return copyWith(event, (bytes) => bytes.slice()) as Event;
}

/** Calls with a copy of the event whose bytes are overwritten when the call is over. */
export function lendEvent<Event>(event: Event, use: (event: Event) => void): void {
  const lent: Uint8Array[] = [];
  const copy = copyWith(event, (bytes) => {
    const view = bytes.slice();
    lent.push(view);
    return view;
  }) as Event;
  try {
    use(copy);
  } finally {
    for (const view of lent) view.fill(POISON);
  }
}

function copyWith(value: unknown, copyBytes: (bytes: Uint8Array) => Uint8Array): unknown {
  if (value instanceof Uint8Array) return copyBytes(value);
  if (Array.isArray(value)) return value.map((one) => copyWith(one, copyBytes));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, copyWith(one, copyBytes)]),
  );
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
