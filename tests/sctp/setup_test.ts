/** Rows S1 to S4: how an association comes about, and what cannot disturb it. */
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { writeChunk } from "../../src/sctp/packet/chunk_header.ts";
import { writeCookieAck, writeCookieEcho } from "../../src/sctp/packet/cookie_chunk.ts";
import { causeCodes, staleCookie } from "../../src/sctp/packet/error_cause.ts";
import { writeError } from "../../src/sctp/packet/error_chunk.ts";
import { writeAbort } from "../../src/sctp/packet/abort_chunk.ts";
import { writeHeartbeat, writeHeartbeatAck } from "../../src/sctp/packet/heartbeat_chunk.ts";
import { type InitFields, parseInit, writeInit } from "../../src/sctp/packet/init_chunk.ts";
import { writeReConfig } from "../../src/sctp/packet/re_config_chunk.ts";
import { readUint16, readUint32, writeUint32 } from "../../src/network_order.ts";
import {
  writeShutdown,
  writeShutdownAck,
  writeShutdownComplete,
} from "../../src/sctp/packet/shutdown_chunk.ts";
import { writeForwardTsn } from "../../src/sctp/packet/forward_tsn_chunk.ts";
import { createOwnInit } from "../../src/sctp/own_init.ts";
import type { End } from "../sim/pair.ts";
import { Random } from "../sim/random.ts";
import {
  connectBoth,
  connectedPair,
  createPair,
  endingOf,
  eventsOf,
  isUp,
  OnPath,
  packetLength,
  type SctpPair,
  sendText,
  textsOf,
  wrapping,
} from "./association_pair.ts";
import { dataChunk, sackChunk } from "./chunks.ts";
import { chunkTypesOf, readPacket, writePacket } from "./packets.ts";
import { SctpEndpoint } from "./sctp_endpoint.ts";
import { snapshotOf } from "./snapshot.ts";

const bytes4 = new Uint8Array(4);

/** A chunk of each type, as a peer might send it. */
const chunksOfAllTypes: Readonly<Record<string, Uint8Array>> = {
  DATA: dataChunk({ tsn: 1_000, isInterleaved: false }),
  "I-DATA": dataChunk({ tsn: 1_000, isInterleaved: true }),
  "INIT ACK": writeInit(chunkTypes.initAck, initFields({ stateCookie: new Uint8Array(68) })),
  SACK: sackChunk({ cumulativeTsnAck: 999 }),
  HEARTBEAT: writeHeartbeat(bytes4),
  "HEARTBEAT ACK": writeHeartbeatAck(bytes4),
  ABORT: writeAbort([], false),
  SHUTDOWN: writeShutdown(999),
  "SHUTDOWN ACK": writeShutdownAck(),
  ERROR: writeError([staleCookie(1)], 512),
  "COOKIE ECHO": writeCookieEcho(new Uint8Array(68)),
  "COOKIE ACK": writeCookieAck(),
  "SHUTDOWN COMPLETE": writeShutdownComplete(false),
  "RE-CONFIG": writeReConfig([{ type: "ssn-tsn-reset-request", requestSequenceNumber: 1_000 }]),
  PAD: writeChunk(chunkTypes.pad, 0, bytes4),
  "FORWARD TSN": writeForwardTsn({ newCumulativeTsn: 1_000, skipped: [] }, false),
  "I-FORWARD-TSN": writeForwardTsn({ newCumulativeTsn: 1_000, skipped: [] }, true),
};

function initFields(changes: Partial<InitFields> = {}): InitFields {
  return {
    initiateTag: 77,
    advertisedReceiverWindowCredit: 100_000,
    outboundStreams: 10,
    inboundStreams: 10,
    initialTsn: 1_000,
    supportedExtensions: [],
    isForwardTsnSupported: false,
    zeroChecksumMethod: undefined,
    stateCookie: undefined,
    unrecognized: [],
    ...changes,
  };
}

/** An end by itself: what is put before it, and what it answers. */
class Alone {
  readonly endpoint: SctpEndpoint;
  now = 0;
  readonly #out = new Uint8Array(packetLength);

