/** The datagram sockets that can be had here, and handlers that collect. */
import type { DatagramHandler, DatagramSockets, SocketAddress } from "../../src/socket/datagram.ts";
import type { Libc } from "../../src/socket/libc.ts";
import { NativeDatagramSockets } from "../../src/socket/native_datagram.ts";
import { nativeSystem } from "../../src/socket/native_system.ts";
import { portableDatagramSockets } from "../../src/socket/portable_datagram.ts";

/** Undefined, and said so, where native sockets cannot be had; not where they do not work. */
const system = Deno.build.os === "linux" ? nativeSystem() : undefined;
export const libc: Libc | undefined = system?.libc;
if (system === undefined) console.log("SKIPPED: no native sockets here, only portable are tested");

/** All implementations; each test of one is a test of all. */
export const implementations: readonly DatagramSockets[] = system === undefined
  ? [portableDatagramSockets]
  : [portableDatagramSockets, new NativeDatagramSockets(system.libc, system.poller)];

/** One datagram that came. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly source: SocketAddress;
}

/** How long what is sent on loopback may take, in ms. */
const patience = 3_000;

/** Keeps copies of what comes, and spoils what was lent. */
export class Inbox implements DatagramHandler {
  readonly received: Received[] = [];
  readonly failures: string[] = [];
  runCount = 0;
  drainedCount = 0;
  #wake: () => void = () => {};

  handleDatagrams(...[bytes, start, end, segmentLength, source]: HandleDatagrams): void {
    this.runCount++;
    for (let at = start; at < end || at === start; at += segmentLength) {
      const datagram = bytes.slice(at, Math.min(end, at + segmentLength));
      this.received.push({ bytes: datagram, source });
      if (segmentLength === 0) break;
    }
    bytes.fill(0xee, start, end);
    this.#wake();
  }

  handleDrained(): void {
    this.drainedCount++;
    this.#wake();
  }

  handleFailed(reason: string): void {
    this.failures.push(reason);
    this.#wake();
  }

  /** Resolves when so many datagrams have come in all, and a burst has ended after them. */
  async until(count: number): Promise<readonly Received[]> {
    await this.untilTrue(() => this.received.length >= count && this.drainedCount > 0);
    return this.received;
  }

  /** Resolves when that is so; looked at after each call. */
  async untilTrue(isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + patience;
    while (!isSo()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`not so in ${patience} ms: ${isSo}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

type HandleDatagrams = Parameters<DatagramHandler["handleDatagrams"]>;

/** Bytes that tell where they were. */
export function patterned(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) + seed) & 0xff);
}

/** Descriptors this process has open. */
export function descriptorCount(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Lets so many ms pass. */
export function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
