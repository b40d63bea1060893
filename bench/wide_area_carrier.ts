/**
 * Carries the packets of an emulated path between TUN devices, one in each namespace, for
 * `wide_area.ts`, which gives the options as JSON. It ends when stdin does, and prints what it has
 * carried.
 *
 * It waits in system calls and nowhere else: nothing asynchronous goes on here.
 */
import { libcNames, NativeBlock } from "../src/socket/libc.ts";
import type { Carried, CarrierOptions } from "./wide_area.ts";

const symbols = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  // It takes a variable number of arguments, which are passed like others on 64-bit Linux.
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  ppoll: { parameters: ["usize", "usize", "usize", "usize"], result: "i32" },
  read: { parameters: ["i32", "usize", "usize"], result: "i32" },
  write: { parameters: ["i32", "usize", "usize"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** O_RDWR and O_NONBLOCK together, CLONE_NEWNET, and linux/if_tun.h. */
const readWriteNonblocking = 0x2 | 0x800;
const networkNamespace = 0x4000_0000;
const setInterface = 0x4004_54ca;
const tunWithoutHeader = 0x0001 | 0x1000;
const pollIn = 1;

/** Packets on their way at once, and room for each. */
const slotCount = 16_384;
const slotLength = 2_048;
/** Read from one host until others get their turn. */
const burstCount = 64;
/** With so many on their way it sleeps this long at least, in ms: it takes several together then. */
const manyCount = 64;
const rest = 0.1;
/** Where an IPv4 header has the last byte of the destination, and its version in the first. */
const lastAddressByte = 19;
const versionFour = 4;

/** The calls; addresses and lengths are numbers, which FFI takes for bigints. */
interface Calls {
  open(path: Uint8Array, flags: number): number;
  ioctl(descriptor: number, request: number, argument: Uint8Array): number;
  setns(descriptor: number, type: number): number;
  ppoll(polled: number, count: number, timeout: number, mask: number): number;
  read(descriptor: number, address: number, length: number): number;
  write(descriptor: number, address: number, length: number): number;
}

const libc = openLibrary();

function openLibrary(): Calls {
  for (const name of libcNames) {
    try {
      return Deno.dlopen(name, symbols).symbols as unknown as Calls;
    } catch {
      // Another libc.
    }
  }
  throw new Error("there is no libc to call");
}

/** A TUN device of a namespace; its descriptor. This thread stays in that namespace. */
function openTun(namespace: string, device: string): number {
  const encoder = new TextEncoder();
  const place = libc.open(encoder.encode(`/run/netns/${namespace}\0`), 0);
  if (place < 0 || libc.setns(place, networkNamespace) !== 0) {
    throw new Error(`cannot enter ${namespace}`);
  }
  const descriptor = libc.open(encoder.encode("/dev/net/tun\0"), readWriteNonblocking);
  //  struct ifreq:   0 name  16 flags
  const request = new Uint8Array(40);
  encoder.encodeInto(device, request);
  new DataView(request.buffer).setUint16(16, tunWithoutHeader, true);
  if (descriptor < 0 || libc.ioctl(descriptor, setInterface, request) !== 0) {
    throw new Error("cannot make a device of /dev/net/tun");
  }
  return descriptor;
}

/** Packets by the time they are due: a binary heap of slots. */
class Schedule {
  readonly #times = new Float64Array(slotCount);
  readonly #slots = new Int32Array(slotCount);
  #count = 0;

  /** When the next is due, in ms; Infinity where there is none. */
  get next(): number {
    return this.#count === 0 ? Infinity : this.#times[0] ?? Infinity;
  }

  push(time: number, slot: number): void {
    const [times, slots] = [this.#times, this.#slots];
    let at = this.#count++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = times[parent] as number;
      if (above <= time) break;
      times[at] = above;
      slots[at] = slots[parent] as number;
      at = parent;
    }
    times[at] = time;
    slots[at] = slot;
  }

  /** Takes the slot that is due next. */
  pop(): number {
    const [times, slots] = [this.#times, this.#slots];
    const first = slots[0] as number;
    const count = --this.#count;
    const time = times[count] as number;
    const slot = slots[count] as number;
    let at = 0;
    for (let child = 1; child < count; child = 2 * at + 1) {
      if (child + 1 < count && (times[child + 1] as number) < (times[child] as number)) child++;
      if (time <= (times[child] as number)) break;
      times[at] = times[child] as number;
      slots[at] = slots[child] as number;
      at = child;
    }
    times[at] = time;
    slots[at] = slot;
    return first;
  }
}

/** What a host sends: its rate, its queue, and what became of it. */
class Uplink {
  readonly #options: CarrierOptions;
  readonly #isNear: boolean;
  /** When the last byte accepted has left, in ms. */
  #freeAt = 0;
  /** Of what went before to each host, in ms. */
  readonly #lastDues: Float64Array;
  carried = 0;
  bytes = 0;
  lost = 0;
  overflowed = 0;

  constructor(options: CarrierOptions, host: number) {
    this.#options = options;
    this.#isNear = options.nearHosts.includes(host);
    this.#lastDues = new Float64Array(options.hostCount);
  }

  /** When a packet arrives that is sent to a host now, in ms; undefined where it does not. */
  accept(length: number, to: number, now: number): number | undefined {
    const { rate, queue, jitter, loss, nearHosts } = this.#options;
    const isNear = this.#isNear || nearHosts.includes(to);
    const delay = isNear ? 0 : this.#options.delay;
    if (loss > 0 && uniform() * 100 < loss) {
      this.lost++;
      return undefined;
    }
    const left = rate > 0
      ? this.#leave(length, now, { bytesPerMs: rate * 125, room: queue * 1000 })
      : now;
    if (left === undefined) return undefined;
    if (jitter > 0 && !isNear) return left + delay + jitter * uniform();
    // None overtakes another, however coarse the clock is.
    const due = Math.max(left + delay, (this.#lastDues[to] ?? 0) + 1e-6);
    this.#lastDues[to] = due;
    return due;
  }

  #leave(
    length: number,
    now: number,
    { bytesPerMs, room }: { readonly bytesPerMs: number; readonly room: number },
  ): number | undefined {
    const begin = Math.max(this.#freeAt, now);
    if ((begin - now) * bytesPerMs + length > room) {
      this.overflowed++;
      return undefined;
    }
    return this.#freeAt = begin + length / bytesPerMs;
  }

  report(): Carried {
    const { carried, bytes, lost, overflowed } = this;
    return { carried, bytes, lost, overflowed };
  }
}

let randomState = 0x2545_f491;

/** From 0 to 1, the same in every run: xorshift32. */
function uniform(): number {
  randomState ^= randomState << 13;
  randomState ^= randomState >>> 17;
  randomState ^= randomState << 5;
  return (randomState >>> 0) / 2 ** 32;
}

/** All hosts' packets. */
class Carrier {
  readonly #descriptors: readonly number[];
  readonly #uplinks: readonly Uplink[];
  readonly #schedule = new Schedule();
  readonly #memory = new NativeBlock(slotCount * slotLength);
  readonly #lengths = new Uint16Array(slotCount);
  readonly #sources = new Uint8Array(slotCount);
  readonly #free = Int32Array.from({ length: slotCount }, (_, slot) => slot);
  #freeCount = slotCount;
  /** struct pollfd of each host and of stdin, then a struct timespec. */
  readonly #poll: NativeBlock;
  readonly #timeoutOffset: number;

  constructor(options: CarrierOptions) {
    this.#descriptors = options.namespaces.map((name) => openTun(name, options.device));
    this.#uplinks = this.#descriptors.map((_, host) => new Uplink(options, host));
    const polled = [...this.#descriptors, 0];
    this.#timeoutOffset = polled.length * 8;
    this.#poll = new NativeBlock(this.#timeoutOffset + 16);
    for (const [at, descriptor] of polled.entries()) {
      this.#poll.view.setInt32(8 * at, descriptor, true);
      this.#poll.view.setInt16(8 * at + 4, pollIn, true);
    }
  }

  /** Returns when stdin has ended. */
  run(): readonly Carried[] {
    const hostCount = this.#descriptors.length;
    for (;;) {
      this.#deliver(performance.now());
      this.#wait();
      if (this.#poll.view.getInt16(8 * hostCount + 6, true) !== 0) break;
      const now = performance.now();
      for (let host = 0; host < hostCount; host++) {
        if (this.#poll.view.getInt16(8 * host + 6, true) !== 0) this.#readFrom(host, now);
      }
    }
    return this.#uplinks.map((uplink) => uplink.report());
  }

  #wait(): void {
    if (slotCount - this.#freeCount > manyCount) this.#pollFor(0, rest);
    const left = Math.min(Math.max(this.#schedule.next - performance.now(), 0), 500);
    this.#pollFor(this.#descriptors.length + 1, left);
  }

  #pollFor(count: number, timeout: number): void {
    const { base, view } = this.#poll;
    view.setUint32(this.#timeoutOffset + 8, Math.floor(timeout * 1e6), true);
    libc.ppoll(base, count, base + this.#timeoutOffset, 0);
  }

  #deliver(now: number): void {
    while (this.#schedule.next <= now) {
      const slot = this.#schedule.pop();
      const offset = slot * slotLength;
      const length = this.#lengths[slot] as number;
      const descriptor = this.#descriptors[this.#destinationOf(slot)];
      const uplink = this.#uplinks[this.#sources[slot] as number] as Uplink;
      // Multicast goes nowhere.
      if (descriptor !== undefined) libc.write(descriptor, this.#memory.base + offset, length);
      uplink.carried++;
      uplink.bytes += length;
      this.#free[this.#freeCount++] = slot;
    }
  }

  /** The number of a host, where there is one of this address. */
  #destinationOf(slot: number): number {
    return (this.#memory.bytes[slot * slotLength + lastAddressByte] as number) - 1;
  }

  #readFrom(host: number, now: number): void {
    const uplink = this.#uplinks[host] as Uplink;
    const descriptor = this.#descriptors[host] as number;
    for (let count = 0; count < burstCount && this.#freeCount > 0; count++) {
      const slot = this.#free[this.#freeCount - 1] as number;
      const length = libc.read(descriptor, this.#memory.base + slot * slotLength, slotLength);
      if (length <= 0) return;
      // What hosts say in IPv6, to find each other, is for nobody here.
      if ((this.#memory.bytes[slot * slotLength] as number) >> 4 !== versionFour) continue;
      const due = uplink.accept(length, this.#destinationOf(slot), now);
      if (due === undefined) continue;
      this.#freeCount--;
      this.#lengths[slot] = length;
      this.#sources[slot] = host;
      this.#schedule.push(due, slot);
    }
  }
}

const options = JSON.parse(Deno.args[0] ?? "") as CarrierOptions;
console.log(JSON.stringify(new Carrier(options).run()));