  constructor(seed = 1, config = {}) {
    this.endpoint = new SctpEndpoint(seed, config);
  }

  get state(): string {
    return this.endpoint.association.state;
  }

  /** Hands in packets; returns what is sent then. */
  give(...packets: readonly Uint8Array[]): Uint8Array[] {
    for (const packet of packets) this.endpoint.handleDatagram(packet, this.now);
    return this.drain();
  }

  /** What it told its user: the types of events, and of messages the text. */
  told(): string[] {
    const told: string[] = [];
    for (;;) {
      const event = this.endpoint.pollEvent();
      if (event === undefined) return told;
      if (event.type === "message") told.push(new TextDecoder().decode(event.bytes));
      else if (event.type !== "low") told.push(event.type);
    }
  }

  drain(): Uint8Array[] {
    const sent: Uint8Array[] = [];
    for (;;) {
      const length = this.endpoint.association.writePacket(this.#out, 0, this.now);
      if (length === 0) return sent;
      sent.push(this.#out.slice(0, length));
    }
  }

  /** Goes through the setup as the end that is asked; returns its tag and the cookie. */
  init(changes: Partial<InitFields> = {}): { readonly tag: number; readonly cookie: Uint8Array } {
    const chunk = writeInit(chunkTypes.init, initFields(changes));
    const [answer] = this.give(writePacket({ tag: 0, chunks: [chunk] }));
    const [initAck] = readPacket(answer ?? new Uint8Array(12)).chunks;
    const fields = parseInit(initAck?.bytes ?? bytes4, 0, initAck?.bytes.length ?? 0);
    ok(fields?.stateCookie, "an INIT is answered with a cookie");
    return { tag: fields.initiateTag, cookie: fields.stateCookie };
  }

  echo(tag: number, cookie: Uint8Array, ...more: readonly Uint8Array[]): Uint8Array[] {
    return this.give(writePacket({ tag, chunks: [writeCookieEcho(cookie), ...more] }));
  }
}

/** Both ends' INITs, told beforehand, and what each is made with. */
function exchangedInits(changes: { readonly a?: object; readonly z?: object } = {}) {
  const random = new Random(11);
  const inits = (["a", "z"] as const).map((end) => {
    const options = { random: (length: number) => random.bytes(length), ...changes[end] };
    return { options, ownInit: createOwnInit(options) };
  });
  const [a, z] = inits as [typeof inits[0], typeof inits[0]];
  return {
    configOfA: { ...a.options, ownInit: a.ownInit, peerInit: z.ownInit },
    configOfZ: { ...z.options, ownInit: z.ownInit, peerInit: a.ownInit },
  };
}

for (const initialTsn of [1_000, 0xffff_fffe]) {
  Deno.test(`ends that were told each other's INIT are up at once (TSN ${initialTsn})`, () => {
    const pair = createPair({
      seed: 1,
      ...exchangedInits({ a: { initialTsn }, z: { isInterleavingOffered: false } }),
    });
    const types = new Set<number>();
    pair.tap(({ bytes }) => readPacket(bytes).chunks.forEach(({ type }) => types.add(type)));
    equal(connectBoth(pair), 0);
    for (const end of ["a", "z"] as const) {
      for (const text of ["one", "two", "three"]) sendText(pair, end, text);
    }
    pair.runFor(1_000);
    deepEqual([textsOf(pair, "a"), textsOf(pair, "z")], [["one", "two", "three"], [
      "one",
      "two",
      "three",
    ]]);
    const { init, initAck, cookieEcho, cookieAck, iData } = chunkTypes;
    for (const type of [init, initAck, cookieEcho, cookieAck, iData]) equal(types.has(type), false);
    ok(types.has(chunkTypes.data), "one of them knows no I-DATA");
  });
}

Deno.test("an end that was told no INIT shakes hands with one that told its own", () => {
  const { configOfA: { ownInit } } = exchangedInits();
  const pair = createPair({ seed: 1, configOfA: { ownInit } });
  connectBoth(pair);
  sendText(pair, "a", "one");
  pair.runFor(1_000);
  deepEqual(textsOf(pair, "z"), ["one"]);
});

Deno.test("S1: a packet with a wrong tag changes nothing, whatever it carries", () => {
  for (const [name, chunk] of Object.entries(chunksOfAllTypes)) {
    for (const wrongTag of ["other", "zero", "peer's"] as const) {
      const pair = connectedPair({ seed: 1, config: { initialTsn: 1_000 } });
      const wire = new OnPath(pair);
      sendText(pair, "a", "one");
      sendText(pair, "z", "two");
      pair.runFor(100);
      const tags = { other: wire.tags.z ^ 1, zero: 0, "peer's": wire.tags.a };
      const before = snapshotOf(pair.z);
      const { droppedPacketCount } = pair.z.association;
      pair.inject("z", writePacket({ tag: tags[wrongTag], chunks: [chunk] }));
      const sentBefore = pair.sentCount;
      pair.runFor(0);
      deepEqual(snapshotOf(pair.z), before, `${name} with ${wrongTag} tag`);
      equal(pair.z.association.droppedPacketCount, droppedPacketCount + 1, name);
      equal(pair.sentCount, sentBefore, name);
    }
  }
});

Deno.test("S1: ABORT and SHUTDOWN COMPLETE have the peer's tag with the T bit, and ours without", () => {
  const cases = [
    { chunk: writeAbort([], true), tag: "a", isTaken: true },
    { chunk: writeAbort([], true), tag: "z", isTaken: false },
    { chunk: writeAbort([], false), tag: "z", isTaken: true },
    { chunk: writeAbort([], false), tag: "a", isTaken: false },
  ] as const;
  for (const { chunk, tag, isTaken } of cases) {
    const pair = connectedPair({ seed: 2 });
    const wire = new OnPath(pair);
    sendText(pair, "a", "x");
    sendText(pair, "z", "x");
    pair.runFor(100);
    pair.inject("z", writePacket({ tag: wire.tags[tag], chunks: [chunk] }));
    pair.runFor(0);
    equal(endingOf(pair, "z"), isTaken ? "peer-aborted" : undefined);
  }
});

Deno.test("S1: an INIT that is not alone, or has a tag, is dropped", () => {
  const init = writeInit(chunkTypes.init, initFields());
  for (
    const packet of [
      writePacket({ tag: 5, chunks: [init] }),
      writePacket({ tag: 0, chunks: [init, writeCookieAck()] }),
      writePacket({ tag: 0, chunks: [init, init] }),
      writePacket({ tag: 0, chunks: [writeCookieAck(), init] }),
      writePacket({ tag: 0, chunks: [init], checksum: "wrong" }),
      writePacket({ tag: 0, chunks: [init], sourcePort: 1 }),
      writePacket({ tag: 0, chunks: [init], destinationPort: 1 }),
      writePacket({ tag: 0, chunks: [] }),
      new Uint8Array(11),
      new Uint8Array(0),
    ]
  ) {
    const alone = new Alone();
    deepEqual(alone.give(packet), []);
    equal(alone.endpoint.association.droppedPacketCount, 1);
  }
});

Deno.test("S1: an INIT without a tag or without streams is refused with an ABORT", () => {
  for (const change of [{ outboundStreams: 0 }, { inboundStreams: 0 }]) {
    const alone = new Alone();
    const init = writeInit(chunkTypes.init, initFields(change));
    const [answer] = alone.give(writePacket({ tag: 0, chunks: [init] }));
    ok(answer);
    equal(readPacket(answer).tag, 77);
    deepEqual(chunkTypesOf(answer), [chunkTypes.abort]);
    equal(alone.state, "closed");
  }
  const alone = new Alone();
  const init = writeInit(chunkTypes.init, initFields({ initiateTag: 0 }));
  const [answer] = alone.give(writePacket({ tag: 0, chunks: [init] }));
  deepEqual(answer && chunkTypesOf(answer), [chunkTypes.abort]);
});

Deno.test("S1: a COOKIE ECHO without the tag of its cookie is dropped, though the cookie is good", () => {
  const alone = new Alone();
  const { tag, cookie } = alone.init();
  for (const wrongTag of [tag ^ 1, 0, 77]) deepEqual(alone.echo(wrongTag, cookie), []);
  equal(alone.state, "closed");
  equal(alone.echo(tag, cookie).length, 1);
});

Deno.test("S17: a wrong checksum is dropped, and zero is taken only where it was offered", () => {
  for (const isZeroChecksumAcceptable of [true, false]) {
    const pair = connectedPair({ seed: 3, config: { isZeroChecksumAcceptable } });
    const wire = new OnPath(pair);
    sendText(pair, "a", "x");
    pair.runFor(100);
    for (const checksum of ["zero", "wrong", "valid"] as const) {
      const { droppedPacketCount } = pair.z.association;
      const chunks = [writeHeartbeat(bytes4)];
      pair.inject("z", writePacket({ tag: wire.tags.z, chunks, checksum }));
      const sentBefore = pair.sentCount;
      pair.runFor(0);
      const isTaken = checksum === "valid" || (checksum === "zero" && isZeroChecksumAcceptable);
      equal(pair.sentCount - sentBefore, isTaken ? 1 : 0, checksum);
      equal(pair.z.association.droppedPacketCount - droppedPacketCount, isTaken ? 0 : 1);
    }
  }
});

Deno.test("S17: INIT, INIT ACK and COOKIE ECHO carry a checksum, and data none where none is asked for", () => {
  for (const isZeroChecksumAcceptable of [true, false]) {
    const pair = createPair({ seed: 4, config: { isZeroChecksumAcceptable } });
    const sent = pair.recordSent();
    pair.call("a", ({ association }, now) => association.connect(now));
    pair.run({ until: isUp });
    sendText(pair, "a", "x");
    pair.runFor(100);
    const checked: ReadonlySet<number> = new Set([
      chunkTypes.init,
      chunkTypes.initAck,
      chunkTypes.cookieEcho,
    ]);
    for (const { bytes } of sent) {
      const { chunks: [first], checksum } = readPacket(bytes);
      ok(first);
      const isChecked = checked.has(first.type) || !isZeroChecksumAcceptable;
      equal(checksum !== 0, isChecked, `type ${first.type}`);
    }
  }
});

Deno.test("S2: an INIT is answered and leaves no state, however many come", () => {
  const alone = new Alone();
  const before = snapshotOf(alone.endpoint);
  for (let count = 0; count < 100; count++) alone.init({ initiateTag: 1 + count });
  deepEqual(snapshotOf(alone.endpoint), before);
  equal(alone.endpoint.association.nextTimeout(), undefined);
});

Deno.test("S2: the cookie of the first of two INITs still works", () => {
  const alone = new Alone();
  const first = alone.init({ initiateTag: 11 });
  const second = alone.init({ initiateTag: 12, initialTsn: 5 });
  const [answer] = alone.echo(first.tag, first.cookie);
  ok(answer);
  equal(readPacket(answer).tag, 11);
  deepEqual(chunkTypesOf(answer), [chunkTypes.cookieAck]);
  equal(alone.state, "established");
  // The second is of a peer that both tags do not match: it does not take the place of the first.
  deepEqual(alone.echo(second.tag, second.cookie), []);
  deepEqual(alone.endpoint.pollEvent(), { type: "up" });
  equal(alone.endpoint.pollEvent(), undefined);
});

Deno.test("S2: a cookie in which any bit was changed is dropped", () => {
  const alone = new Alone();
  const { tag, cookie } = alone.init();
  for (let bit = 0; bit < cookie.length * 8; bit++) {
    const forged = cookie.slice();
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    deepEqual(alone.echo(tag, forged), [], `bit ${bit}`);
    // The tag that the cookie itself names is no better.
    deepEqual(alone.echo(readUint32(forged, 8), forged), [], `bit ${bit}`);
  }
  for (const length of [0, 3, 35, 36, 37, cookie.length - 1]) {
    deepEqual(alone.echo(tag, cookie.slice(0, length)), [], `${length} bytes`);
  }
  equal(alone.state, "closed");
  equal(alone.echo(tag, cookie).length, 1);
});

Deno.test("S2: capabilities cannot be taken out of a cookie", () => {
  const alone = new Alone();
  const extensions = [chunkTypes.reConfig, chunkTypes.forwardTsn, chunkTypes.iData];
  const { tag, cookie } = alone.init({ supportedExtensions: extensions });
  const downgraded = cookie.slice();
  writeUint32(downgraded, 32, 0);
  notEqual(readUint32(cookie, 32), 0);
  deepEqual(alone.echo(tag, downgraded), []);
  equal(alone.state, "closed");
});

Deno.test("S2: a cookie that another association sealed is dropped", () => {
  const [one, other] = [new Alone(1), new Alone(2)];
  const { tag, cookie } = one.init();
  deepEqual(other.echo(tag, cookie), []);
  equal(other.state, "closed");
});

Deno.test("S2: a cookie works for 60 s, and is then answered with an error", () => {
  const alone = new Alone();
  const { tag, cookie } = alone.init();
  alone.now = 60_001;
  const [answer] = alone.echo(tag, cookie);
  ok(answer);
  const { tag: answerTag, chunks: [error] } = readPacket(answer);
  ok(error);
  deepEqual([answerTag, error.type], [77, chunkTypes.error]);
  equal(readUint16(error.bytes, 4), causeCodes.staleCookie);
  equal(readUint32(error.bytes, 8), 1_000, "the staleness is told in microseconds");
  equal(alone.state, "closed");
  alone.now = 60_000;
  equal(alone.echo(tag, cookie).length, 1);
  equal(alone.state, "established");
});

Deno.test('S2: who hears that its cookie is stale ends with "timeout"', () => {
  const pair = createPair({
    seed: 5,
    verdict: ({ bytes }) => chunkTypesOf(bytes)[0] === chunkTypes.cookieEcho ? "drop" : "pass",
  });
  const wire = new OnPath(pair);
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: ({ a }) => a.association.state === "cookie-echoed" });
  wire.tags.a = readUint32(initOf(pair), 4);
  wire.inject("a", writeError([], 512));
  equal(pair.a.association.state, "cookie-echoed", "another error says nothing");
  // Type and flags of what follows an empty one would be the cause's code.
  const data = dataChunk({ tsn: 1_000, isInterleaved: false });
  wire.inject("a", Uint8Array.from([...writeError([], 512), ...data]));
  equal(pair.a.association.state, "cookie-echoed", "one without a cause says nothing either");
  wire.inject("a", writeError([staleCookie(1)], 512));
  equal(endingOf(pair, "a"), "timeout");
});

