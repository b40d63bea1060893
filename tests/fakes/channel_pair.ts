/**
 * Channels joined in memory. What one end sends arrives at the other in order: when a test says so,
 * or by itself. Buffers are as small as the test wants, so that back-pressure is met. Bytes are lent
 * and overwritten, so that a view that was kept is found out.
 */
import { Budget } from "../../src/budget.ts";
import { blockLength } from "../../src/buffer_pool.ts";
import type { Channel, ChannelHandler } from "../../src/link/link.ts";
import { tcpProtocol } from "../../src/tunnel/tunnel_stream.ts";
import { POISON } from "../sim/lent_memory.ts";

/** When messages arrive: at `step()`, as microtasks, or one in each turn of the event loop. */
export type Pace = "step" | "microtask" | "turn";

/** One direction between two ends: what was sent and has not arrived. */
export class Lane {
  readonly #pace: Pace;
  readonly #deliveries: (() => void)[] = [];

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  push(delivery: () => void): void {
    this.#deliveries.push(delivery);
    if (this.#pace === "microtask") queueMicrotask(() => this.step());
    if (this.#pace === "turn") setImmediate(() => this.step());
  }

  /** Lets the oldest arrive; false where nothing is under way. */
  step(): boolean {
    const delivery = this.#deliveries.shift();
    delivery?.();
    return delivery !== undefined;
  }
}

/** What lies before and behind lent bytes, so that nobody gets away with taking all. */
const guardLength = 13;

/** How a fake channel behaves. */
export interface FakeChannelOptions {
  readonly label?: string;
  readonly protocol?: string;
  /** Bytes under way at most, before `sendableLength` is zero. */
  readonly capacity?: number;
  readonly maxMessageLength?: number;
  readonly maxFragmentedLength?: number;
  /** As it was opened. */
  readonly isDatagrams?: boolean;
}

/** One end of a channel. */
export class FakeChannel implements Channel {
  readonly label: string;
  readonly protocol: string;
  readonly isDatagrams: boolean;
  /** A test may change it, as a path does. */
  maxMessageLength: number;
  handler: ChannelHandler | undefined;
  /** A test may set it, in ms. */
  roundTrip: number | undefined;
  readonly windowBudget = new Budget(33_554_432);
  readonly maxFragmentedLength: number;
  /** All that this end has sent. */
  readonly sent: (Uint8Array | string)[] = [];
  readonly #capacity: number;
  readonly #lane: Lane;
  readonly #onClosed: (channel: FakeChannel) => void;
  #peer: FakeChannel | undefined;
  #underWay = 0;
  #unconsumedLength = 0;
  #lentCount = 0;
  #wasFull = false;
  #isClosed = false;

  constructor(
    lane: Lane,
    {
      label = "10.0.0.5:80",
      protocol = tcpProtocol,
      capacity = 65_536,
      maxMessageLength = 16_384,
      maxFragmentedLength = 262_144,
      isDatagrams = false,
    }: FakeChannelOptions,
    onClosed: (channel: FakeChannel) => void = () => {},
  ) {
    this.#lane = lane;
    this.label = label;
    this.protocol = protocol;
    this.#capacity = capacity;
    this.maxMessageLength = maxMessageLength;
    this.maxFragmentedLength = maxFragmentedLength;
    this.isDatagrams = isDatagrams;
    this.#onClosed = onClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get burstLength(): number {
    return Math.max(1, Math.floor(blockLength / this.maxMessageLength)) * this.maxMessageLength;
  }

  get sendableLength(): number {
    const free = Math.max(0, this.#capacity - this.#underWay);
    if (free === 0) this.#wasFull = true;
    return free;
  }

  /** What has arrived as binary messages and was not consumed, in bytes. */
  get unconsumedLength(): number {
    return this.#unconsumedLength;
  }

  /** The control messages this end has sent, parsed. */
  get control(): { readonly type: string; readonly bytes?: number }[] {
    return this.sent.filter((message) => typeof message === "string").map((one) => JSON.parse(one));
  }

  join(peer: FakeChannel): void {
    this.#peer = peer;
  }

  sendBinary(bytes: Uint8Array, start: number, end: number): void {
    this.#send(bytes.slice(start, end));
  }

  sendRun(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at += this.maxMessageLength) {
      this.#send(bytes.slice(at, Math.min(at + this.maxMessageLength, end)));
    }
  }

  sendText(text: string): void {
    this.#send(text);
  }

  consume(length: number): void {
    if (this.#isClosed) return;
    if (length > this.#unconsumedLength) throw new RangeError("consumed more than has arrived");
    this.#unconsumedLength -= length;
  }

  #send(message: Uint8Array | string): void {
    if (this.#isClosed) return;
    this.sent.push(message);
    this.#underWay += message.length;
    this.#lane.push(() => this.#arrive(message));
  }

  /** What was sent before still arrives, then the other end is closed. */
  close(): void {
    if (!this.#markClosed()) return;
    this.#lane.push(() => this.#peer?.fail());
  }

  /** Closed from below, or by the other end. */
  fail(): void {
    if (this.#markClosed()) this.handler?.handleClosed();
  }

  /** A message of the other end arrives. */
  deliver(message: Uint8Array | string): void {
    if (this.#isClosed) return;
    if (typeof message === "string") this.handler?.handleText(message);
    else this.#lend(message);
  }

  #lend(message: Uint8Array): void {
    const end = guardLength + message.length;
    const memory = new Uint8Array(end + guardLength).fill(POISON);
    memory.set(message, guardLength);
    this.#unconsumedLength += message.length;
    const stays = this.handler?.handleBatchEnd !== undefined && this.#lentCount++ % 3 > 0;
    this.handler?.handleBinary(memory, guardLength, end, stays);
    if (stays) this.handler?.handleBatchEnd?.();
    memory.fill(POISON);
  }

  #markClosed(): boolean {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    this.#unconsumedLength = 0;
    this.#onClosed(this);
    return true;
  }

  #arrive(message: Uint8Array | string): void {
    this.#underWay -= message.length;
    this.#peer?.deliver(message);
    if (this.#wasFull && !this.#isClosed && this.#underWay <= this.#capacity / 2) {
      this.#wasFull = false;
      this.handler?.handleWritable();
    }
  }
}

/** Two joined ends, and the lanes between them. */
export interface ChannelPair {
  readonly a: FakeChannel;
  readonly z: FakeChannel;
  readonly fromA: Lane;
  readonly fromZ: Lane;
  /** Lets everything arrive, in turns. */
  settle(): void;
  /** Both ends are closed from below; what is under way is lost. */
  die(): void;
}

/** Makes two joined ends. */
export function channelPair(
  { pace = "step", ...options }: FakeChannelOptions & { readonly pace?: Pace } = {},
): ChannelPair {
  const [fromA, fromZ] = [new Lane(pace), new Lane(pace)];
  const [a, z] = [new FakeChannel(fromA, options), new FakeChannel(fromZ, options)];
  a.join(z);
  z.join(a);
  return {
    a,
    z,
    fromA,
    fromZ,
    settle: () => {
      while ([fromA.step(), fromZ.step()].includes(true));
    },
    die: () => {
      a.fail();
      z.fail();
    },
  };
}
