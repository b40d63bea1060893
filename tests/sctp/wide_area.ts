/**
 * Several associations that send in bulk through one bottleneck, as links of wide-area paths do: what
 * each achieves, and how long the queue is that they keep. Timers are as late as those of a host.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Instant } from "../../src/sans_io.ts";
import type { AssociationConfig } from "../../src/sctp/association.ts";
import { BbrCongestionControl } from "../../src/sctp/tx/bbr_congestion_control.ts";
import type { CongestionControl } from "../../src/sctp/tx/congestion_control.ts";
import { EndpointDriver } from "../sim/endpoint_driver.ts";
import type { Impairments } from "../sim/impairments.ts";
import { type Arrival, Bottleneck, Lane } from "../sim/lane.ts";
import { Random } from "../sim/random.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";
import { SctpEndpoint } from "./sctp_endpoint.ts";

/** What IPv4, UDP and DTLS add to a packet, in bytes. */
const overheadBytes = 28 + 37;
/** What fits Ethernet. */
const maxPacketLength = 1_432;
const messageLength = 16_384;
/** What a sender keeps queued, in bytes. */
const [lowLevel, highLevel] = [262_144, 524_288];
/** A timer fires so much later than it was asked for, at most, in ms. */
const timerLateness = 1;
/** The stream of small messages. */
const pingStream = 1;
const pingInterval = 20;
/** What is sent is cut out of this. */
const block = new Random("bulk").bytes(262_144);

/** The path that all flows share. */
export interface WideAreaPath {
  readonly mbits: number;
  readonly rttMs: number;
  readonly queueBytes: number;
  /** In each direction. */
  readonly loss?: number;
  /** In each direction; it reorders, as each packet has its own. */
  readonly jitterMs?: number;
  readonly policer?: Impairments["policer"];
  readonly cuts?: Impairments["cuts"];
}

/** One flow over it. */
export interface FlowOptions {
  readonly startAt?: Instant;
  readonly congestionControl?: (pieceLength: number) => CongestionControl;
  readonly config?: Partial<AssociationConfig>;
  /** Small messages of another stream are sent beside the bulk. */
  readonly isPinging?: boolean;
  /** Ends after so many bytes. */
  readonly length?: number;
}

interface FlowEvent {
  readonly kind: "start" | "timer" | "ping";
  readonly flow: Flow;
  readonly end: "a" | "z";
}

type Event = Arrival | FlowEvent;

/** What a flow was seen to do between two marks. */
export class Flow {
  readonly a: SctpEndpoint;
  readonly z: SctpEndpoint;
  readonly control: CongestionControl;
  receivedLength = 0;
  sentLength = 0;
  /** How long each small message took, in ms. */
  readonly pingTimes: number[] = [];
  readonly drivers: { a: EndpointDriver<unknown>; z: EndpointDriver<unknown> };
  readonly lanes: { a: Lane; z: Lane };
  readonly timers = { a: Infinity, z: Infinity };
  readonly options: FlowOptions;
  #nextMessage = 0;
  #nextReceived = 0;
  #markedLength = 0;
  #markedAt: Instant = 0;