/** The INIT that A would send, to know its tag. */
function initOf(pair: SctpPair): Uint8Array {
  const twin = new SctpEndpoint(pair.seed * 2 + 1);
  twin.association.connect(0);
  const out = new Uint8Array(packetLength);
  twin.association.writePacket(out, 0, 0);
  return out.slice(12);
}

Deno.test("S2: data behind the COOKIE ECHO is taken", () => {
  const alone = new Alone();
  const { tag, cookie } = alone.init();
  alone.echo(tag, cookie, dataChunk({ tsn: 1_000, isInterleaved: false, text: "early" }));
  equal(alone.endpoint.pollEvent()?.type, "up");
  equal(alone.endpoint.pollEvent()?.type, "message");
});

/** Both ends and what is under way between them, delivered in an order that is chosen. */
class Interleaving {
  readonly ends: Record<End, Alone>;
  readonly underWay: Record<End, Uint8Array[]> = { a: [], z: [] };
  readonly #lostIndex: number;
  #sentCount = 0;

  constructor(seed: number, lostIndex: number) {
    this.ends = { a: new Alone(seed, wrapping), z: new Alone(seed + 1, wrapping) };
    this.#lostIndex = lostIndex;
  }

  collect(from: End): void {
    for (const packet of this.ends[from].drain()) {
      if (this.#sentCount++ !== this.#lostIndex) this.underWay[from].push(packet);
    }
  }

  deliver(from: End): void {
    const to = from === "a" ? "z" : "a";
    const packet = this.underWay[from].shift();
    if (packet !== undefined) this.ends[to].endpoint.handleDatagram(packet, this.ends[to].now);
    this.collect(to);
  }

  /** Time passes until the next timer expires. */
  wait(): boolean {
    const next = Math.min(
      ...Object.values(this.ends).map(({ endpoint }) => endpoint.nextTimeout() ?? Infinity),
    );
    if (next > 20_000) return false;
    for (const end of ["a", "z"] as const) {
      this.ends[end].now = next;
      this.ends[end].endpoint.handleTimeout(next);
      this.collect(end);
    }
    return true;
  }

  get isUp(): boolean {
    return this.ends.a.state === "established" && this.ends.z.state === "established";
  }

  /** Goes on until both are up and nothing is under way; `choices` tells whose packet comes next. */
  run(choices: number): void {
    for (let step = 0; step < 200; step++) {
      const { a, z } = this.underWay;
      if (a.length > 0 && z.length > 0) {
        this.deliver((choices & 1) === 0 ? "a" : "z");
        choices >>>= 1;
      } else if (a.length + z.length > 0) this.deliver(a.length > 0 ? "a" : "z");
      else if (this.isUp || !this.wait()) return;
    }
  }
}

Deno.test("S3: both ends connect in every order of their packets, with any one of them lost", () => {
  let runCount = 0;
  for (let lostIndex = -1; lostIndex < 8; lostIndex++) {
    for (let choices = 0; choices < 256; choices++) {
      const run = new Interleaving(choices * 2, lostIndex);
      const what = `order ${choices.toString(2)}, without ${lostIndex}`;
      for (const end of ["a", "z"] as const) {
        run.ends[end].endpoint.association.connect(0);
        run.collect(end);
      }
      run.run(choices);
      ok(run.isUp, what);
      for (const [end, text] of [["a", "to z"], ["z", "to a"]] as const) {
        const { endpoint, now } = run.ends[end];
        endpoint.association.send(0, 51, new TextEncoder().encode(text), undefined, now);
        run.collect(end);
      }
      run.run(0);
      for (const [end, text] of [["a", "to a"], ["z", "to z"]] as const) {
        deepEqual(run.ends[end].told(), ["up", text], what);
      }
      runCount++;
    }
  }
  equal(runCount, 2_304);
});

Deno.test("S3: one end connects in every order, with any one or two packets lost", () => {
  for (let first = -1; first < 8; first++) {
    for (let second = first; second < 8; second++) {
      const pair = createPair({
        seed: 6,
        impairments: { delayMs: 10 },
        verdict: ({ index }) => index === first || index === second ? "drop" : "pass",
      });
      pair.call("a", ({ association }, now) => association.connect(now));
      pair.run({ until: isUp, maxVirtualMs: 5_000 });
      equal(eventsOf(pair, "a", "up").length, 1);
      equal(eventsOf(pair, "z", "up").length, 1);
    }
  }
});

Deno.test("S3, D: a COOKIE ECHO that comes again is acknowledged again, and nothing else", () => {
  const alone = new Alone();
  const { tag, cookie } = alone.init();
  alone.echo(tag, cookie);
  const before = snapshotOf(alone.endpoint);
  const [answer] = alone.echo(tag, cookie);
  deepEqual(answer && chunkTypesOf(answer), [chunkTypes.cookieAck]);
  deepEqual(snapshotOf(alone.endpoint), before);
  deepEqual(alone.endpoint.pollEvent(), { type: "up" });
  equal(alone.endpoint.pollEvent(), undefined);
});

Deno.test("S3, C: a cookie with our old tag and the peer's right one is discarded", () => {
  const alone = new Alone();
  const { tag, cookie } = alone.init();
  alone.echo(tag, cookie);
  // The same INIT again: what it is answered with has another tag of ours.
  const late = alone.init();
  notEqual(late.tag, tag);
  const before = snapshotOf(alone.endpoint);
  deepEqual(alone.echo(late.tag, late.cookie), []);
  deepEqual(snapshotOf(alone.endpoint), before);
});

Deno.test('S3, A: a peer that begins anew ends the association with "restarted", and INIT alone does not', () => {
  const pair = connectedPair({ seed: 7 });
  sendText(pair, "a", "before");
  pair.runFor(100);
  const before = snapshotOf(pair.z);
  const anew = new Alone(99);
  anew.endpoint.association.connect(0);
  const [init] = anew.drain();
  ok(init);
  const answers = pair.recordSent();
  pair.inject("z", init);
  pair.runFor(0);
  deepEqual(snapshotOf(pair.z), before);
  const [initAck] = answers;
  ok(initAck);
  const [echo] = anew.give(initAck.bytes);
  ok(echo);
  pair.inject("z", echo);
  pair.runFor(0);
  equal(endingOf(pair, "z"), "restarted");
  equal(pair.z.store.heldLength, 0);
});

Deno.test("S3: a foreign INIT in the midst of the setup, of ours or of both, does not disturb it", () => {
  for (let at = 0; at < 8; at++) {
    const pair = createPair({ seed: 8, impairments: { delayMs: 10 } });
    const init = writeInit(chunkTypes.init, initFields({ initiateTag: 4_711 }));
    for (const end of ["a", "z"] as const) {
      pair.inject(end, writePacket({ tag: 0, chunks: [init] }), { afterMs: at * 5 });
    }
    connectBoth(pair, 5_000);
    pair.runFor(1_000);
    ok(isUp(pair));
    deepEqual([endingOf(pair, "a"), endingOf(pair, "z")], [undefined, undefined]);
  }
});

Deno.test("S4: an INIT that nobody answers is sent nine times, ever more rarely, and then it is over", () => {
  const pair = createPair({ seed: 9, verdict: () => "drop" });
  const sent = pair.recordSent();
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: ({ a }) => a.association.state === "ended" });
  const waits = sent.slice(1).map(({ at }, n) => at - (sent[n]?.at ?? 0));
  deepEqual(waits, [500, 1_000, 2_000, 2_500, 2_500, 2_500, 2_500, 2_500]);
  const [closed] = eventsOf(pair, "a", "closed");
  equal(closed?.code, "timeout");
  equal(closed?.reason, "the peer does not answer INIT");
});

