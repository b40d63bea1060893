import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import type { Instant, Transmit } from "../../src/sans_io.ts";
import { POISON } from "./lent_memory.ts";
import { Pair, type PairOptions, type TappedDatagram } from "./pair.ts";
import { ScriptedEndpoint } from "./scripted_endpoint.ts";
import { SimulationError } from "./simulation_error.ts";
import { dropAt } from "./verdict.ts";

type Options = Partial<PairOptions<ScriptedEndpoint, ScriptedEndpoint>>;

function createPair(options: Options = {}): Pair<ScriptedEndpoint, ScriptedEndpoint> {
  return new Pair({ seed: 1, a: new ScriptedEndpoint(), z: new ScriptedEndpoint(), ...options });
}

const bytesOf = (...values: number[]) => new Uint8Array(values);

Deno.test("datagrams cross in both directions, each lane in its own time", () => {
  const pair = createPair({ aToZ: { delayMs: 10 }, zToA: { delayMs: 25 } });
  pair.a.batches.push({ bytes: bytesOf(1) });
  pair.z.batches.push({ bytes: bytesOf(2) });
  equal(pair.runUntilIdle(), 25);
  deepEqual(pair.z.calls, ["transmit at 0", "datagram at 10"]);
  deepEqual(pair.a.calls, ["transmit at 0", "datagram at 25"]);
});

Deno.test("a batch is cut into datagrams of its segment size", () => {
  const pair = createPair();
  pair.a.batches.push({ bytes: bytesOf(1, 2, 3, 4, 5, 6, 7), segmentSize: 3 });
  pair.a.batches.push({ bytes: bytesOf(8, 9), segmentSize: 1200 });
  pair.runUntilIdle();
  deepEqual(pair.z.received.map((one) => [...one]), [[1, 2, 3], [4, 5, 6], [7], [8, 9]]);
});

Deno.test("a batch that is not within its buffer fails", () => {
  for (const transmit of [[0, 1], [11, 1], [1.5, 1], [5, 0], [5, NaN]]) {
    const [length = 0, segmentSize = 0] = transmit;
    const a = new class extends ScriptedEndpoint {
      override pollTransmit = (): Transmit => ({ length, segmentSize });
    }();
    throws(() => createPair({ a, transmitBufferLength: 10 }).runUntilIdle(), /A transmits/);
  }
});

Deno.test("after an input the core is polled until nothing comes, and then asked for its time", () => {
  const a = new class extends ScriptedEndpoint {
    override handleDatagram(bytes: Uint8Array, now: Instant): void {
      super.handleDatagram(bytes, now);
      this.events.push("first");
      this.batches.push({ bytes: bytesOf(1) }, { bytes: bytesOf(2) });
    }
    override nextTimeout(): Instant | undefined {
      if (this.calls.at(-1) !== "asked") this.calls.push("asked");
      return undefined;
    }
  }();
  const pair = createPair({ a });
  pair.inject("a", bytesOf(0));
  pair.runUntilIdle();
  deepEqual(a.calls, [
    "asked",
    "datagram at 0",
    "transmit at 0",
    "transmit at 0",
    "event",
    "asked",
  ]);
});

Deno.test("what an event makes the core send is sent at once", () => {
  const pair = createPair({
    onEvent: { a: (_, { a }) => void a.batches.push({ bytes: bytesOf(7) }) },
  });
  pair.call("a", (a) => a.events.push("opened"));
  deepEqual(pair.a.calls, ["event", "transmit at 0"]);
});

Deno.test("timers fire at their instants, and one that is past at once", () => {
  const pair = createPair({ startAt: 100 });
  pair.a.timeout = 130;
  pair.z.timeout = 50;
  equal(pair.runUntilIdle(), 30);
  deepEqual(pair.a.calls, ["timeout at 130"]);
  deepEqual(pair.z.calls, ["timeout at 100"]);
});

