/** Row S14: streams begin anew, once each, and their numbers can be used again. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  parseReConfig,
  type ReConfigParameter,
  reConfigResults,
  writeReConfig,
} from "../../src/sctp/packet/re_config_chunk.ts";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { add32 } from "../../src/sctp/serial.ts";
import type { End } from "../sim/pair.ts";
import { forSeeds } from "../sim/seeds.ts";
import { Random } from "../sim/random.ts";
import {
  connectedPair,
  eventsOf,
  isUp,
  OnPath,
  type SctpPair,
  sendText,
  textsOf,
} from "./association_pair.ts";
import { dataChunk } from "./chunks.ts";
import { readPacket } from "./packets.ts";

const firstTsn = 1_000;

function reset(pair: SctpPair, end: End, ...streamIds: readonly number[]): void {
  pair.call(end, ({ association }) => {
    for (const streamId of streamIds) association.resetStream(streamId);
  });
}

/** The streams an end was told of, in order. */
function told(pair: SctpPair, end: End, type: "incoming-reset" | "outgoing-reset"): number[] {
  return eventsOf(pair, end, type).flatMap(({ streamIds }) => [...streamIds ?? []]);
}

/** The RE-CONFIG parameters that an end has sent. */
function parametersOf(packets: readonly { readonly from: End; readonly bytes: Uint8Array }[]) {
  return packets.flatMap(({ from, bytes }) =>
    readPacket(bytes).chunks
      .filter(({ type }) => type === chunkTypes.reConfig)
      .flatMap(({ bytes: chunk }) => parseReConfig(chunk, 0, chunk.length) ?? [])
      .map((parameter) => ({ from, parameter }))
  );
}

/** A pair into which A's requests are forged. */
function forgedPair(): {
  readonly pair: SctpPair;
  readonly ask: (parameter: ReConfigParameter) => number[];
  readonly wire: OnPath;
} {
  const config = { initialTsn: firstTsn, isInterleavingOffered: false };
  const pair = connectedPair({ seed: 1, config });
  const wire = new OnPath(pair);
  sendText(pair, "a", "first");
  sendText(pair, "z", "first");
  pair.runFor(100);
  pair.aToZ.cut();
  const sent = pair.recordSent();
  const ask = (parameter: ReConfigParameter) => {
    const before = sent.length;
    wire.inject("z", writeReConfig([parameter]));
    return parametersOf(sent.slice(before)).flatMap(({ from, parameter: answer }) =>
      from === "z" && answer.type === "response" ? [answer.result] : []
    );
  };
  return { pair, ask, wire };
}

function request(sequenceNumber: number, lastAssignedTsn: number, streamIds: number[]) {
  return {
    type: "outgoing-ssn-reset-request",
    requestSequenceNumber: sequenceNumber,
    responseSequenceNumber: 0,
    lastAssignedTsn,
    streamIds,
  } as const;
}

Deno.test("a reset is told at both ends, after all that was sent before it", () => {
  for (const isInterleavingOffered of [false, true]) {
    const config = { isInterleavingOffered };
    const pair = connectedPair({ seed: 2, config, isWrapping: true, impairments: { delayMs: 20 } });
    sendText(pair, "a", "x".repeat(50_000), 3);
    reset(pair, "a", 3);
    pair.run({ until: (running) => told(running, "a", "outgoing-reset").length > 0 });
    const types = pair.events.z.map(({ type }) => type);
    deepEqual(types.slice(-2), ["message", "incoming-reset"]);
    deepEqual(told(pair, "z", "incoming-reset"), [3]);
    sendText(pair, "a", "anew", 3);
    pair.runFor(1_000);
    equal(textsOf(pair, "z").at(-1), "anew");
  }
});

Deno.test("what is sent on a stream while it is being reset comes after the reset", () => {
  forSeeds(50, (seed) => {
    const impairments = { delayMs: 20, loss: 0.1, reorder: { probability: 0.1, extraDelayMs: 15 } };
    const pair = connectedPair({ seed, impairments, isWrapping: seed % 2 === 0 });
    sendText(pair, "a", "one", 3);
    reset(pair, "a", 3);
    pair.runFor(seed);
    sendText(pair, "a", "two", 3);
    sendText(pair, "a", "three", 3);
    pair.run({ until: (running) => textsOf(running, "z").length === 3 });
    const order = pair.events.z.flatMap((event) =>
      event.type === "message"
        ? [new TextDecoder().decode(event.bytes)]
        : event.type === "incoming-reset"
        ? ["reset"]
        : []
    );
    const at = order.indexOf("reset");
    ok(at === 1 || at === 2 || at === 3, `${order}`);
    deepEqual(order.filter((one) => one !== "reset"), ["one", "two", "three"]);
  });
});