Deno.test("S4: a COOKIE ECHO that nobody answers is given up in the same way", () => {
  const pair = createPair({
    seed: 10,
    verdict: ({ bytes }) => chunkTypesOf(bytes)[0] === chunkTypes.cookieEcho ? "drop" : "pass",
  });
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: ({ a }) => a.association.state === "ended" });
  const [closed] = eventsOf(pair, "a", "closed");
  deepEqual([closed?.code, closed?.reason], [
    "timeout",
    "the peer does not answer COOKIE ECHO",
  ]);
});

Deno.test("S4: an INIT ACK that is no good ends it: without a cookie, without streams", () => {
  for (const changes of [{}, { stateCookie: bytes4, outboundStreams: 0 }]) {
    const alone = new Alone(11);
    alone.endpoint.association.connect(0);
    const [init] = alone.drain();
    ok(init);
    const initAck = writeInit(chunkTypes.initAck, initFields(changes));
    const tag = readUint32(init, 16);
    const [answer] = alone.give(writePacket({ tag, chunks: [initAck] }));
    deepEqual(answer && chunkTypesOf(answer), [chunkTypes.abort]);
    const event = alone.endpoint.pollEvent();
    equal(event?.type === "closed" && event.code, "protocol");
  }
});

Deno.test("S4: what an INIT ACK has and we do not know is told with the COOKIE ECHO", () => {
  const alone = new Alone(12);
  alone.endpoint.association.connect(0);
  const [init] = alone.drain();
  ok(init);
  const unknown = Uint8Array.of(0xc1, 0x23, 0, 4);
  const initAck = writeInit(chunkTypes.initAck, initFields({ stateCookie: bytes4 }));
  const chunk = new Uint8Array(initAck.length + unknown.length);
  chunk.set(initAck);
  chunk.set(unknown, initAck.length);
  chunk[3] = (chunk[3] ?? 0) + unknown.length;
  const [answer] = alone.give(writePacket({ tag: readUint32(init, 16), chunks: [chunk] }));
  deepEqual(answer && chunkTypesOf(answer), [chunkTypes.cookieEcho, chunkTypes.error]);
});