Deno.test("at one instant what arrives comes before the timers, and A's before Z's", () => {
  const order: string[] = [];
  const pair = createPair({
    aToZ: { delayMs: 10 },
    invariant: ({ trace }) => void order.push(trace.lines().at(-1)?.trim() ?? ""),
  });
  pair.a.batches.push({ bytes: bytesOf(1) });
  pair.a.timeout = pair.z.timeout = 10;
  pair.runUntilIdle();
  deepEqual(order.slice(1), ["10.000 A>Z #0 arrives 1 B", "10.000 A timeout", "10.000 Z timeout"]);
});

Deno.test("the invariant is asked after everything that happens", () => {
  let count = 0;
  const pair = createPair({ invariant: () => void count++ });
  pair.runUntilIdle();
  equal(count, 1);
  pair.call("a", (a) => a.batches.push({ bytes: bytesOf(1) }));
  equal(count, 2);
  pair.a.timeout = 5;
  pair.inject("z", bytesOf(2));
  pair.at(9, () => {});
  pair.runUntilIdle();
  // The two ends at the start, an arrival, an injection, a timeout, an action.
  equal(count, 2 + 1 + 4);
});

Deno.test("an invariant that does not hold ends the run", () => {
  const pair = createPair({
    invariant: ({ z }) => ok(z.received.length < 2, "Z has too many"),
  });
  pair.a.batches.push({ bytes: bytesOf(1) }, { bytes: bytesOf(2) }, { bytes: bytesOf(3) });
  throws(() => pair.runUntilIdle(), /Z has too many/);
  equal(pair.z.received.length, 2);
});

Deno.test("a core that keeps a view of a datagram reads poison", () => {
  const kept: Uint8Array[] = [];
  const z = new class extends ScriptedEndpoint {
    override handleDatagram(bytes: Uint8Array): void {
      kept.push(bytes);
    }
  }();
  const pair = createPair({ z });
  pair.a.batches.push({ bytes: bytesOf(1, 2, 3) });
  pair.runUntilIdle();
  deepEqual(kept.map((one) => [...one]), [[POISON, POISON, POISON]]);
});

Deno.test("a core that keeps the buffer to send from reads poison", () => {
  const kept: Uint8Array[] = [];
  const a = new class extends ScriptedEndpoint {
    override pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
      kept.push(out);
      return super.pollTransmit(out, now);
    }
  }();
  a.batches.push({ bytes: bytesOf(1, 2, 3) });
  const pair = createPair({ a });
  pair.runUntilIdle();
  ok(kept.every((one) => one.every((byte) => byte === POISON)));
  deepEqual([...pair.z.received[0] ?? []], [1, 2, 3]);
});

Deno.test("a core that writes outside what it is lent fails", () => {
  const z = new class extends ScriptedEndpoint {
    override handleDatagram(bytes: Uint8Array): void {
      new DataView(bytes.buffer).setUint8(0, 1);
    }
  }();
  const pair = createPair({ z });
  pair.inject("z", bytesOf(1));
  throws(() => pair.runUntilIdle(), /Z wrote outside the bytes it was lent/);
});

Deno.test("who keeps the bytes of an event reads poison; the collected events are copies", () => {
  const bytes = bytesOf(1, 2);
  const a = new ScriptedEndpoint<{ readonly bytes: Uint8Array }>();
  let kept: Uint8Array = bytesOf();
  const pair = new Pair({
    seed: 1,
    a,
    z: new ScriptedEndpoint(),
    onEvent: { a: (event) => void (kept = event.bytes) },
  });
  pair.call("a", () => a.events.push({ bytes }));
  bytes.fill(9);
  deepEqual([...kept], [POISON, POISON]);
  deepEqual([...pair.events.a[0]?.bytes ?? []], [1, 2]);
});

Deno.test("a timer that stays due without anything done is a livelock", () => {
  const a = new class extends ScriptedEndpoint {
    override handleTimeout(): void {}
  }();
  a.timeout = 5;
  throws(() => createPair({ a }).runFor(10), /livelock: A was called for its timeout at 5 ms/);
});