Deno.test("a request that comes again is answered again, and not performed again", () => {
  const { pair, ask } = forgedPair();
  const asked = request(firstTsn, firstTsn, [5]);
  deepEqual(ask(asked), [reConfigResults.successPerformed]);
  for (let count = 0; count < 5; count++) {
    deepEqual(ask(asked), [reConfigResults.successPerformed]);
  }
  deepEqual(told(pair, "z", "incoming-reset"), [5]);
});

Deno.test("a request out of turn is refused, and does not move the turn", () => {
  const { pair, ask } = forgedPair();
  for (const distance of [1, 2, 1_000, 2 ** 31 - 1, -2, -1_000]) {
    const sequenceNumber = add32(firstTsn, distance);
    deepEqual(ask(request(sequenceNumber, firstTsn, [5])), [
      reConfigResults.errorBadSequenceNumber,
    ]);
  }
  // Nothing was asked before: what is "again" has no result yet.
  deepEqual(ask(request(firstTsn - 1, firstTsn, [5])), [reConfigResults.errorBadSequenceNumber]);
  deepEqual(told(pair, "z", "incoming-reset"), []);
  deepEqual(ask(request(firstTsn, firstTsn, [5])), [reConfigResults.successPerformed]);
});

Deno.test("a request that is ahead of its data is in progress until that has come", () => {
  const { pair, ask, wire } = forgedPair();
  const asked = request(firstTsn, firstTsn + 2, [0]);
  deepEqual(ask(asked), [reConfigResults.inProgress]);
  deepEqual(ask(asked), [reConfigResults.inProgress]);
  const sent = pair.recordSent();
  const isInterleaved = false;
  wire.inject("z", dataChunk({ tsn: firstTsn + 2, isInterleaved, messageNumber: 2 }));
  deepEqual(told(pair, "z", "incoming-reset"), []);
  wire.inject("z", dataChunk({ tsn: firstTsn + 1, isInterleaved, messageNumber: 1 }));
  deepEqual(told(pair, "z", "incoming-reset"), [0]);
  deepEqual(
    parametersOf(sent).map(({ parameter }) => parameter.type === "response" && parameter.result),
    [reConfigResults.successPerformed],
  );
  equal(textsOf(pair, "z").length, 3, "both messages came before the reset");
  deepEqual(ask(asked), [reConfigResults.successPerformed]);
  deepEqual(told(pair, "z", "incoming-reset"), [0]);
});

Deno.test("a request without streams resets all", () => {
  const { pair, ask } = forgedPair();
  deepEqual(ask(request(firstTsn, firstTsn, [])), [reConfigResults.successPerformed]);
  deepEqual(eventsOf(pair, "z", "incoming-reset").map(({ streamIds }) => streamIds), [undefined]);
});

Deno.test("requests that we do not grant are denied, and the next one is heard", () => {
  const { ask } = forgedPair();
  const { denied, successPerformed, successNothingToDo } = reConfigResults;
  const ask2 = (sequenceNumber: number) => ({ requestSequenceNumber: firstTsn + sequenceNumber });
  deepEqual(ask({ type: "ssn-tsn-reset-request", ...ask2(0) }), [denied]);
  const newStreamCount = 5;
  deepEqual(ask({ type: "add-outgoing-streams-request", newStreamCount, ...ask2(1) }), [denied]);
  deepEqual(ask({ type: "add-incoming-streams-request", newStreamCount, ...ask2(2) }), [denied]);
  deepEqual(ask({ type: "incoming-ssn-reset-request", streamIds: [], ...ask2(3) }), [denied]);
  deepEqual(ask({ type: "incoming-ssn-reset-request", streamIds: [9], ...ask2(4) }), [
    successNothingToDo,
  ]);
  deepEqual(ask({ type: "incoming-ssn-reset-request", streamIds: [0], ...ask2(5) }), [
    successPerformed,
  ]);
});