  constructor(world: WideArea, index: number, options: FlowOptions) {
    this.options = options;
    const create = options.congestionControl ??
      ((pieceLength: number) => new BbrCongestionControl(pieceLength));
    const config = { maxPacketLength, ...options.config };
    const control: { of?: CongestionControl } = {};
    this.a = new SctpEndpoint(2 * index + 1, {
      ...config,
      congestionControl: (pieceLength) => control.of = create(pieceLength),
    });
    this.z = new SctpEndpoint(2 * index + 2, config);
    this.control = control.of as CongestionControl;
    this.lanes = world.createLanes(index);
    this.drivers = { a: this.#driver(world, "a"), z: this.#driver(world, "z") };
    this.z.onMessage = (streamId, _ppid, bytes, start, end) => {
      if (streamId === pingStream) {
        this.pingTimes.push(
          world.now - new DataView(bytes.buffer, bytes.byteOffset + start).getFloat64(0),
        );
      } else this.#receive(bytes, start, end);
    };
  }

  /** From here on is measured. */
  mark(now: Instant): void {
    this.#markedAt = now;
    this.#markedLength = this.receivedLength;
    this.pingTimes.length = 0;
  }

  /** MB/s since the mark. */
  goodput(now: Instant): number {
    return (this.receivedLength - this.#markedLength) / (now - this.#markedAt) / 1_000;
  }

  /** Keeps enough queued. */
  refill(now: Instant): void {
    const { association } = this.a;
    if (association.state !== "established" || association.bufferedAmount(0) >= lowLevel) return;
    const limit = this.options.length ?? Infinity;
    while (association.bufferedAmount(0) < highLevel && this.sentLength < limit) {
      const start = (this.#nextMessage++ * 977) % (block.length - messageLength);
      association.send(0, 51, block.subarray(start, start + messageLength), undefined, now);
      this.sentLength += messageLength;
    }
  }

  ping(now: Instant): void {
    const bytes = new Uint8Array(50);
    new DataView(bytes.buffer).setFloat64(0, now);
    this.a.association.send(pingStream, 51, bytes, undefined, now);
  }

  #receive(bytes: Uint8Array, start: number, end: number): void {
    const from = (this.#nextReceived++ * 977) % (block.length - messageLength);
    const sent = block.subarray(from, from + messageLength);
    if (Buffer.compare(bytes.subarray(start, end), sent) !== 0) {
      throw new Error(`message ${this.#nextReceived - 1} did not come as it was sent`);
    }
    this.receivedLength += end - start;
  }

  #driver(world: WideArea, end: "a" | "z"): EndpointDriver<unknown> {
    return new EndpointDriver<unknown>({
      name: end,
      endpoint: this[end],
      transmitBufferLength: 1_500,
      onDatagram: (bytes) => {
        world.sentCount++;
        this.lanes[end].send(bytes);
      },
      onEvent: () => {},
      countWork: () => {},
    });
  }
}

/** A clock, a bottleneck and flows. */
export class WideArea {
  sentCount = 0;
  readonly flows: Flow[] = [];
  readonly #path: WideAreaPath;
  readonly #clock = new VirtualClock<Event>(1_000);
  readonly #random: Random;
  readonly #there = new Bottleneck();
  readonly #laneOwners = new Map<Lane, readonly [Flow, "a" | "z"]>();
  /** The queue's length times its duration, since the mark. */
  #queueArea = 0;
  #queueAt: Instant = 0;
  #markedAt: Instant = 0;

  constructor(seed: number, path: WideAreaPath) {
    this.#path = path;
    this.#random = new Random(seed);
  }

  get now(): Instant {
    return this.#clock.now;
  }

  add(options: FlowOptions = {}): Flow {
    const flow = new Flow(this, this.flows.length, options);
    this.flows.push(flow);
    this.#laneOwners.set(flow.lanes.a, [flow, "z"]);
    this.#laneOwners.set(flow.lanes.z, [flow, "a"]);
    this.#clock.schedule(this.now + (options.startAt ?? 0), { kind: "start", flow, end: "a" });
    return flow;
  }

  createLanes(index: number): { a: Lane; z: Lane } {
    const { mbits, rttMs, queueBytes, loss, jitterMs, policer, cuts } = this.#path;
    const both = {
      delayMs: rttMs / 2,
      loss,
      jitterMs,
      isJitterReordering: true,
      overheadBytes,
      cuts,
    };
    const rate = { bitsPerSecond: mbits * 1e6, queueBytes };
    const lane = (name: string, impairments: Impairments, bottleneck?: Bottleneck) =>
      new Lane({
        name,
        clock: this.#clock,
        random: this.#random.fork(`${name} ${index}`),
        impairments,
        bottleneck,
      });
    return { a: lane("a", { ...both, rate, policer }, this.#there), z: lane("z", both) };
  }

  /** Runs for so long. */
  runFor(ms: number): void {
    const deadline = this.now + ms;
    for (;;) {
      const next = this.#clock.nextInstant();
      if (next === undefined || next > deadline) break;
      const event = this.#clock.advance();
      if (event !== undefined) this.#handle(event);
    }
    this.#clock.advanceTo(deadline);
  }

  /** From here on is measured. */
  mark(): void {
    for (const flow of this.flows) flow.mark(this.now);
    this.#queueArea = 0;
    this.#queueAt = this.#markedAt = this.now;
  }

  /** The queue since the mark, on average, in ms of the path's rate. */
  get meanQueueMs(): number {
    const bytes = this.#queueArea / Math.max(1, this.#queueAt - this.#markedAt);
    return bytes * 8 / (this.#path.mbits * 1_000);
  }

  get queuedBytes(): number {
    return this.#there.queuedBytes(this.now);
  }

  #handle(event: Event): void {
    const { now } = this.#clock;
    this.#queueArea += this.#there.queuedBytes(now) * (now - this.#queueAt);
    this.#queueAt = now;
    switch (event.kind) {
      case "arrival": {
        const bytes = event.lane.takeArrival(event);
        const owner = this.#laneOwners.get(event.lane);
        if (bytes === undefined || owner === undefined) return;
        owner[0].drivers[owner[1]].handleDatagram(bytes, now);
        return this.settle(owner[0]);
      }
      case "start":
        event.flow.a.association.connect(now);
        event.flow.z.association.connect(now);
        if (event.flow.options.isPinging === true) {
          this.#clock.schedule(now + pingInterval, { kind: "ping", flow: event.flow, end: "a" });
        }
        return this.settle(event.flow);
      case "ping":
        event.flow.ping(now);
        this.#clock.schedule(now + pingInterval, event);
        return this.settle(event.flow);
      default:
        if (event.flow.timers[event.end] > now) return;
        event.flow.timers[event.end] = Infinity;
        event.flow.drivers[event.end].handleTimeout(now);
        return this.settle(event.flow);
    }
  }

  /** Takes what comes of a call to an end of a flow. */
  settle(flow: Flow): void {
    const { now } = this.#clock;
    flow.refill(now);
    for (const end of ["a", "z"] as const) {
      flow.drivers[end].drain(now);
      const due = flow.drivers[end].nextTimeout();
      if (due === undefined) continue;
      const at = Math.max(due, now + 1) + timerLateness * this.#random.fraction();
      if (due + timerLateness >= flow.timers[end] && flow.timers[end] > now) continue;
      flow.timers[end] = at;
      this.#clock.schedule(at, { kind: "timer", flow, end });
    }
  }
}