Deno.test("timers that are past for ever are a livelock", () => {
  const a = new class extends ScriptedEndpoint {
    override handleTimeout(now: Instant): void {
      this.timeout = (this.timeout ?? now) - 1;
    }
  }();
  a.timeout = 5;
  throws(() => createPair({ a }).runFor(10), /livelock: more than 100000 things/);
});

Deno.test("a core that always has more to send is a livelock", () => {
  const a = new class extends ScriptedEndpoint {
    override pollTransmit = (): Transmit => ({ length: 1, segmentSize: 1 });
  }();
  throws(() => createPair({ a, maxWorkPerInstant: 50 }).runFor(1), /livelock: more than 50 things/);
});

Deno.test("two cores that answer each other with no time between are a livelock", () => {
  class Echo extends ScriptedEndpoint {
    override handleDatagram(bytes: Uint8Array): void {
      this.batches.push({ bytes: bytes.slice() });
    }
  }
  const pair = createPair({ a: new Echo(), z: new Echo(), maxWorkPerInstant: 1000 });
  pair.inject("a", bytesOf(1));
  throws(() => pair.runFor(1), /livelock/);
});

Deno.test("a timeout that is no time fails", () => {
  for (const timeout of [NaN, Infinity]) {
    const pair = createPair();
    pair.a.timeout = timeout;
    throws(() => pair.runFor(1), /A asks for a timeout at/);
  }
});

Deno.test("an error that a core throws fails the run and is its cause", () => {
  const cause = new RangeError("offset is out of bounds");
  const z = new class extends ScriptedEndpoint {
    override handleDatagram(): void {
      throw cause;
    }
  }();
  const pair = createPair({ z });
  pair.inject("z", bytesOf(1));
  throws(() => pair.runUntilIdle(), (error) => {
    ok(error instanceof SimulationError);
    equal(error.cause, cause);
    match(error.message, /offset is out of bounds/);
    return true;
  });
});

Deno.test("a failure tells seed, time, how to replay it, and what happened last", () => {
  const pair = createPair({ seed: 4711, names: { a: "client", z: "server" }, traceLines: 2 });
  pair.a.batches.push({ bytes: bytesOf(1, 2) });
  pair.a.timeout = 12.5;
  throws(() => pair.run({ until: () => false }), (error) => {
    ok(error instanceof SimulationError);
    equal(error.seed, 4711);
    equal(error.at, 12.5);
    deepEqual(error.message.split("\n"), [
      "At 12.500 ms of virtual time, seed=4711: came to rest before it was done: " +
      "nothing under way, no timer armed",
      `Replay it: SIM_SEED=4711 deno test -A --filter "<the test's name>" tests/`,
      "The last 2 of 3 things that happened:",
      "       0.000 client>server #0 arrives 2 B",
      "      12.500 client timeout",
    ]);
    return true;
  });
});

Deno.test("a failure shows the last 50 lines unless told otherwise", () => {
  const pair = createPair();
  for (let count = 0; count < 100; count++) pair.a.batches.push({ bytes: bytesOf(1) });
  throws(() => pair.run({ until: () => false }), (error) => {
    ok(error instanceof SimulationError);
    equal(error.message.split("\n").length, 3 + 50);
    return true;
  });
});

Deno.test("an assertion is explained by what happened", () => {
  const pair = createPair();
  pair.inject("z", bytesOf(1));
  pair.runUntilIdle();
  throws(
    () => pair.explain(() => equal(pair.z.received.length, 2, "not both")),
    /^SimulationError: At 0.000 ms of virtual time, seed=1: not both\n(?:.*\n)*.* Z is injected 1 B$/,
  );
});

Deno.test("a run that takes too long fails, and time stands where it was given up", () => {
  const pair = createPair();
  const beat = (instant: Instant) => pair.at(instant, () => beat(instant + 300));
  beat(0);
  const run = () => pair.run({ until: () => false, maxVirtualMs: 1000 });
  throws(run, /was not done within 1000 ms/);
  equal(pair.now, 1000);
});