Deno.test("the peer's wish that our stream be reset is granted by a request of ours", () => {
  const { pair, ask, wire } = forgedPair();
  ask({ type: "incoming-ssn-reset-request", requestSequenceNumber: firstTsn, streamIds: [0] });
  pair.aToZ.heal();
  pair.runFor(1_000);
  deepEqual(told(pair, "a", "incoming-reset"), [0]);
  deepEqual(told(pair, "z", "outgoing-reset"), [0]);
  ok(wire.tags.a !== 0);
});

Deno.test("resets the peer asks for on streams that nobody used leave nothing behind", () => {
  const { pair, ask } = forgedPair();
  for (let count = 0; count < 100; count++) {
    const streamIds = Array.from({ length: 400 }, (_, n) => (count * 400 + n + 1) % 65_535);
    ask({
      type: "incoming-ssn-reset-request",
      requestSequenceNumber: firstTsn + count,
      streamIds: streamIds.filter((one) => one !== 0),
    });
  }
  pair.aToZ.heal();
  pair.runFor(1_000);
  deepEqual(told(pair, "a", "incoming-reset"), []);
});

Deno.test("our request is sent again until it is answered, in progress too", () => {
  const config = { initialTsn: firstTsn };
  const pair = connectedPair({ seed: 3, config });
  const wire = new OnPath(pair);
  sendText(pair, "a", "x");
  sendText(pair, "z", "x");
  pair.runFor(100);
  const sent = pair.recordSent();
  pair.aToZ.cut();
  reset(pair, "a", 0);
  const respond = (responseSequenceNumber: number, result: number) =>
    wire.inject("a", writeReConfig([{ type: "response", responseSequenceNumber, result }]));
  for (let count = 0; count < 20; count++) {
    pair.runFor(2_600);
    respond(firstTsn, reConfigResults.inProgress);
    respond(firstTsn + 1, reConfigResults.successPerformed);
    respond(firstTsn - 1, reConfigResults.successPerformed);
  }
  ok(isUp(pair));
  deepEqual(told(pair, "a", "outgoing-reset"), []);
  const requests = parametersOf(sent).filter(({ from }) => from === "a");
  ok(requests.length >= 20);
  for (const { parameter } of requests) deepEqual(parameter, requests[0]?.parameter);
  respond(firstTsn, reConfigResults.successPerformed);
  respond(firstTsn, reConfigResults.successPerformed);
  deepEqual(told(pair, "a", "outgoing-reset"), [0]);
});

Deno.test("a refused reset is told too, and the stream goes on with its numbers", () => {
  const config = { initialTsn: firstTsn };
  const pair = connectedPair({ seed: 4, config });
  const wire = new OnPath(pair);
  sendText(pair, "a", "one");
  sendText(pair, "z", "x");
  pair.runFor(100);
  pair.aToZ.cut();
  reset(pair, "a", 0);
  pair.runFor(100);
  const result = reConfigResults.denied;
  const responseSequenceNumber = firstTsn;
  wire.inject("a", writeReConfig([{ type: "response", responseSequenceNumber, result }]));
  deepEqual(told(pair, "a", "outgoing-reset"), [0]);
  pair.aToZ.heal();
  sendText(pair, "a", "two");
  pair.runFor(1_000);
  deepEqual(textsOf(pair, "z"), ["one", "two"]);
});

Deno.test("a peer without RE-CONFIG is not asked, and its own is ignored", () => {
  const pair = connectedPair({
    seed: 5,
    verdict: ({ bytes }) => {
      // Takes the list of extensions out of INIT and INIT ACK: an unknown parameter, to be skipped.
      const { chunks: [first] } = readPacket(bytes);
      if (first?.type !== chunkTypes.init && first?.type !== chunkTypes.initAck) return "pass";
      const changed = bytes.slice();
      for (let at = 32; at + 4 <= changed.length; at += 4) {
        if (changed[at] === 0x80 && changed[at + 1] === 0x08) changed[at + 1] = 0x99;
      }
      changed.fill(0, 8, 12);
      return { replaceWith: [changed] };
    },
  });
  const wire = new OnPath(pair);
  reset(pair, "a", 0);
  sendText(pair, "a", "one");
  sendText(pair, "z", "x");
  pair.runFor(1_000);
  deepEqual(textsOf(pair, "z"), ["one"]);
  const sent = pair.recordSent();
  wire.inject("z", writeReConfig([request(firstTsn, 0, [1])]));
  deepEqual(parametersOf(sent), []);
});

