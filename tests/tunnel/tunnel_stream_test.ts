import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  initialCredit,
  type StreamClosed,
  tcpProtocol,
  TunnelStream,
  type TunnelStreamHandler,
} from "../../src/tunnel/tunnel_stream.ts";
import {
  channelPair,
  type FakeChannel,
  type FakeChannelOptions,
  type Lane,
} from "../fakes/channel_pair.ts";

/** What a node lets the other have under way, in bytes (docs of tunnel_stream.ts). */
const receiveWindow = 1_048_576;
const patternLength = 4_194_304;
const pattern = Uint8Array.from({ length: patternLength }, (_, at) => (at * 31 + (at >> 8)) & 255);

/** One end with everything its handler was told. */
class End implements TunnelStreamHandler {
  readonly stream: TunnelStream;
  readonly channel: FakeChannel;
  readonly events: string[] = [];
  readonly clients: (string | undefined)[] = [];
  closed: StreamClosed | undefined;
  receivedLength = 0;
  consumedLength = 0;
  sentLength = 0;
  isEnded = false;
  isPatternKept = true;

  constructor(channel: FakeChannel, role: "opener" | "acceptor") {
    this.channel = channel;
    this.stream = new TunnelStream(channel, { role });
    this.stream.handler = this;
  }

  /** How it ended, if it has. */
  get how(): StreamClosed["how"] | undefined {
    return this.closed?.how;
  }

  handleOpened(): void {
    this.events.push("opened");
  }

  handleClient(client: string | undefined): void {
    this.clients.push(client);
  }

  handlePayload(bytes: Uint8Array, start: number, end: number): void {
    this.events.push("payload");
    const expected = pattern.subarray(this.receivedLength, this.receivedLength + end - start);
    this.isPatternKept &&= expected.every((byte, at) => byte === bytes[start + at]);
    this.receivedLength += end - start;
  }

  handleBatchEnd(): void {}

  handleEnd(): void {
    this.events.push("end");
    this.isEnded = true;
  }

  handleWritable(): void {
    this.events.push("writable");
  }

  handleClosed(closed: StreamClosed): void {
    this.events.push(`closed ${closed.how}`);
    this.closed = closed;
  }

  handleReleased(): void {
    this.events.push("released");
  }

  /** Sends the next bytes of the pattern, as many as may be sent and at most so many. */
  send(length = Infinity): number {
    const count = Math.min(this.stream.sendableLength, length);
    if (count > 0) this.stream.send(pattern, this.sentLength, this.sentLength + count);
    this.sentLength += count;
    return count;
  }

  /** Hands over what came, at most so many bytes. */
  consume(length = Infinity): void {
    const count = Math.min(this.receivedLength - this.consumedLength, length);
    this.consumedLength += count;
    if (count > 0) this.stream.consume(count, 0);
  }

  /** Does what an owner does who has handed everything over. */
  confirm(): void {
    this.consume();
    if (this.isEnded) this.stream.confirmEnd();
  }
}

function streamPair(options: FakeChannelOptions = {}) {
  const pair = channelPair(options);
  return { pair, opener: new End(pair.a, "opener"), acceptor: new End(pair.z, "acceptor") };
}

function openedPair(options: FakeChannelOptions = {}) {
  const made = streamPair(options);
  made.acceptor.stream.accept();
  made.pair.settle();
  return made;
}

/** One stream, and a peer that says whatever the test wants. */
function streamWithPeer(role: "opener" | "acceptor") {
  const pair = channelPair();
  return {
    pair,
    end: new End(role === "opener" ? pair.a : pair.z, role),
    peer: role === "opener" ? pair.z : pair.a,
  };
}

Deno.test("names the target that the opener asks for", () => {
  const { opener, acceptor } = streamPair({ label: "nas.local:80", protocol: tcpProtocol });
  equal(opener.stream.label, "nas.local:80");
  equal(acceptor.stream.label, "nas.local:80");
});

Deno.test("data right after the open arrives before the acceptor has accepted", () => {
  const { pair, opener, acceptor } = streamPair();
  opener.send(5);
  pair.settle();
  deepEqual(acceptor.events, ["payload"]);
  acceptor.stream.accept();
  pair.settle();
  deepEqual(opener.events, ["opened"]);
});