Deno.test("packets of the setup that come late or twice change nothing", () => {
  const pair = createPair({ seed: 13, impairments: { delayMs: 10 } });
  const setup = pair.recordSent();
  connectBoth(pair);
  const packets = [...setup];
  sendText(pair, "a", "one");
  pair.runFor(1_000);
  const snapshots = { a: snapshotOf(pair.a), z: snapshotOf(pair.z) };
  for (const { from, bytes } of packets) {
    pair.inject(from === "a" ? "z" : "a", bytes);
    pair.runFor(1_000);
  }
  deepEqual({ a: snapshotOf(pair.a), z: snapshotOf(pair.z) }, snapshots);
  deepEqual([eventsOf(pair, "a", "up").length, eventsOf(pair, "z", "up").length], [1, 1]);
});

Deno.test("data that comes before the association is up is dropped, and delivered when sent again", () => {
  const pair = createPair({
    seed: 14,
    impairments: { delayMs: 10 },
    verdict: ({ bytes, at }) =>
      chunkTypesOf(bytes).includes(chunkTypes.cookieAck) && at < 100 ? "drop" : "pass",
  });
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: ({ z }) => z.association.state === "established" });
  sendText(pair, "z", "early");
  pair.runFor(40);
  equal(pair.a.association.state, "cookie-echoed");
  deepEqual(textsOf(pair, "a"), []);
  equal(pair.a.store.heldLength, 0);
  pair.runFor(2_000);
  deepEqual(textsOf(pair, "a"), ["early"]);
});

