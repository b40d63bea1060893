import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Link } from "../../src/link/link.ts";
import { TtySignaling } from "../../src/signaling/tty_signaling.ts";
import { FakeExchange, FakeLinkFactory } from "../fakes/link_factory.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";

/** Text that a test types or pastes. */
class PastedInput implements AsyncIterable<string> {
  readonly #pieces: string[] = [];
  #isEnded = false;
  #wake: (() => void) | undefined;

  paste(text: string): void {
    this.#pieces.push(text);
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    while (true) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) yield piece;
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

/** One node's exchange, its terminal and its links. */
class Terminal implements Disposable {
  readonly printed: string[] = [];
  readonly links = new Set<Link>();
  readonly factory: FakeLinkFactory;
  readonly ended: Promise<string>;
  readonly #input = new PastedInput();
  readonly #signaling: TtySignaling;
  readonly #waiting = new Set<() => void>();

  constructor(
    exchange: FakeExchange,
    { isOffering = true, exitOnFailure = false, firstSessionId = 100 }: {
      readonly isOffering?: boolean;
      readonly exitOnFailure?: boolean;
      readonly firstSessionId?: number;
    },
  ) {
    this.factory = new FakeLinkFactory(exchange, { firstSessionId });
    this.#signaling = new TtySignaling({
      factory: this.factory,
      isOffering,
      exitOnFailure,
      input: this.#input,
      print: (text) => {
        this.printed.push(text);
        this.#wakeAll();
      },
      adopt: (link, observer) => {
        this.links.add(link);
        link.handler = {
          handleUp: () => observer.handleUp(),
          handleChannel: () => {},
          handleClosed: (reason) => {
            this.links.delete(link);
            observer.handleClosed(reason);
          },
        };
        this.#wakeAll();
      },
    });
    this.ended = this.#signaling.run();
  }

  /** The `count`th text it printed, once it has. */
  async print(count: number): Promise<string> {
    while (true) {
      const text = this.printed[count - 1];
      if (text !== undefined) return text;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Returns once it has a link. */
  async linked(): Promise<void> {
    while (this.links.size === 0) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  paste(text: string): void {
    this.#input.paste(`${text}\n`);
  }

  endInput(): void {
    this.#input.end();
  }

  /** Its only link. */
  get link(): Link | undefined {
    equal(this.links.size, 1);
    return [...this.links][0];
  }

  [Symbol.dispose](): void {
    this.#signaling.close();
    this.#input.end();
  }

  #wakeAll(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** Lets everything happen that is not waiting for the outside. */
async function quiet(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

async function twoOfferers(ids: { a: number; z: number }) {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  const a = new Terminal(exchange, { firstSessionId: ids.a });
  const z = new Terminal(exchange, { firstSessionId: ids.z });
  const offers = { a: await a.print(1), z: await z.print(1) };
  const dispose = () => {
    a[Symbol.dispose]();
    z[Symbol.dispose]();
  };
  return { log, exchange, a, z, offers, [Symbol.dispose]: dispose };
}

/** An offerer and an answerer with a link between them that is up. */
async function linkedPair(options: { readonly exitOnFailure?: boolean } = {}) {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  const a = new Terminal(exchange, { firstSessionId: 100, ...options });
  const z = new Terminal(exchange, { firstSessionId: 200, isOffering: false, ...options });
  z.paste(await a.print(1));
  a.paste(await z.print(1));
  await log.next("answer-accepted");
  exchange.connect();
  const dispose = () => {
    a[Symbol.dispose]();
    z[Symbol.dispose]();
  };
  return { log, exchange, a, z, [Symbol.dispose]: dispose };
}

Deno.test("a node that forwards prints an offer at start", async () => {
  await LogRecorder.start();
  using node = new Terminal(new FakeExchange(), {});
  match(await node.print(1), /^aetherport-offer:/);
});

Deno.test("a node that only allows prints nothing, and says what to do", async () => {
  const log = await LogRecorder.start();
  using node = new Terminal(new FakeExchange(), { isOffering: false });
  match(lineOf(await log.next("awaiting-offer")), /Paste/);
  await quiet();
  deepEqual(node.printed, []);
});

Deno.test("offer and answer make a link", async () => {
  using pair = await linkedPair();
  const { a, z } = pair;
  match(z.printed[0] ?? "", /^aetherport-answer:/);
  equal(a.link?.state, "up");
  equal(z.link?.state, "up");
  equal(a.printed.length, 1);
  equal(z.printed.length, 1);
});

Deno.test("a pasted offer withdraws the own one", async () => {
  using pair = await twoOfferers({ a: 100, z: 200 });
  const { log, exchange, a, z, offers } = pair;
  z.paste(offers.a);
  const answer = await z.print(2);
  match(answer, /^aetherport-answer:/);
  equal(log.of("offer-withdrawn").length, 1);
  a.paste(answer);
  await a.linked();
  exchange.connect();
  equal(a.link?.state, "up");
  equal(z.link?.state, "up");
});

Deno.test("an offer that was withdrawn is freed once the link is up", async () => {
  using pair = await twoOfferers({ a: 100, z: 200 });
  const { exchange, a, z, offers } = pair;
  z.paste(offers.a);
  a.paste(await z.print(2));
  await a.linked();
  exchange.connect();
  await quiet();
  deepEqual(z.factory.withdrawn, ["200"]);
});

Deno.test("an offer that waits is freed when the exchange is closed", async () => {
  await LogRecorder.start();
  const node = new Terminal(new FakeExchange(), { firstSessionId: 100 });
  await node.print(1);
  node[Symbol.dispose]();
  deepEqual(node.factory.withdrawn, ["100"]);
});

Deno.test("the own offer pasted back is not answered", async () => {
  const log = await LogRecorder.start();
  using node = new Terminal(new FakeExchange(), {});
  const offer = await node.print(1);
  node.paste(offer);
  match(lineOf(await log.next("own-offer")), /other node/);
  equal(node.printed.length, 1);
  deepEqual(node.factory.withdrawn, []);
});

Deno.test("the own offer pasted back is known after it was withdrawn, too", async () => {
  using pair = await twoOfferers({ a: 100, z: 200 });
  const { log, z, offers } = pair;
  z.paste(offers.a);
  await z.print(2);
  z.paste(offers.z);
  await quiet();
  equal(log.of("own-offer").length, 1);
  equal(z.printed.length, 2);
});

Deno.test("an offer that is pasted twice is answered once", async () => {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  using a = new Terminal(exchange, { firstSessionId: 100 });
  using z = new Terminal(exchange, { firstSessionId: 200, isOffering: false });
  const offer = await a.print(1);
  z.paste(`${offer}\n${offer}`);
  await log.next("answered");
  equal(z.printed.length, 1);
  equal(z.links.size, 1);
});

Deno.test("an answer to another offer is refused with a message, and the right one is taken", async () => {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  using a = new Terminal(exchange, { firstSessionId: 100 });
  using other = new Terminal(exchange, { firstSessionId: 300 });
  using z = new Terminal(exchange, { firstSessionId: 200, isOffering: false });
  z.paste(await other.print(1));
  const wrongAnswer = await z.print(1);
  const offer = await a.print(1);
  a.paste(wrongAnswer);
  match(lineOf(await log.next("bad-paste")), /another offer/);
  equal(a.links.size, 0);
  z.paste(offer);
  a.paste(await z.print(2));
  await a.linked();
});

Deno.test("an answer where none was asked for is refused with a message", async () => {
  using pair = await linkedPair();
  const { log, a, z } = pair;
  a.paste(z.printed[0] ?? "");
  await log.next("bad-paste", 1);
  z.paste(z.printed[0] ?? "");
  await log.next("bad-paste", 2);
  equal(a.links.size, 1);
});

Deno.test("bad text is said to be bad, and the good text after it is taken", async () => {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  using a = new Terminal(exchange, { firstSessionId: 100 });
  using z = new Terminal(exchange, { firstSessionId: 200, isOffering: false });
  const offer = await a.print(1);
  const bad: [text: string, kind: string][] = [
    ["hello", "wrong"],
    [`${offer.slice(0, -20)}:aetherport-end`, "truncated"],
    [offer.replace(/.{3}:aetherport-end/, "AAA:aetherport-end"), "damaged"],
  ];
  for (const [position, [text, kind]] of bad.entries()) {
    z.paste(text);
    const { properties } = await log.next("bad-paste", position + 1);
    equal(properties.kind, kind);
  }
  z.paste(offer);
  a.paste(await z.print(1));
  await a.linked();
});

Deno.test("a second peer's offer is taken at any time", async () => {
  using pair = await linkedPair();
  const { exchange, z } = pair;
  using second = new Terminal(exchange, { firstSessionId: 300 });
  z.paste(await second.print(1));
  second.paste(await z.print(2));
  await second.linked();
  exchange.connect();
  equal(z.links.size, 2);
  ok([...z.links].every(({ state }) => state === "up"));
});

Deno.test("a linked node that forwards takes a second peer's offer, too", async () => {
  using pair = await linkedPair();
  const { exchange, a } = pair;
  using second = new Terminal(exchange, { firstSessionId: 300 });
  a.paste(await second.print(1));
  second.paste(await a.print(2));
  await second.linked();
  exchange.connect();
  equal(a.links.size, 2);
});

Deno.test("prints a new offer after the link of its own offer has died", async () => {
  using pair = await linkedPair();
  const { log, exchange, a, z } = pair;
  using second = new Terminal(exchange, { firstSessionId: 300 });
  a.paste(await second.print(1));
  second.paste(await a.print(2));
  await log.next("answer-accepted", 2);
  exchange.connect();
  const [first, last] = [...a.links];
  await first?.close("gone");
  const offer = await a.print(3);
  await last?.close("gone");
  await quiet();
  equal(a.printed.length, 3);
  match(offer, /^aetherport-offer:/);
  z.paste(offer);
  a.paste(await z.print(2));
  await a.linked();
  exchange.connect();
  equal(a.link?.state, "up");
});

Deno.test("a node that only allows asks for an offer after the last link has died", async () => {
  using pair = await linkedPair();
  const { log, z } = pair;
  await z.link?.close("gone");
  await log.next("awaiting-offer", 2);
  equal(z.printed.length, 1);
});

Deno.test("ends when the link fails where it is to", async () => {
  using pair = await linkedPair({ exitOnFailure: true });
  const { a, z } = pair;
  await a.link?.close("no path to the other node was found");
  equal(await a.ended, "no path to the other node was found");
  equal(await z.ended, "the other node closed the link");
  equal(a.printed.length, 1);
});

Deno.test("input that ends before the exchange ends it", async () => {
  for (const isOffering of [true, false]) {
    await LogRecorder.start();
    using node = new Terminal(new FakeExchange(), { isOffering });
    node.endInput();
    match(await node.ended, /stdin ended before/);
  }
});

Deno.test("input that ends with a text that is cut short says both", async () => {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  using a = new Terminal(exchange, { firstSessionId: 100 });
  using z = new Terminal(exchange, { firstSessionId: 200, isOffering: false });
  z.paste((await a.print(1)).slice(0, 60));
  z.endInput();
  match(await z.ended, /stdin ended before/);
  equal(log.of("bad-paste")[0]?.properties.kind, "truncated");
});

Deno.test("input that ends right after the offer still lets the link come up", async () => {
  const log = await LogRecorder.start();
  const exchange = new FakeExchange();
  using a = new Terminal(exchange, { firstSessionId: 100 });
  using z = new Terminal(exchange, { firstSessionId: 200, isOffering: false });
  z.paste(await a.print(1));
  z.endInput();
  a.paste(await z.print(1));
  a.endInput();
  await log.next("answer-accepted");
  exchange.connect();
  await quiet();
  equal(await Promise.race([a.ended, z.ended, Promise.resolve("goes on")]), "goes on");
  equal(a.link?.state, "up");
});

Deno.test("a link that dies after the input has ended ends it all", async () => {
  using pair = await linkedPair();
  const { a, z } = pair;
  a.endInput();
  z.endInput();
  await quiet();
  await a.link?.close("gone");
  match(await a.ended, /^gone, and stdin has ended$/);
  match(await z.ended, /stdin has ended$/);
});

Deno.test("an offer that cannot be used ends nothing", async () => {
  using pair = await linkedPair();
  const { log, exchange, z } = pair;
  using second = new Terminal(exchange, { firstSessionId: 300 });
  const offer = await second.print(1);
  z.factory.acceptOfferError = new Error("an offer that the stack cannot use");
  z.paste(offer);
  const next = Promise.race([
    z.ended.then((reason) => `it ended: ${reason}`),
    log.next("bad-paste").then(() => "it said so"),
  ]);
  equal(await next, "it said so");
  z.paste(offer);
  match(await z.print(2), /^aetherport-answer:/);
});

/** Both nodes have answered each other's offer. */
async function glare(ids: { a: number; z: number }) {
  const both = await twoOfferers(ids);
  both.a.paste(both.offers.z);
  both.z.paste(both.offers.a);
  const answers = { a: await both.a.print(2), z: await both.z.print(2) };
  return { ...both, answers };
}

/** The ends agree: one link each is up, and they are joined with each other. */
function assertSameLink(a: Terminal, z: Terminal): void {
  const [one, other] = [a.factory.links, z.factory.links].map((links) =>
    links.filter(({ state }) => state === "up")
  );
  equal(one?.length, 1);
  equal(other?.length, 1);
  equal(one?.[0]?.other, other?.[0]);
}

for (const ids of [{ a: 100, z: 200 }, { a: 200, z: 100 }]) {
  const which = ids.a < ids.z ? "lower" : "higher";

  Deno.test(`where both answered each other, both keep the same link (A has the ${which} id)`, async () => {
    for (const order of [["a", "z"], ["z", "a"]] as const) {
      for (const connectsBetween of [false, true]) {
        using pair = await glare(ids);
        const { exchange, a, z, answers } = pair;
        for (const receiver of order) {
          if (receiver === "a") a.paste(answers.z);
          else z.paste(answers.a);
          await quiet();
          if (connectsBetween) exchange.connect();
          await quiet();
        }
        exchange.connect();
        await quiet();
        assertSameLink(a, z);
      }
    }
  });

  Deno.test(`where both answered each other, one answer is enough (A has the ${which} id)`, async () => {
    using pair = await glare(ids);
    const { exchange, a, z, answers } = pair;
    z.paste(answers.a);
    await quiet();
    exchange.connect();
    await quiet();
    const up = (node: Terminal) => node.factory.links.filter(({ state }) => state === "up").length;
    deepEqual([up(a), up(z)], [1, 1]);
  });
}

Deno.test("an answer to a withdrawn offer is never passed over in silence", async () => {
  using pair = await glare({ a: 100, z: 200 });
  const { log, a, answers } = pair;
  await a.link?.close("not reached");
  await a.print(3);
  const count = log.records.length;
  a.paste(answers.z);
  await quiet();
  ok(log.records.length > count || a.links.size > 0);
});