Deno.test("the opener tells its client before anything else, and grants what it has room for", () => {
  const { pair, opener, acceptor } = streamPair();
  opener.stream.introduce("192.0.2.1:1000");
  opener.send(5);
  pair.settle();
  deepEqual(acceptor.clients, ["192.0.2.1:1000"]);
  deepEqual(acceptor.events, ["payload"]);
  deepEqual(pair.a.control, [
    { type: "credit", bytes: receiveWindow - initialCredit, client: "192.0.2.1:1000" },
  ]);
  acceptor.stream.accept();
  pair.settle();
  while (acceptor.send() > 0) pair.settle();
  equal(acceptor.sentLength, receiveWindow);
  equal(opener.receivedLength, receiveWindow);
});

Deno.test("an opener that tells no client is known to by whatever it says first", () => {
  const first: readonly ((end: End) => void)[] = [
    (end) => end.stream.introduce(undefined),
    (end) => end.send(5),
    (end) => end.stream.end(),
    (end) => end.stream.reset("enough"),
  ];
  for (const speak of first) {
    const { pair, opener, acceptor } = streamPair();
    speak(opener);
    opener.stream.introduce("192.0.2.1:1000");
    pair.settle();
    deepEqual(acceptor.clients, [undefined]);
  }
});

Deno.test("a refusal tells the opener why, and both channels close", () => {
  const { pair, opener, acceptor } = streamPair();
  opener.send(5);
  acceptor.stream.refuse("denied", "no --allow names it");
  pair.settle();
  const closed = { how: "refused", code: "denied", reason: "no --allow names it" } as const;
  deepEqual(opener.closed, closed);
  deepEqual(acceptor.closed, closed);
  deepEqual(opener.events, ["closed refused", "released"]);
  ok(pair.a.isClosed && pair.z.isClosed);
  deepEqual(acceptor.events, ["closed refused", "released"]);
});

Deno.test("an end is a half-close: the other way goes on", () => {
  for (const first of ["opener", "acceptor"] as const) {
    const made = openedPair();
    const [one, other] = first === "opener"
      ? [made.opener, made.acceptor]
      : [made.acceptor, made.opener];
    one.send(10);
    one.stream.end();
    made.pair.settle();
    other.confirm();
    made.pair.settle();
    equal(one.how, undefined);
    other.send(100_000);
    made.pair.settle();
    equal(one.receivedLength, 65_536);
    other.stream.end();
    made.pair.settle();
    one.confirm();
    made.pair.settle();
    deepEqual([one.how, other.how], ["finished", "finished"]);
    ok(made.pair.a.isClosed && made.pair.z.isClosed);
  }
});

Deno.test("nothing can be sent after the end", () => {
  const { opener, pair } = openedPair();
  opener.stream.end();
  equal(opener.stream.sendableLength, 0);
  throws(() => opener.stream.send(pattern, 0, 1), RangeError);
  opener.stream.end();
  equal(pair.a.control.filter(({ type }) => type === "end").length, 1);
});

/** Which of both ends first, and which confirms the other's end first. */
const closeOrders = [
  ["opener", "opener"],
  ["opener", "acceptor"],
  ["acceptor", "opener"],
  ["acceptor", "acceptor"],
] as const;

Deno.test("finishes in every order of ends and confirmations", () => {
  for (const [firstEnd, firstConfirm] of closeOrders) {
    for (const settlesBetween of [true, false]) {
      const made = openedPair();
      const step = () => settlesBetween ? made.pair.settle() : undefined;
      made.opener.send(7);
      made.acceptor.send(9);
      made[firstEnd].stream.end();
      step();
      made[firstEnd === "opener" ? "acceptor" : "opener"].stream.end();
      made.pair.settle();
      made[firstConfirm].confirm();
      step();
      made[firstConfirm === "opener" ? "acceptor" : "opener"].confirm();
      made.pair.settle();
      for (const end of [made.opener, made.acceptor]) {
        deepEqual(end.closed, { how: "finished" }, `${firstEnd} ${firstConfirm}`);
        deepEqual(end.events.slice(-2), ["closed finished", "released"]);
        equal(end.channel.isClosed, true);
      }
    }
  }
});

