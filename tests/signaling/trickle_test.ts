import assert from "node:assert/strict";
import fc from "fast-check";
import { type Candidate, writeCandidate } from "../../src/link/session_description.ts";
import { addCandidates, CandidateBatcher } from "../../src/signaling/trickle.ts";
import { FakeLink } from "../fakes/link_pair.ts";
import { descriptionWithCandidates, sampleDescription } from "../fakes/sample_description.ts";

interface Batch {
  readonly candidates: readonly string[];
  readonly isLast: boolean;
}

/** Timers that run when the test says so. */
class ManualTimers implements Disposable {
  readonly #real = { setTimeout, clearTimeout };
  readonly #due = new Map<number, () => void>();
  /** Of each that was set, in ms. */
  readonly delays: (number | undefined)[] = [];
  #count = 0;

  constructor() {
    const set = (step: () => void, delay?: number) => {
      this.delays.push(delay);
      this.#due.set(++this.#count, step);
      return this.#count;
    };
    const clear = (id?: number) => this.#due.delete(id ?? 0);
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }

  /** How many wait. */
  get count(): number {
    return this.#due.size;
  }

  /** Runs those that wait. */
  pass(): void {
    const steps = [...this.#due.values()];
    this.#due.clear();
    steps.forEach((step) => step());
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}

/** A batcher, what it has sent, and its timers. */
function batching(): {
  batcher: CandidateBatcher;
  sent: Batch[];
  timers: ManualTimers;
} & Disposable {
  const timers = new ManualTimers();
  const sent: Batch[] = [];
  const batcher = new CandidateBatcher((batch) => sent.push(batch));
  return { batcher, sent, timers, [Symbol.dispose]: () => timers[Symbol.dispose]() };
}

function candidates(count: number): readonly Candidate[] {
  return descriptionWithCandidates(count).candidates;
}

const [first, second] = candidates(2) as [Candidate, Candidate];

Deno.test("candidates are kept back until the description is under way", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  batcher.take(first);
  batcher.take(undefined);
  assert.deepEqual([timers.count, sent], [0, []]);
  batcher.open();
  timers.pass();
  assert.deepEqual(sent, [{ candidates: [writeCandidate(first)], isLast: true }]);
});

Deno.test("candidates that come together travel together, later ones apart", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  batcher.open();
  batcher.take(first);
  batcher.take(second);
  assert.deepEqual([timers.count, sent], [1, []]);
  timers.pass();
  batcher.take(first);
  timers.pass();
  assert.deepEqual(sent, [
    { candidates: [first, second].map(writeCandidate), isLast: false },
    { candidates: [writeCandidate(first)], isLast: false },
  ]);
});

Deno.test("the end is told even where no candidate came", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  batcher.open();
  batcher.take(undefined);
  timers.pass();
  assert.deepEqual(sent, [{ candidates: [], isLast: true }]);
  assert.equal(timers.count, 0);
});

Deno.test("the last is not waited for after", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  batcher.open();
  batcher.take(first);
  assert.equal(timers.delays.at(-1), 20);
  batcher.take(undefined);
  assert.deepEqual([timers.count, timers.delays.at(-1)], [1, 0]);
  timers.pass();
  assert.deepEqual(sent, [{ candidates: [writeCandidate(first)], isLast: true }]);
});

Deno.test("what is found before a description is sent goes along with it, and not again", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  const description = { ...sampleDescription, candidates: [first], hasAllCandidates: false };
  batcher.take(second);
  assert.deepEqual(batcher.complete(description), { ...description, candidates: [first, second] });
  assert.deepEqual(batcher.complete(description), description);
  batcher.take(undefined);
  assert.deepEqual(batcher.complete(description), { ...description, hasAllCandidates: true });
  batcher.open();
  timers.pass();
  assert.deepEqual(sent, []);
});

