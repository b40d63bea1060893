/** Row S11: how the window grows and shrinks. */
import { equal, ok } from "node:assert/strict";
import { Rfc9260CongestionControl } from "../../src/sctp/tx/rfc9260_congestion_control.ts";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { connectedPair, type SctpPair } from "./association_pair.ts";
import { chunkTypesOf } from "./packets.ts";

const pieceLength = 1_000;

function acknowledge(
  control: Rfc9260CongestionControl,
  ackedLength: number,
  changes: {
    readonly isAdvanced?: boolean;
    readonly isRecovering?: boolean;
    readonly peakFlightLength?: number;
  } = {},
): void {
  control.handleAcknowledgement({
    ackedLength,
    peakFlightLength: control.cwndBytes,
    isAdvanced: true,
    isRecovering: false,
    now: 0,
    ...changes,
  });
}

Deno.test("slow start adds what was acknowledged, of two packets at most", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  equal(control.cwndBytes, 10_000);
  acknowledge(control, 1_500);
  equal(control.cwndBytes, 11_500);
  acknowledge(control, 9_000);
  equal(control.cwndBytes, 13_500);
});

Deno.test("the window does not grow when it was not used, nor in a recovery, nor by gaps alone", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  acknowledge(control, 1_000, { peakFlightLength: 4_000 });
  acknowledge(control, 1_000, { isRecovering: true });
  acknowledge(control, 1_000, { isAdvanced: false });
  equal(control.cwndBytes, 10_000);
});

Deno.test("in slow start half the window is use enough, later all of it but a packet", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  acknowledge(control, 1_000, { peakFlightLength: 5_000 });
  equal(control.cwndBytes, 11_000);
  control.handleLoss();
  acknowledge(control, 1_000);
  const before = control.cwndBytes;
  for (let acked = 0; acked < 20_000; acked += 1_000) {
    acknowledge(control, 1_000, { peakFlightLength: before - pieceLength });
  }
  equal(control.cwndBytes, before);
});

Deno.test("after a loss it is half, and grows by one packet a window", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  for (let count = 0; count < 10; count++) acknowledge(control, 1_000);
  control.handleLoss();
  equal(control.cwndBytes, 10_000);
  // At the threshold it is slow start once more: RFC 9260, section 7.2.1.
  acknowledge(control, 1_000);
  equal(control.cwndBytes, 11_000);
  for (let acked = 0; acked < 11_000; acked += 1_000) acknowledge(control, 1_000);
  equal(control.cwndBytes, 12_000);
  control.handleLoss();
  control.handleLoss();
  equal(control.cwndBytes, 4_000);
});

Deno.test("after a timeout it is one packet, and grows by slow start to half of what it was", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  for (let count = 0; count < 10; count++) acknowledge(control, 1_000);
  control.handleTimeout();
  equal(control.cwndBytes, 1_000);
  for (let count = 0; count < 10; count++) acknowledge(control, 1_000);
  equal(control.cwndBytes, 11_000);
  acknowledge(control, 1_000);
  equal(control.cwndBytes, 11_000);
});

Deno.test("an idle window is halved each RTO, down to the initial one", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  for (let count = 0; count < 70; count++) acknowledge(control, 1_000);
  equal(control.cwndBytes, 80_000);
  control.handleIdle(300, 300);
  equal(control.cwndBytes, 40_000);
  control.handleIdle(10_000, 300);
  equal(control.cwndBytes, 10_000);
  control.handleTimeout();
  control.handleIdle(10_000, 300);
  equal(control.cwndBytes, 1_000);
});

Deno.test("longer packets keep a small window at as many of them", () => {
  const control = new Rfc9260CongestionControl(pieceLength);
  control.setPieceLength(8_000);
  equal(control.cwndBytes, 80_000);
  control.setPieceLength(1_000);
  equal(control.cwndBytes, 80_000);
});

/** Data without end, over a path that loses what it is told to. */
function streaming(isLost: (dataIndex: number) => boolean): SctpPair {
  let dataIndex = 0;
  const pair = connectedPair({
    seed: 1,
    impairments: { delayMs: 20 },
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

Deno.test("all losses of one window halve it once", () => {
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
    equal(cwndBytes, before / 2, `${losses}`);
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