Deno.test("a run returns as soon as its condition holds", () => {
  const pair = createPair({ impairments: { delayMs: 10 } });
  pair.a.batches.push({ bytes: bytesOf(1) }, { bytes: bytesOf(2) });
  equal(pair.run({ until: ({ z }) => z.received.length === 1 }), 10);
  equal(pair.z.received.length, 1);
  equal(pair.run({ until: () => true }), 0);
});

Deno.test("time passes though nothing happens", () => {
  const pair = createPair();
  pair.runFor(1234);
  equal(pair.now, 1234);
});

Deno.test("a run within a run is refused, a call within a call is not", () => {
  const pair = createPair();
  pair.at(1, () => pair.runFor(1));
  throws(() => pair.runFor(5), /Running a pair from within its own run/);
  const other = createPair({
    onEvent: {
      a: (_, pair) => void pair.call("z", (z) => z.events.push("y")),
    },
  });
  other.call("a", (a) => a.events.push("x"));
  deepEqual(other.events, { a: ["x"], z: ["y"] });
});

Deno.test("injected datagrams come beside the lanes, marked as such", () => {
  const pair = createPair({ impairments: { loss: 1 } });
  const seen: Pick<TappedDatagram, "stage" | "from" | "at">[] = [];
  pair.tap(({ stage, from, at }) => seen.push({ stage, from, at }));
  const bytes = bytesOf(5);
  pair.inject("z", bytes, { afterMs: 3 });
  bytes.fill(0);
  pair.runUntilIdle();
  deepEqual(pair.z.received.map((one) => [...one]), [[5]]);
  deepEqual(seen, [{ stage: "injected", from: "a", at: 3 }]);
});

Deno.test("taps see all that is sent and all that arrives", () => {
  const pair = createPair({ aToZ: { delayMs: 5 }, verdict: dropAt([1]) });
  const seen: string[] = [];
  pair.tap(({ stage, from, at, bytes }) => seen.push(`${stage} from ${from} at ${at}: ${bytes}`));
  const recorded = pair.recordSent();
  pair.a.batches.push({ bytes: bytesOf(1, 1) }, { bytes: bytesOf(2, 2) });
  pair.z.batches.push({ bytes: bytesOf(3, 3) });
  pair.runUntilIdle();
  deepEqual(seen, [
    "sent from a at 0: 1,1",
    "sent from a at 0: 2,2",
    "sent from z at 0: 3,3",
    "arrived from z at 0: 3,3",
    "arrived from a at 5: 1,1",
  ]);
  deepEqual(recorded.map(({ from, bytes }) => [from, ...bytes]), [
    ["a", 1, 1],
    ["a", 2, 2],
    ["z", 3, 3],
  ]);
});

Deno.test("a verdict counts datagrams of both directions, and of each", () => {
  const asked: string[] = [];
  const pair = createPair({
    impairments: { delayMs: 1 },
    verdict: ({ from, index, indexFromEnd }) => {
      asked.push(`${index}: ${from}${indexFromEnd}`);
      return "pass";
    },
  });
  pair.a.batches.push({ bytes: bytesOf(1) }, { bytes: bytesOf(2) });
  pair.z.batches.push({ bytes: bytesOf(3) });
  pair.at(5, ({ a }) => void a.batches.push({ bytes: bytesOf(4) }));
  pair.runUntilIdle();
  deepEqual(asked, ["0: a0", "1: a1", "2: z0", "3: a2"]);
});

Deno.test("both directions are cut and healed", () => {
  const pair = createPair();
  const send = () => {
    pair.a.batches.push({ bytes: bytesOf(1) });
    pair.z.batches.push({ bytes: bytesOf(2) });
    pair.runUntilIdle();
    return [pair.a.received.length, pair.z.received.length];
  };
  pair.cut();
  deepEqual(send(), [0, 0]);
  pair.heal();
  deepEqual(send(), [1, 1]);
});