Deno.test("malformed RE-CONFIG chunks are ignored", () => {
  const { pair, wire } = forgedPair();
  const sent = pair.recordSent();
  for (
    const parameters of [
      [],
      [0, 13, 0, 4],
      [0, 13, 0, 17, 0, 0, 3, 232, 0, 0, 0, 0, 0, 0, 3, 232, 1],
      [0, 99, 0, 4],
      [0, 16, 0, 8, 0, 0, 0, 0],
    ]
  ) {
    const chunk = Uint8Array.of(130, 0, 0, 4 + parameters.length, ...parameters);
    wire.inject("z", chunk);
  }
  deepEqual(parametersOf(sent), []);
});

Deno.test("1,000 streams are reset at once, in requests of 128", () => {
  const pair = connectedPair({ seed: 6, impairments: { delayMs: 10, loss: 0.05 } });
  const streamIds = Array.from({ length: 1_000 }, (_, n) => n);
  for (const streamId of streamIds) sendText(pair, "a", "x", streamId);
  reset(pair, "a", ...streamIds);
  reset(pair, "a", ...streamIds);
  pair.run({ until: (running) => told(running, "a", "outgoing-reset").length === 1_000 });
  deepEqual(told(pair, "z", "incoming-reset").toSorted((one, other) => one - other), streamIds);
});

Deno.test("a reset that waits during a cut of 5 s is done within 3 s after it", () => {
  for (const when of ["asked", "answered"] as const) {
    const pair = connectedPair({ seed: 7, impairments: { delayMs: 20 } });
    sendText(pair, "a", "x", 1);
    pair.runFor(500);
    if (when === "asked") pair.cut();
    else pair.zToA.cut();
    reset(pair, "a", 1);
    pair.runFor(5_000);
    pair.heal();
    pair.runFor(3_000);
    deepEqual(told(pair, "a", "outgoing-reset"), [1]);
    deepEqual(told(pair, "z", "incoming-reset"), [1]);
  }
});

Deno.test("ids used again and again never mix what was sent before and after", () => {
  forSeeds(12, (seed) => {
    const impairments = {
      delayMs: 5,
      loss: 0.05,
      duplicate: 0.05,
      reorder: { probability: 0.1, extraDelayMs: 12 },
    };
    const config = { isInterleavingOffered: seed % 2 === 0 };
    const pair = connectedPair({ seed, impairments, config, isWrapping: seed % 3 === 0 });
    const random = new Random(seed);
    const rounds = new Map<number, number>();
    const received = new Map<number, number>();
    let lifeCount = 0;
    pair.z.onEventNow = (event) => {
      if (event.type !== "incoming-reset") return;
      for (const id of event.streamIds ?? []) received.delete(id);
    };
    pair.z.onMessage = (streamId, _ppid, bytes, start) => {
      const round = bytes[start] ?? 0;
      const known = received.get(streamId) ?? round;
      if (known !== round) throw new Error(`stream ${streamId}: ${round} came among ${known}`);
      received.set(streamId, round);
    };
    const life = (streamId: number) =>
      pair.call("a", ({ association }, now) => {
        const round = ((rounds.get(streamId) ?? 0) + 1) % 256;
        rounds.set(streamId, round);
        for (let count = 1 + random.below(3); count > 0; count--) {
          association.send(
            streamId,
            51,
            new Uint8Array(1 + random.below(2_000)).fill(round),
            undefined,
            now,
          );
        }
        association.resetStream(streamId);
        lifeCount++;
      });
    const finished = () => told(pair, "a", "outgoing-reset").length;
    for (let streamId = 0; streamId < 16; streamId++) life(streamId);
    pair.a.onEventNow = (event) => {
      if (event.type !== "outgoing-reset" || lifeCount >= 500) return;
      pair.at(pair.now, () => event.streamIds.forEach(life));
    };
    pair.run({ until: () => finished() >= 500, maxVirtualMs: 600_000 });
    pair.runFor(5_000);
    equal(pair.z.association.heldLength, 0);
  });
});
