/**
 * Two protocol cores, A and Z, joined by two lanes under a virtual clock. Everything that happens
 * follows from the seed and from what the cores do; a run that fails says how to see it again.
 */
import type { Instant, SansIo } from "../../src/sans_io.ts";
import { EndpointDriver } from "./endpoint_driver.ts";
import type { Impairments } from "./impairments.ts";
import { type Arrival, Lane } from "./lane.ts";
import { copyEvent, lendEvent } from "./lent_memory.ts";
import { Random } from "./random.ts";
import { SimulationError } from "./simulation_error.ts";
import { Trace } from "./trace.ts";
import type { LaneDatagram, Verdict } from "./verdict.ts";
import { VirtualClock } from "./virtual_clock.ts";

export type End = "a" | "z";

/** The events of a protocol core. */
export type EventOf<Endpoint> = Endpoint extends SansIo<infer Event> ? Event : never;

/** What is done at one instant before it is taken for a livelock. */
const MAX_WORK_PER_INSTANT = 100_000;

/** A datagram that enters a lane, as seen by someone who watches both. */
export interface PathDatagram extends LaneDatagram {
  readonly from: End;
  /** Counted in both directions together, from 0, in the order in which they were sent. */
  readonly index: number;
  readonly indexFromEnd: number;
}

/** A datagram on the path; the bytes are lent until the tap returns. */
export interface TappedDatagram {
  readonly stage: "sent" | "arrived" | "injected";
  /** Of an injected one: the end it is to seem from. */
  readonly from: End;
  readonly at: Instant;
  readonly bytes: Uint8Array;
}

/** A datagram as it was sent, before anything became of it. */
export type RecordedDatagram = Omit<TappedDatagram, "stage">;

export interface PairOptions<A extends SansIo<unknown>, Z extends SansIo<unknown>> {
  readonly seed: number;
  readonly a: A;
  readonly z: Z;
  /** What messages and the trace call the ends: "A" and "Z", or say "client" and "server". */
  readonly names?: Readonly<Record<End, string>>;
  /** Of both directions, for which none of their own are given. */
  readonly impairments?: Impairments;
  readonly aToZ?: Impairments;
  readonly zToA?: Impairments;
  /** Asked about every datagram before the impairments are. */
  readonly verdict?: (datagram: PathDatagram) => Verdict;
  /** Called with every event; its bytes are overwritten afterwards. */
  readonly onEvent?: {
    readonly a?: (event: EventOf<A>, pair: Pair<A, Z>) => void;
    readonly z?: (event: EventOf<Z>, pair: Pair<A, Z>) => void;
  };
  /** Called after everything that happens; throws when what must always hold does not. */
  readonly invariant?: (pair: Pair<A, Z>) => void;
  /** What the trace says of a datagram besides its length. */
  readonly describe?: (bytes: Uint8Array) => string;
  /** How much of the trace a failure shows. */
  readonly traceLines?: number;
  readonly startAt?: Instant;
  readonly transmitBufferLength?: number;
  readonly maxWorkPerInstant?: number;
  /** Whether `events` collects them; false for transfers of many bytes. */
  readonly isKeepingEvents?: boolean;
}

interface Injection {
  readonly kind: "injection";
  readonly to: End;
  readonly bytes: Uint8Array;
}

interface Action {
  readonly kind: "action";
  readonly act: () => void;
}

export class Pair<A extends SansIo<unknown>, Z extends SansIo<unknown>> {
  readonly seed: number;
  readonly a: A;
  readonly z: Z;
  readonly aToZ: Lane;
  readonly zToA: Lane;
  readonly trace: Trace;
  /** All events so far, as copies that own their bytes. */
  readonly events: { readonly a: EventOf<A>[]; readonly z: EventOf<Z>[] } = { a: [], z: [] };

  readonly #options: PairOptions<A, Z>;
  readonly #names: Readonly<Record<End, string>>;
  readonly #clock: VirtualClock<Arrival | Injection | Action>;
  readonly #drivers: Readonly<Record<End, EndpointDriver<unknown>>>;
  readonly #taps: ((datagram: TappedDatagram) => void)[] = [];
  #sentCount = 0;
  #isRunning = false;
  #workCount = 0;
  #workInstant: Instant;

