/**
 * struct msghdr of Linux with all that it points to, in one block: one address, one range of bytes,
 * and one control message for the length of segments (UDP_SEGMENT, UDP_GRO).
 *
 * @module
 */
import type { ByteParts } from "./connection.ts";
import type { SocketAddress } from "./datagram.ts";
import { BufferAddresses, NativeBlock } from "./libc.ts";
import { messageTruncated, option } from "./linux_constants.ts";
import { encodeSockaddr, SockaddrCache } from "./sockaddr.ts";

//  msghdr   0 name  8 name length  16 iovec  24 iovec count  32 control  40 control length  48 flags
//  iovec    0 base  8 length
//  cmsghdr  0 length (with this header)  8 level  12 type  16 data
// musl declares two of the counts shorter, with padding that is zero here.
const header = {
  name: 0,
  nameLength: 8,
  iovec: 16,
  iovecCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
} as const;

/** Where the parts lie in the block. */
const part = { iovec: 64, control: 96, name: 160, end: 192 } as const;
const iovec = { base: part.iovec, length: part.iovec + 8 } as const;
const control = {
  length: part.control,
  level: part.control + 8,
  type: part.control + 12,
  data: part.control + 16,
} as const;

/** CMSG_LEN and CMSG_SPACE of an uint16_t. */
const segmentControl = { length: 18, space: 24 } as const;
/** CMSG_LEN of the int that UDP_GRO gives, and the room left for it. */
const groControl = { length: 20, room: 64 } as const;
const nameRoom = part.end - part.name;

function createBlock(): NativeBlock {
  const block = new NativeBlock(part.end);
  block.setAddress(header.name, block.base + part.name);
  block.setAddress(header.iovec, block.base + part.iovec);
  block.view.setUint32(header.iovecCount, 1, true);
  block.setAddress(header.control, block.base + part.control);
  return block;
}

/** What sendmsg is given. Used again for each call. */
export class OutgoingMessage {
  /** For sendmsg. */
  readonly pointer: Deno.PointerObject;
  readonly #block = createBlock();
  readonly #view = this.#block.view;
  readonly #addresses = new BufferAddresses();
  readonly #family: number;
  /** What C has of each destination; undefined for those that this socket cannot send to. */
  readonly #encoded = new WeakMap<SocketAddress, Uint8Array | undefined>();
  #destination: SocketAddress | undefined;
  #base = 0;

  /** For a socket of that address family. */
  constructor(family: number) {
    this.#family = family;
    this.pointer = this.#block.pointer(0);
    this.#view.setUint32(control.length, segmentControl.length, true);
    const [level, type] = option.udpSegment;
    this.#view.setInt32(control.level, level, true);
    this.#view.setInt32(control.type, type, true);
  }

  /** Sets where to; false where that is no address of the socket's family. */
  setDestination(destination: SocketAddress): boolean {
    if (destination === this.#destination) return true;
    const encoded = this.#encode(destination);
    if (encoded === undefined) return false;
    this.#block.bytes.set(encoded, part.name);
    this.#view.setUint32(header.nameLength, encoded.length, true);
    this.#destination = destination;
    return true;
  }

  #encode(destination: SocketAddress): Uint8Array | undefined {
    const known = this.#encoded.get(destination);
    if (known !== undefined || this.#encoded.has(destination)) return known;
    const sockaddr = encodeSockaddr(destination);
    const isOurs = sockaddr?.[0] === this.#family;
    const encoded = isOurs ? sockaddr : undefined;
    this.#encoded.set(destination, encoded);
    return encoded;
  }

  /** Sets the bytes that offsets count from. They are to live until the message was sent. */
  setBytes(bytes: Uint8Array): void {
    this.#base = this.#addresses.baseOf(bytes.buffer) + bytes.byteOffset;
  }

  /** Sets which of the bytes are sent, and the length they are cut into; 0 where they are not. */
  setRange(start: number, length: number, segmentLength: number): void {
    this.#block.setAddress(iovec.base, this.#base + start);
    this.#view.setUint32(iovec.length, length, true);
    this.#view.setUint32(
      header.controlLength,
      segmentLength === 0 ? 0 : segmentControl.space,
      true,
    );
    this.#view.setUint16(control.data, segmentLength, true);
  }
}

/** Parts that one sendmsg takes: as many as datagrams that come by one recvmsg. */
const maxPartCount = 64;
/** sizeof(struct iovec). */
const iovecLength = 16;

/** What sendmsg is given for a stream: several parts of one buffer. Used again for each call. */
export class PartsMessage {
  /** For sendmsg. */
  readonly pointer: Deno.PointerObject;
  readonly #block = new NativeBlock(part.iovec + maxPartCount * iovecLength);
  readonly #addresses = new BufferAddresses();

  constructor() {
    this.pointer = this.#block.pointer(0);
    this.#block.setAddress(header.iovec, this.#block.base + part.iovec);
  }

  /** Sets what is sent: the first parts, where there are many. They are to live until it was. */
  set({ bytes, bounds }: ByteParts): void {
    const base = this.#addresses.baseOf(bytes.buffer) + bytes.byteOffset;
    const count = Math.min(bounds.length / 2, maxPartCount);
    this.#block.view.setUint32(header.iovecCount, count, true);
    for (let index = 0; index < count; index++) {
      const [start = 0, end = 0] = [bounds[2 * index], bounds[2 * index + 1]];
      const at = part.iovec + index * iovecLength;
      this.#block.setAddress(at, base + start);
      this.#block.view.setUint32(at + 8, end - start, true);
    }
  }
}

/** What recvmsg is given, and what it found. Used again for each call. */
export class IncomingMessage {
  /** For recvmsg. */
  readonly pointer: Deno.PointerObject;
  /** Where the bytes are received. */
  readonly bytes: Uint8Array;
  readonly #block = createBlock();
  readonly #view = this.#block.view;
  readonly #sources = new SockaddrCache();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.pointer = this.#block.pointer(0);
    const base = new BufferAddresses().baseOf(bytes.buffer) + bytes.byteOffset;
    this.#block.setAddress(iovec.base, base);
    this.#view.setUint32(iovec.length, bytes.length, true);
    this.prepare();
  }

  /** To be called before each recvmsg, which writes over the room that it is told. */
  prepare(): void {
    this.#view.setUint32(header.nameLength, nameRoom, true);
    this.#view.setUint32(header.controlLength, groControl.room, true);
  }

  /** Where the last message came from. */
  get source(): SocketAddress | undefined {
    return this.#sources.read(this.#view, part.name);
  }

  /** Whether the last message was longer than the buffer. */
  get isTruncated(): boolean {
    return (this.#view.getUint32(header.flags, true) & messageTruncated) !== 0;
  }

  /** The length of the datagrams that the last message was put together of, if it was. */
  get segmentLength(): number | undefined {
    const view = this.#view;
    if (view.getUint32(header.controlLength, true) < groControl.length) return undefined;
    const [level, type] = option.udpGro;
    const isGro = view.getInt32(control.level, true) === level &&
      view.getInt32(control.type, true) === type;
    return isGro ? view.getInt32(control.data, true) : undefined;
  }
}