Deno.test("what a description has no room for is sent after it", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  const description = descriptionWithCandidates(32);
  batcher.take(first);
  assert.deepEqual(batcher.complete(description), description);
  batcher.open();
  timers.pass();
  assert.deepEqual(sent, [{ candidates: [writeCandidate(first)], isLast: false }]);
});

Deno.test("where nothing is found, nothing is sent and no timer runs", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  batcher.open();
  assert.deepEqual([timers.count, sent], [0, []]);
});

Deno.test("a batch has 32 candidates at most", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  const found = candidates(40);
  found.forEach((candidate) => batcher.take(candidate));
  batcher.open();
  timers.pass();
  assert.deepEqual(sent.map(({ candidates }) => candidates), [
    found.slice(0, 32).map(writeCandidate),
  ]);
});

Deno.test("a closed batcher drops what it holds and takes no more", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  batcher.open();
  batcher.take(first);
  batcher.close();
  batcher.take(second);
  batcher.take(undefined);
  timers.pass();
  assert.deepEqual([timers.count, sent], [0, []]);
});

/** What a link is given of a message's body. */
function given(body: unknown): (Candidate | undefined)[] {
  const link = new FakeLink();
  addCandidates(link, body);
  return link.candidates;
}

Deno.test("a link is given what a batcher sent, and the end", () => {
  using stage = batching();
  const { batcher, sent, timers } = stage;
  const found = candidates(32);
  found.forEach((candidate) => batcher.take(candidate));
  batcher.take(undefined);
  batcher.open();
  timers.pass();
  const [batch] = JSON.parse(JSON.stringify(sent));
  assert.deepEqual(given(batch), [...found, undefined]);
  assert.deepEqual(given({ ...batch, isLast: false }), found);
});

const good = writeCandidate(first);

Deno.test("candidates that cannot be used are left out of a batch", () => {
  const unusable = [
    ...["", "candidate:", `a=${good}`, `${good}\r\na=setup:active`, good.replace(" udp ", " tcp ")],
    ...[good.replace(first.address, "224.0.0.1"), good.replace(first.address, "x.local")],
    ...[good.replace(/ \d+ typ/, " 65536 typ"), good.replace(/ \d+ typ/, " 0 typ")],
    ...[7, null, {}, [good], { candidate: good }],
  ];
  const usable = unusable.filter((each) => given({ candidates: [each], isLast: false }).length > 0);
  // What stands behind a candidate is not read, and goes nowhere.
  assert.deepEqual(usable.filter((each) => each !== `${good}\r\na=setup:active`), []);
  assert.deepEqual(given({ candidates: [...unusable.slice(0, 1), good], isLast: true }), [
    first,
    undefined,
  ]);
});

Deno.test("a body that is no batch is ignored whole", () => {
  const bodies: unknown[] = [
    ...[undefined, null, true, 7, "", good, [], [good], {}],
    ...[{ candidates: [good] }, { isLast: true }, { candidates: good, isLast: true }],
    ...[{ candidates: { length: 1, 0: good }, isLast: true }, { candidates: null, isLast: true }],
    ...[0, 1, "true", null].map((isLast) => ({ candidates: [good], isLast })),
    { candidates: Array(33).fill(good), isLast: true },
  ];
  for (const body of bodies) assert.deepEqual(given(body), [], JSON.stringify(body));
});

const batchLike = fc.record({
  candidates: fc.oneof(
    fc.array(fc.oneof(fc.string(), fc.string().map((end) => good + end), fc.jsonValue()), {
      maxLength: 40,
    }),
    fc.jsonValue(),
  ),
  isLast: fc.oneof(fc.boolean(), fc.jsonValue()),
}, { requiredKeys: [] });

Deno.test("no body makes it throw, or gives a link more than 32 candidates and an end", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.anything(), batchLike), (body) => {
      const taken = given(body);
      assert.ok(taken.length <= 33);
      assert.ok(taken.slice(0, -1).every((candidate) => candidate !== undefined));
    }),
    { numRuns: 5_000 },
  );
});