Deno.test("an INIT ACK that was not asked for, and a COOKIE ACK out of turn, are discarded", () => {
  const alone = new Alone(15);
  const before = snapshotOf(alone.endpoint);
  const { tag } = alone.init();
  const initAck = writeInit(chunkTypes.initAck, initFields({ stateCookie: bytes4 }));
  deepEqual(alone.give(writePacket({ tag, chunks: [initAck] })), []);
  deepEqual(alone.give(writePacket({ tag, chunks: [writeCookieAck()] })), []);
  deepEqual(alone.give(writePacket({ tag, chunks: [writeShutdownAck()] })), []);
  deepEqual(snapshotOf(alone.endpoint), before);
});

Deno.test("a SHUTDOWN ACK during the setup is of an association before it, and is completed", () => {
  const alone = new Alone(16);
  alone.endpoint.association.connect(0);
  const [init] = alone.drain();
  ok(init);
  const tag = readUint32(init, 16);
  const [answer] = alone.give(writePacket({ tag, chunks: [writeShutdownAck()] }));
  ok(answer);
  const { tag: answerTag, chunks: [complete] } = readPacket(answer);
  deepEqual([answerTag, complete?.type, complete?.flags], [tag, chunkTypes.shutdownComplete, 1]);
  equal(alone.state, "cookie-wait");
});