Deno.test("the side for which it is over on receiving closes the channel", () => {
  const { pair, opener, acceptor } = openedPair();
  opener.stream.end();
  acceptor.stream.end();
  pair.settle();
  opener.confirm();
  pair.settle();
  acceptor.confirm();
  equal(acceptor.how, "finished");
  equal(pair.z.isClosed, false, "over on sending: waits");
  pair.fromZ.step();
  equal(opener.how, "finished");
  equal(pair.a.isClosed, true, "over on receiving: closes");
  equal(acceptor.events.includes("released"), false);
  pair.settle();
  equal(acceptor.events.at(-1), "released");
});

Deno.test("an owner that gives up waiting can free the channel", () => {
  const { pair, opener } = openedPair();
  opener.stream.reset("enough");
  equal(pair.a.isClosed, false);
  opener.stream.release();
  equal(pair.a.isClosed, true);
  deepEqual(opener.events.slice(-2), ["closed reset", "released"]);
  opener.stream.release();
  pair.settle();
  equal(opener.events.filter((event) => event === "released").length, 1);
});

Deno.test("a reset tells the other side why and loses what is under way", () => {
  const { pair, opener, acceptor } = openedPair();
  acceptor.send(10);
  opener.stream.reset("the client went away");
  pair.settle();
  const closed = { how: "reset", reason: "the client went away" } as const;
  deepEqual(opener.closed, closed);
  deepEqual(acceptor.closed, closed);
  equal(opener.receivedLength, 0);
  ok(pair.a.isClosed && pair.z.isClosed);
});

Deno.test("both sides may reset at once", () => {
  const { pair, opener, acceptor } = openedPair();
  opener.stream.reset("one");
  acceptor.stream.reset("two");
  pair.settle();
  deepEqual(opener.closed, { how: "reset", reason: "one" });
  deepEqual(acceptor.closed, { how: "reset", reason: "two" });
  for (const end of [opener, acceptor]) {
    deepEqual(end.events.slice(-2), ["closed reset", "released"]);
    equal(end.channel.isClosed, true);
  }
});

Deno.test("a channel closed midway is a reset", () => {
  for (const isFromBelow of [true, false]) {
    const { pair, opener, acceptor } = openedPair();
    opener.send(10);
    if (isFromBelow) pair.die();
    else pair.z.close();
    pair.settle();
    equal(opener.how, "reset");
    deepEqual(opener.events.slice(-2), ["closed reset", "released"]);
    if (isFromBelow) deepEqual(acceptor.events.slice(-2), ["closed reset", "released"]);
  }
});

Deno.test("a channel closed after one end is a reset too", () => {
  const { pair, opener } = openedPair();
  opener.stream.end();
  pair.settle();
  pair.die();
  equal(opener.how, "reset");
});

Deno.test("the handler hears nothing after the end but the release", () => {
  const { pair, opener, acceptor } = openedPair();
  opener.stream.reset("enough");
  const count = opener.events.length;
  acceptor.send(100);
  acceptor.stream.end();
  pair.z.sendText(JSON.stringify({ type: "credit", bytes: 5 }));
  pair.z.sendText("nonsense");
  pair.fromZ.step();
  pair.fromZ.step();
  pair.fromZ.step();
  pair.fromZ.step();
  equal(opener.events.length, count);
  pair.settle();
  deepEqual(opener.events.slice(count), ["released"]);
});

Deno.test("a stream that is over sends nothing more", () => {
  const { pair, opener, acceptor } = openedPair();
  acceptor.send(10);
  pair.settle();
  opener.stream.reset("enough");
  const count = pair.a.sent.length;
  opener.stream.end();
  opener.consume();
  opener.stream.confirmEnd();
  opener.stream.refuse("denied", "late");
  opener.stream.reset("again");
  equal(opener.stream.sendableLength, 0);
  equal(pair.a.sent.length, count);
});

Deno.test("a stream that was broken off while the target was dialled is not opened", () => {
  const { pair, acceptor } = streamPair();
  acceptor.stream.reset("the owner gave up");
  acceptor.stream.accept();
  deepEqual(pair.z.control.map(({ type }) => type), ["reset"]);
});

Deno.test("a sender stops at the credit and goes on when more comes", () => {
  const { pair, opener, acceptor } = openedPair();
  while (opener.send() > 0) pair.settle();
  equal(opener.sentLength, initialCredit);
  equal(acceptor.receivedLength, initialCredit);
  throws(() => opener.stream.send(pattern, 0, 1), RangeError);
  acceptor.consume();
  pair.settle();
  equal(opener.events.at(-1), "writable");
  ok(opener.stream.sendableLength > 0);
});

