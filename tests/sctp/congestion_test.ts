/** Row S11: losses are found and repaired, whatever the congestion control. */
import { equal, ok } from "node:assert/strict";
import { CubicCongestionControl } from "../../src/sctp/tx/cubic_congestion_control.ts";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { connectedPair, type SctpPair } from "./association_pair.ts";
import { chunkTypesOf } from "./packets.ts";

/** Data without end, over a path that loses what it is told to. */
function streaming(isLost: (dataIndex: number) => boolean): SctpPair {
  let dataIndex = 0;
  const pair = connectedPair({
    seed: 1,
    impairments: { delayMs: 20 },
    config: { congestionControl: (pieceLength) => new CubicCongestionControl(pieceLength) },
    verdict: ({ from, bytes }) =>
      from === "a" && chunkTypesOf(bytes).includes(chunkTypes.iData) && isLost(dataIndex++)
        ? "drop"
        : "pass",
  });
  pair.call("a", ({ association }, now) => {
    for (let count = 0; count < 40; count++) {
      association.send(0, 51, new Uint8Array(50_000), undefined, now);
    }
  });
  return pair;
}

Deno.test("all losses of one window reduce it once", () => {
  for (const losses of [[200], [200, 201, 205, 210], [200, 220, 240, 250]]) {
    const doomed = new Set(losses);
    const pair = streaming((index) => doomed.has(index));
    let before = 0;
    pair.run({
      until: ({ a }) => {
        const { cwndBytes } = a.association.figures;
        if (cwndBytes < before) return true;
        before = cwndBytes;
        return false;
      },
    });
    const { cwndBytes } = pair.a.association.figures;
    equal(cwndBytes, before * 0.7, `${losses}`);
    let least = cwndBytes;
    for (let count = 0; count < 200; count++) {
      pair.runFor(2);
      least = Math.min(least, pair.a.association.figures.cwndBytes);
    }
    equal(least, cwndBytes, `${losses}: no second time`);
  }
});

Deno.test("a loss is repaired within two round trips, without a timeout", () => {
  let retransmitted = 0;
  const pair = streaming((index) => index === 100);
  const start = pair.now;
  let timeouts = 0;
  let known = pair.a.association.figures.timeout;
  pair.run({
    until: ({ a }) => {
      const { timeout } = a.association.figures;
      if (timeout > known + 200) timeouts++;
      known = timeout;
      if (a.association.figures.hasLost) retransmitted++;
      return !a.association.figures.hasQueued;
    },
  });
  ok(pair.now - start < 2_000);
  equal(timeouts, 0);
});

Deno.test("the loss of the last packet is found by a probe, long before T3-rtx", () => {
  const pair = connectedPair({ seed: 2, impairments: { delayMs: 20 } });
  pair.runFor(1_000);
  for (let count = 0; count < 5; count++) {
    pair.call(
      "a",
      ({ association }, now) => association.send(0, 51, new Uint8Array(500), undefined, now),
    );
    pair.runFor(100);
  }
  pair.aToZ.cut();
  pair.call(
    "a",
    ({ association }, now) => association.send(0, 51, new Uint8Array(500), undefined, now),
  );
  pair.aToZ.heal();
  const took = pair.run({ until: ({ a }) => !a.association.figures.isInFlight });
  ok(took < 250, `${took} ms`);
});

Deno.test("nothing that is acknowledged in order is ever sent twice on a path without loss", () => {
  const pair = connectedPair({ seed: 3, impairments: { delayMs: 50, jitterMs: 20 } });
  let dataCount = 0;
  pair.tap(({ stage, from, bytes }) => {
    if (stage === "sent" && from === "a") {
      dataCount += chunkTypesOf(bytes).filter((type) => type === chunkTypes.iData).length;
    }
  });
  pair.call("a", ({ association }, now) => {
    for (let count = 0; count < 500; count++) {
      association.send(0, 51, new Uint8Array(1_000), undefined, now);
    }
  });
  pair.run({ until: ({ a }) => !a.association.figures.isInFlight });
  equal(dataCount, 500);
});

Deno.test("a small message leaves the first transfer after it as fast as without it", () => {
  const durations = [0, 60].map((length) => {
    const pair = connectedPair({ seed: 1, impairments: { delayMs: 50 } });
    let received = 0;
    pair.z.onMessage = (_streamId, _ppid, _bytes, start, end) => received += end - start;
    const send = (size: number) =>
      pair.call("a", ({ association }, now) => {
        if (size > 0) association.send(0, 53, new Uint8Array(size), undefined, now);
      });
    pair.runFor(3_000);
    send(length);
    pair.runFor(1_000);
    const begunAt = pair.now;
    send(50_000);
    pair.run({ until: () => received >= length + 50_000 });
    return pair.now - begunAt;
  });
  const [alone = 0, after = Infinity] = durations;
  ok(after < 1.1 * alone, durations.join());
});