Deno.test("what is queued before the association is up is sent once it is", () => {
  const pair = createPair({ seed: 17, isWrapping: true });
  sendText(pair, "a", "one");
  pair.call("a", ({ association }, now) => association.connect(now));
  sendText(pair, "a", "two");
  sendText(pair, "z", "three", 7);
  pair.run({ until: (running) => textsOf(running, "z").length === 2 });
  pair.run({ until: (running) => textsOf(running, "a").length === 1 });
  deepEqual(textsOf(pair, "z"), ["one", "two"]);
});

Deno.test("S20: of 1,000 INITs that come at once a few are answered", () => {
  const init = writePacket({ tag: 0, chunks: [writeInit(chunkTypes.init, initFields())] });
  const answers = new Alone().give(...new Array<Uint8Array>(1_000).fill(init));
  ok(answers.length > 0 && answers.length <= 8, `${answers.length} answers`);
});

Deno.test("S3: a cookie of another association, under the same secret, restarts nothing", () => {
  const config = { mac: (bytes: Uint8Array) => bytes.slice(0, 32) };
  const [alone, other] = [new Alone(1, config), new Alone(2, config)];
  const { tag, cookie } = alone.init();
  alone.echo(tag, cookie);
  deepEqual(alone.told(), ["up"]);
  const foreign = other.init({ initiateTag: 12 });
  deepEqual(alone.echo(foreign.tag, foreign.cookie), []);
  deepEqual(alone.told(), []);
  equal(alone.state, "established");
});
