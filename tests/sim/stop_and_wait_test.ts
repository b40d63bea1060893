import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { Instant } from "../../src/sans_io.ts";
import type { Impairments } from "./impairments.ts";
import { Pair } from "./pair.ts";
import { Random } from "./random.ts";
import { forSeeds } from "./seeds.ts";
import { StopAndWaitReceiver, StopAndWaitSender } from "./stop_and_wait.ts";
import { dropAt, singlesAndPairs } from "./verdict.ts";

type TransferPair = Pair<StopAndWaitSender, StopAndWaitReceiver>;

const badWeather: Impairments = {
  delayMs: 30,
  jitterMs: 20,
  loss: 0.2,
  reorder: { probability: 0.1, extraDelayMs: 150 },
  duplicate: 0.05,
  corrupt: 0.05,
};

const content = new Random("content").bytes(2000);

/** Forgets to arm its timer again after it has fired once. */
class ForgetfulSender extends StopAndWaitSender {
  #hasFired = false;

  override handleTimeout(now: Instant): void {
    super.handleTimeout(now);
    this.#hasFired = true;
  }

  override nextTimeout(): Instant | undefined {
    return this.#hasFired ? undefined : super.nextTimeout();
  }
}

/** Hands out a view of the datagram it was lent. */
class ViewKeepingReceiver extends StopAndWaitReceiver {
  protected override keep(chunk: Uint8Array): Uint8Array {
    return chunk;
  }
}

function createTransfer(seed: number, impairments: Impairments, sender?: StopAndWaitSender) {
  return new Pair({
    seed,
    a: sender ?? new StopAndWaitSender(content),
    z: new StopAndWaitReceiver(),
    impairments,
    invariant: verifyPrefix,
  });
}

const isFinished = ({ a }: TransferPair) => a.isFinished;

function receivedBy(pair: TransferPair): Uint8Array {
  return new Uint8Array(
    pair.events.z.flatMap((event) => event.name === "chunk" ? [...event.bytes] : []),
  );
}

/** What has come out is how what went in starts; and nothing is acknowledged that did not arrive. */
function verifyPrefix(pair: TransferPair): void {
  const chunks = pair.events.z.filter(({ name }) => name === "chunk");
  const last = chunks.at(-1);
  if (last?.name === "chunk") {
    const start = (chunks.length - 1) * 100;
    deepEqual(last.bytes, content.slice(start, start + 100), `chunk ${chunks.length - 1}`);
  }
  ok(pair.a.acknowledgedCount <= chunks.length, "acknowledged before it arrived");
}

Deno.test("a transfer over a perfect link takes one round trip a chunk", () => {
  const pair = createTransfer(1, { delayMs: 25 });
  equal(pair.run({ until: isFinished }), 20 * 50);
  deepEqual(receivedBy(pair), content);
  deepEqual(pair.events.a, [{ name: "finished" }]);
  equal(pair.sentCount, 40);
});

Deno.test("completes under loss, reordering, duplication and corruption", () => {
  forSeeds(200, (seed) => {
    const pair = createTransfer(seed, badWeather);
    pair.run({ until: isFinished, maxVirtualMs: 30_000 });
    deepEqual(receivedBy(pair), content);
    pair.runUntilIdle();
  }, { test: "completes under loss, reordering, duplication and corruption" });
});

Deno.test("completes through bursts of loss and an outage", () => {
  forSeeds(50, (seed) => {
    const pair = createTransfer(seed, {
      delayMs: 30,
      burstLoss: { enterBad: 0.05, leaveBad: 0.3 },
      cuts: [{ from: 300, until: 5300 }],
    });
    ok(pair.run({ until: isFinished }) > 5300);
    deepEqual(receivedBy(pair), content);
  });
});

Deno.test("the same seed gives the same run, another seed another", () => {
  const linesOf = (seed: number) => {
    const pair = new Pair({
      seed,
      a: new StopAndWaitSender(content),
      z: new StopAndWaitReceiver(),
      impairments: badWeather,
      traceLines: 100_000,
    });
    pair.runUntilIdle();
    return pair.trace.lines();
  };
  const lines = linesOf(5);
  ok(lines.length > 200);
  deepEqual(linesOf(5), lines);
  ok(linesOf(6).join() !== lines.join());
});

Deno.test("a run does not depend on when it starts", () => {
  const durations = [0, 1, 2 ** 31, 2 ** 40].map((startAt) =>
    new Pair({
      seed: 3,
      a: new StopAndWaitSender(content),
      z: new StopAndWaitReceiver(),
      impairments: { delayMs: 32, loss: 0.2 },
      startAt,
    }).run({ until: isFinished })
  );
  equal(new Set(durations).size, 1);
});

Deno.test("survives every single and every pair of drops among the first 40 datagrams", () => {
  for (const indices of singlesAndPairs(40)) {
    const pair = new Pair({
      seed: 1,
      a: new StopAndWaitSender(content),
      z: new StopAndWaitReceiver(),
      impairments: { delayMs: 10 },
      verdict: dropAt(indices),
    });
    pair.run({ until: isFinished, maxVirtualMs: 5000 });
    deepEqual(receivedBy(pair), content, `dropped ${indices}`);
  }
});

Deno.test("a sender that does not arm its timer again is caught at rest", () => {
  throws(
    () =>
      forSeeds(200, (seed) => {
        const pair = createTransfer(seed, badWeather, new ForgetfulSender(content));
        pair.run({ until: isFinished, maxVirtualMs: 30_000 });
      }),
    /^SimulationError: At [\d.]+ ms of virtual time, seed=\d+: came to rest before it was done/,
  );
});

Deno.test("a receiver that keeps a view is caught by the invariant", () => {
  const pair: TransferPair = new Pair({
    seed: 1,
    a: new StopAndWaitSender(content),
    z: new ViewKeepingReceiver(),
    impairments: { delayMs: 10 },
    invariant: verifyPrefix,
  });
  throws(() => pair.run({ until: isFinished }), /seed=1: chunk 0/);
});