Deno.test("a receiver that stops consuming blocks the sender at the window", () => {
  const { pair, opener, acceptor } = openedPair();
  opener.send(1_000);
  pair.settle();
  acceptor.consume();
  pair.settle();
  while (opener.send() > 0) pair.settle();
  const underWay = opener.sentLength - acceptor.consumedLength;
  ok(underWay <= receiveWindow, `${underWay} bytes`);
  ok(underWay > receiveWindow / 2, `${underWay} bytes`);
  equal(acceptor.how, undefined);
});

Deno.test("a blocked stream is woken as soon as there is room in the channel", () => {
  const { pair, opener } = openedPair({ capacity: 20_000 });
  while (opener.send() > 0);
  equal(opener.events.includes("writable"), false);
  pair.fromA.step();
  pair.fromA.step();
  equal(opener.events.filter((event) => event === "writable").length, 1);
});

Deno.test("sends no more at once than the channel takes, in messages as long as they may be", () => {
  const { pair, opener } = openedPair({ maxMessageLength: 1_000, capacity: 1_500 });
  throws(() => opener.stream.send(pattern, 0, 1_501), RangeError);
  equal(opener.send(), 1_500);
  equal(opener.send(), 0);
  deepEqual(pair.a.sent.slice(-2), [pattern.slice(0, 1_000), pattern.slice(1_000, 1_500)]);
});

Deno.test("only the bytes between start and end are sent", () => {
  const { pair, opener } = openedPair();
  opener.stream.send(pattern, 5, 8);
  deepEqual(pair.a.sent.at(-1), pattern.slice(5, 8));
});

Deno.test("what was not consumed narrows the link's window", () => {
  const { pair, opener, acceptor } = openedPair();
  opener.send(10_000);
  pair.settle();
  equal(pair.z.unconsumedLength, 10_000);
  acceptor.consume(4_000);
  equal(pair.z.unconsumedLength, 6_000);
  opener.stream.end();
  pair.settle();
  acceptor.consume();
  equal(pair.z.unconsumedLength, 0, "consumed after the end, too");
});

Deno.test("a stream that is over narrows no window, though its channel is still open", () => {
  const { pair, opener, acceptor } = openedPair();
  opener.send(10_000);
  pair.settle();
  acceptor.stream.reset("enough");
  equal(pair.z.isClosed, false);
  equal(pair.z.unconsumedLength, 0, "what was held");
  acceptor.stream.consume(10_000, 0);
  opener.send(5_000);
  pair.fromA.step();
  equal(pair.z.unconsumedLength, 0, "what came after it");
  equal(acceptor.receivedLength, 10_000);
});

Deno.test("a peer that sends beyond its credit is reset", () => {
  const { pair, end, peer } = streamWithPeer("acceptor");
  for (let sent = 0; sent < initialCredit; sent += 16_384) peer.sendBinary(pattern, 0, 16_384);
  pair.settle();
  equal(end.how, undefined);
  peer.sendBinary(pattern, 0, 1);
  pair.settle();
  deepEqual(end.closed, { how: "reset", reason: "payload beyond the credit" });
});

Deno.test("credit beyond all bounds does no harm", () => {
  const { pair, end, peer } = streamWithPeer("acceptor");
  for (let count = 0; count < 10; count++) {
    peer.sendText(JSON.stringify({ type: "credit", bytes: 2 ** 30 }));
  }
  pair.settle();
  equal(end.how, undefined);
  ok(end.stream.sendableLength > 0);
});