  constructor(options: PairOptions<A, Z>) {
    const { seed, a, z, names = { a: "A", z: "Z" }, startAt = 0 } = options;
    this.seed = seed;
    this.a = a;
    this.z = z;
    this.trace = new Trace(options.traceLines);
    this.#options = options;
    this.#names = names;
    this.#clock = new VirtualClock(startAt);
    this.#workInstant = startAt;
    const random = new Random(seed);
    this.aToZ = this.#createLane("a", options.aToZ, random.fork("a to z"));
    this.zToA = this.#createLane("z", options.zToA, random.fork("z to a"));
    this.#drivers = {
      a: this.#createDriver("a", a, (event) => this.#handleEventOfA(event as EventOf<A>)),
      z: this.#createDriver("z", z, (event) => this.#handleEventOfZ(event as EventOf<Z>)),
    };
  }

  get now(): Instant {
    return this.#clock.now;
  }

  /** How many datagrams both ends have sent. */
  get sentCount(): number {
    return this.#sentCount;
  }

  /**
   * Runs until the condition holds, and returns how long that took. Fails when it does not within
   * `maxVirtualMs`, or when nothing is under way any more and no timer is armed.
   */
  run({ until, maxVirtualMs = 60_000 }: {
    readonly until: (pair: Pair<A, Z>) => boolean;
    readonly maxVirtualMs?: number;
  }): number {
    return this.#run(() => {
      const deadline = this.now + maxVirtualMs;
      while (!until(this)) {
        const next = this.#nextInstant();
        if (next === undefined) {
          throw new Error("came to rest before it was done: nothing under way, no timer armed");
        }
        if (next > deadline) {
          this.#clock.advanceTo(deadline);
          throw new Error(`was not done within ${maxVirtualMs} ms`);
        }
        this.#step(next);
      }
    });
  }

  /** Runs for so long, whatever happens. */
  runFor(virtualMs: number): void {
    this.#run(() => {
      const deadline = this.now + virtualMs;
      for (
        let next = this.#nextInstant();
        next !== undefined && next <= deadline;
        next = this.#nextInstant()
      ) this.#step(next);
      this.#clock.advanceTo(deadline);
    });
  }

  /** Runs until nothing is under way and no timer armed, and returns how long that took. */
  runUntilIdle(maxVirtualMs = 60_000): number {
    return this.run({ until: () => this.#nextInstant() === undefined, maxVirtualMs });
  }

  /** Has an end do something, such as send, and takes what comes of it as a driver would. */
  call<E extends End, Result>(
    end: E,
    action: (endpoint: { readonly a: A; readonly z: Z }[E], now: Instant) => Result,
  ): Result {
    return this.explain(() => {
      const result = action({ a: this.a, z: this.z }[end], this.now);
      this.#settle(end);
      return result;
    });
  }

  /** Has something done at a time to come, to lanes or ends. */
  at(instant: Instant, act: (pair: Pair<A, Z>) => void): void {
    this.#clock.schedule(instant, { kind: "action", act: () => act(this) });
  }

  /** Puts a datagram right before an end, past all impairments; the bytes are copied. */
  inject(to: End, bytes: Uint8Array, { afterMs = 0 }: { readonly afterMs?: number } = {}): void {
    this.#clock.schedule(this.now + afterMs, { kind: "injection", to, bytes: bytes.slice() });
  }

  /** Shows every datagram from now on. */
  tap(listener: (datagram: TappedDatagram) => void): void {
    this.#taps.push(listener);
  }

  /** Collects copies of all that is sent from now on. */
  recordSent(): readonly RecordedDatagram[] {
    const recorded: RecordedDatagram[] = [];
    this.tap(({ stage, from, at, bytes }) => {
      if (stage === "sent") recorded.push({ from, at, bytes: bytes.slice() });
    });
    return recorded;
  }

  /** Tells what is thrown, by an assertion say, together with seed, time and trace. */
  explain<Result>(body: () => Result): Result {
    try {
      return body();
    } catch (error) {
      if (error instanceof SimulationError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const { seed, now: at, trace } = this;
      throw new SimulationError({ reason, seed, at, trace, cause: error });
    }
  }

  /** Cuts both directions until `heal`. */
  cut(): void {
    this.aToZ.cut();
    this.zToA.cut();
  }

  heal(): void {
    this.aToZ.heal();
    this.zToA.heal();
  }

  #createLane(from: End, own: Impairments | undefined, random: Random): Lane {
    const { impairments, verdict, describe } = this.#options;
    return new Lane({
      name: `${this.#names[from]}>${this.#names[otherEnd(from)]}`,
      clock: this.#clock,
      random,
      impairments: own ?? impairments,
      trace: this.trace,
      describe,
      verdict: verdict &&
        (({ bytes, index, at }) =>
          verdict({ bytes, from, index: this.#sentCount - 1, indexFromEnd: index, at })),
    });
  }

  #createDriver(
    end: End,
    endpoint: SansIo<unknown>,
    onEvent: (event: unknown) => void,
  ): EndpointDriver<unknown> {
    const lane = end === "a" ? this.aToZ : this.zToA;
    return new EndpointDriver({
      name: this.#names[end],
      endpoint,
      transmitBufferLength: this.#options.transmitBufferLength,
      onDatagram: (bytes) => {
        this.#sentCount++;
        this.#showTaps("sent", end, bytes);
        lane.send(bytes);
      },
      onEvent: (event) => {
        this.#record(end, "event", eventName(event));
        onEvent(event);
      },
      countWork: () => this.#countWork(),
    });
  }

  #handleEventOfA(event: EventOf<A>): void {
    const { onEvent, isKeepingEvents = true } = this.#options;
    if (isKeepingEvents) this.events.a.push(copyEvent(event));
    if (onEvent?.a !== undefined) lendEvent(event, (lent) => onEvent.a?.(lent, this));
  }

  #handleEventOfZ(event: EventOf<Z>): void {
    const { onEvent, isKeepingEvents = true } = this.#options;
    if (isKeepingEvents) this.events.z.push(copyEvent(event));
    if (onEvent?.z !== undefined) lendEvent(event, (lent) => onEvent.z?.(lent, this));
  }

  /** Starts from two drained ends, since a caller may have used them between two runs. */
  #run(body: () => void): number {
    if (this.#isRunning) throw new Error("Running a pair from within its own run: use call or at");
    this.#isRunning = true;
    const start = this.now;
    try {
      this.explain(() => {
        this.#settle("a", "z");
        body();
      });
    } finally {
      this.#isRunning = false;
    }
    return this.now - start;
  }

  #nextInstant(): Instant | undefined {
    const timeout = earlier(this.#drivers.a.nextTimeout(), this.#drivers.z.nextTimeout());
    const next = earlier(this.#clock.nextInstant(), timeout);
    return next === undefined ? undefined : Math.max(next, this.now);
  }

  /** At one instant, what arrives comes before the timers, and A's timer before Z's. */
  #step(at: Instant): void {
    if (this.#clock.nextInstant() === at) {
      const event = this.#clock.advance();
      this.#countWork();
      if (event !== undefined) this.#handle(event);
      return;
    }
    this.#clock.advanceTo(at);
    this.#countWork();
    const timeoutOfA = this.#drivers.a.nextTimeout();
    const end = timeoutOfA !== undefined && timeoutOfA <= at ? "a" : "z";
    this.#record(end, "timeout");
    this.#drivers[end].handleTimeout(at);
    this.#checkInvariant();
  }

  #handle(event: Arrival | Injection | Action): void {
    switch (event.kind) {
      case "action":
        event.act();
        return this.#settle("a", "z");
      case "injection":
        this.#record(event.to, "is injected", `${event.bytes.length} B`);
        return this.#deliver("injected", event.to, event.bytes);
      case "arrival": {
        const bytes = event.lane.takeArrival(event);
        const to = event.lane === this.aToZ ? "z" : "a";
        return bytes === undefined ? this.#checkInvariant() : this.#deliver("arrived", to, bytes);
      }
      default:
        return event satisfies never;
    }
  }

  #deliver(stage: "arrived" | "injected", to: End, bytes: Uint8Array): void {
    this.#showTaps(stage, otherEnd(to), bytes);
    this.#drivers[to].handleDatagram(bytes, this.now);
    this.#checkInvariant();
  }

  #settle(...ends: readonly End[]): void {
    for (const end of ends) this.#drivers[end].drain(this.now);
    this.#checkInvariant();
  }

  #checkInvariant(): void {
    this.#options.invariant?.(this);
  }

  #showTaps(stage: TappedDatagram["stage"], from: End, bytes: Uint8Array): void {
    for (const tap of this.#taps) tap({ stage, from, at: this.now, bytes });
  }

  #countWork(): void {
    const { maxWorkPerInstant = MAX_WORK_PER_INSTANT } = this.#options;
    if (this.#workInstant !== this.now) {
      this.#workInstant = this.now;
      this.#workCount = 0;
    }
    if (++this.#workCount > maxWorkPerInstant) {
      throw new Error(`livelock: more than ${maxWorkPerInstant} things happened at one instant`);
    }
  }

  #record(end: End, what: string, note?: string): void {
    this.trace.record({ at: this.now, subject: this.#names[end], what, note });
  }
}

function otherEnd(end: End): End {
  return end === "a" ? "z" : "a";
}

function earlier(one: Instant | undefined, other: Instant | undefined): Instant | undefined {
  if (one === undefined) return other;
  return other === undefined ? one : Math.min(one, other);
}

/** What an event calls itself, if it does. */
function eventName(event: unknown): string | undefined {
  if (typeof event === "string") return event;
  if (typeof event !== "object" || event === null) return undefined;
  for (const key of ["name", "type", "kind"]) {
    const name: unknown = Reflect.get(event, key);
    if (typeof name === "string") return name;
  }
  return undefined;
}
