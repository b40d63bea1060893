/**
 * Sends forged datagrams by a raw socket, at a rate, until it is killed; for `flood.ts`, which gives
 * what to send as JSON. It prints "sending" when it begins, and how many it has sent each second.
 */
import { libcNames, NativeBlock } from "../../src/socket/libc.ts";
import { encodeSockaddr } from "../../src/socket/sockaddr.ts";
import { type Forgery, packetLength, writePacket } from "./forged_datagrams.ts";

/** What is sent, and how many a second. */
export interface SenderOptions extends Forgery {
  readonly perSecond: number;
}

const symbols = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendmmsg: { parameters: ["i32", "usize", "u32", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The calls; an address is a number, which FFI takes for a bigint. */
interface Calls {
  socket(family: number, type: number, protocol: number): number;
  sendmmsg(descriptor: number, messages: number, count: number, flags: number): number;
}

/** AF_INET, SOCK_RAW, and IPPROTO_RAW, which takes packets with their headers. */
const rawSocket = [2, 3, 255] as const;

/** Different packets, sent over and over; and by one call. */
const packetCount = 4_096;
const batchCount = 32;
/** How long it sleeps when it is ahead, in ms. */
const rest = 0.5;

//  struct mmsghdr:  0 name  8 name length  16 iovec  24 iovec count  ..  56 sent  64 end
const messageLength = 64;
const iovecLength = 16;

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

/** All packets, and what sendmmsg is told of them. */
function prepare(forgery: Forgery): NativeBlock {
  const packets = new NativeBlock(packetCount * packetLength);
  const address = new NativeBlock(16);
  address.bytes.set(encodeSockaddr({ address: forgery.destination, port: 0 }) ?? []);
  const iovecs = packetCount * messageLength;
  const headers = new NativeBlock(iovecs + packetCount * iovecLength);
  for (let at = 0; at < packetCount; at++) {
    writePacket(packets.bytes.subarray(at * packetLength, (at + 1) * packetLength), forgery, at);
    const [header, iovec] = [at * messageLength, iovecs + at * iovecLength];
    headers.setAddress(iovec, packets.base + at * packetLength);
    headers.view.setUint32(iovec + 8, packetLength, true);
    headers.setAddress(header, address.base);
    headers.view.setUint32(header + 8, 16, true);
    headers.setAddress(header + 16, headers.base + iovec);
    headers.view.setUint32(header + 24, 1, true);
  }
  // They live as long as what points to them.
  kept.push(packets, address);
  return headers;
}

const kept: NativeBlock[] = [];

function send({ perSecond, ...forgery }: SenderOptions): never {
  const libc = openLibrary();
  const descriptor = libc.socket(...rawSocket);
  if (descriptor < 0) throw new Error("raw sockets are not permitted here");
  const headers = prepare(forgery);
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  console.log("sending");
  const begun = performance.now();
  let [sent, told] = [0, 1];
  for (let at = 0;;) {
    const elapsed = performance.now() - begun;
    if (elapsed >= told * 1000) console.log(`${Math.round(sent / told++)}`);
    if (sent > elapsed / 1000 * perSecond) {
      Atomics.wait(sleeper, 0, 0, rest);
      continue;
    }
    const count = libc.sendmmsg(descriptor, headers.base + at * messageLength, batchCount, 0);
    if (count > 0) sent += count;
    at = (at + batchCount) % packetCount;
  }
}

if (import.meta.main) send(JSON.parse(Deno.args[0] ?? "") as SenderOptions);