const faults: [fact: string, role: "opener" | "acceptor", messages: (string | number)[]][] = [
  ["payload after the end", "acceptor", ['{"type":"end"}', 1]],
  ["a second end", "acceptor", ['{"type":"end"}', '{"type":"end"}']],
  ["a confirmation of no end", "opener", ['{"type":"opened"}', '{"type":"ended"}']],
  ["payload before opened", "opener", [1]],
  ["opened from the opener", "acceptor", ['{"type":"opened"}']],
  ["opened twice", "opener", ['{"type":"opened"}', '{"type":"opened"}']],
  ["a text that is no control message", "acceptor", ["hello"]],
  ["an unknown control message", "acceptor", ['{"type":"window"}']],
  ["credit of zero", "acceptor", ['{"type":"credit","bytes":0}']],
  ["a control message that is too long", "acceptor", [`{"type":"end"${" ".repeat(4_000)}}`]],
];
for (const [fact, role, messages] of faults) {
  Deno.test(`${fact} is answered with a reset`, () => {
    const { pair, end, peer } = streamWithPeer(role);
    for (const one of messages) {
      if (typeof one === "string") peer.sendText(one);
      else peer.sendBinary(pattern, 0, one);
    }
    pair.settle();
    equal(end.how, "reset");
    equal(end.channel.control.at(-1)?.type, "reset");
    equal(end.channel.unconsumedLength, 0);
    equal(end.events.filter((event) => event.startsWith("closed")).length, 1);
  });
}

Deno.test("a second confirmation of the end is answered with a reset", () => {
  const { pair, end, peer } = streamWithPeer("acceptor");
  end.stream.accept();
  end.stream.end();
  peer.sendText('{"type":"ended"}');
  peer.sendText('{"type":"ended"}');
  pair.settle();
  equal(end.how, "reset");
});

Deno.test("empty payload means nothing", () => {
  const { pair, end, peer } = streamWithPeer("acceptor");
  peer.sendBinary(pattern, 0, 0);
  pair.settle();
  deepEqual(end.events, []);
});

const side = fc.constantFrom("opener", "acceptor");
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("send"), side, amount: fc.nat(90_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("consume"), side, amount: fc.nat(90_000) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("deliver"), side, amount: fc.nat(8) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("settle", "end"), side, amount: fc.nat() }),
  },
);

Deno.test("any interleaving delivers every byte once, and finishes on both sides", () => {
  const settings = fc.record({
    capacity: fc.integer({ min: 500, max: 100_000 }),
    maxMessageLength: fc.integer({ min: 1_000, max: 20_000 }),
  });
  const scripts = fc.array(command, { maxLength: 300, size: "max" });
  fc.assert(fc.property(settings, scripts, runScript), { seed: 7, numRuns: 300 });
});

interface Command {
  readonly do: string;
  readonly side: string;
  readonly amount: number;
}

function runScript(options: FakeChannelOptions, script: readonly Command[]): void {
  const { pair, opener, acceptor } = streamPair(options);
  let isAccepted = false;
  for (const { do: what, side, amount } of script) {
    const end = side === "opener" ? opener : acceptor;
    if (what === "deliver") { for (let count = 0; count < amount; count++) laneOf(side).step(); }
    else if (what === "settle") pair.settle();
    else {
      if (side === "acceptor") accept();
      if (what === "send") end.send(amount);
      if (what === "consume") end.consume(amount);
      if (what === "end") end.stream.end();
    }
    checkCredit();
    checkWindow();
  }
  accept();
  finish();
  for (const [from, to] of [[opener, acceptor], [acceptor, opener]] as const) {
    deepEqual(from.closed, { how: "finished" });
    equal(to.receivedLength, from.sentLength);
    equal(to.isPatternKept, true);
    equal(from.channel.isClosed, true);
    equal(from.events.filter((event) => event.startsWith("closed")).length, 1);
    equal(from.events.at(-1), "released");
  }

  function accept(): void {
    if (!isAccepted) acceptor.stream.accept();
    isAccepted = true;
  }

  function laneOf(side: string): Lane {
    return side === "opener" ? pair.fromA : pair.fromZ;
  }

  /** What was sent is never more than what was granted in words. */
  function checkCredit(): void {
    for (const [from, to] of [[opener, acceptor], [acceptor, opener]] as const) {
      const granted = to.channel.control.reduce((sum, { bytes = 0 }) => sum + bytes, initialCredit);
      ok(from.sentLength <= granted, "sent more than was granted");
      ok(granted - to.consumedLength <= receiveWindow, "granted more than the window");
    }
  }

  /** What an owner has not handed on is what the link is told. */
  function checkWindow(): void {
    for (const { channel, receivedLength, consumedLength } of [opener, acceptor]) {
      equal(channel.unconsumedLength, receivedLength - consumedLength);
    }
  }

  function finish(): void {
    for (const end of [opener, acceptor]) end.stream.end();
    pair.settle();
    for (const end of [opener, acceptor]) end.confirm();
    pair.settle();
  }
}
