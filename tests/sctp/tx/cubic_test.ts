/** RFC 9438 and RFC 9406: how CUBIC's window grows and shrinks. */
import { equal, ok } from "node:assert/strict";
import type { Acknowledgement } from "../../../src/sctp/tx/congestion_control.ts";
import { CubicCongestionControl } from "../../../src/sctp/tx/cubic_congestion_control.ts";
import { acknowledgementOf } from "./acknowledgements.ts";

const pieceLength = 1_000;
const rtt = 100;

function acknowledge(
  control: CubicCongestionControl,
  ackedLength: number,
  changes: Partial<Omit<Acknowledgement, "sample">> = {},
): void {
  control.handleAcknowledgement(acknowledgementOf({ ackedLength, ...changes }));
}

/** Acknowledges a window each round trip; returns the windows. */
function runRounds(control: CubicCongestionControl, count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, round) => {
    const now = start + round * rtt;
    const packets = Math.floor(control.cwndBytes / pieceLength);
    for (let left = packets; left > 0; left--) acknowledge(control, pieceLength, { now });
    return control.cwndBytes;
  });
}

Deno.test("slow start adds what was acknowledged", () => {
  const control = new CubicCongestionControl(pieceLength);
  equal(control.cwndBytes, 10_000);
  acknowledge(control, 1_500);
  equal(control.cwndBytes, 11_500);
});

Deno.test("the window does not grow when it was not used, nor in a recovery", () => {
  const control = new CubicCongestionControl(pieceLength);
  acknowledge(control, 1_000, { peakFlightLength: 4_000 });
  acknowledge(control, 1_000, { isRecovering: true });
  equal(control.cwndBytes, 10_000);
  control.handleLoss();
  acknowledge(control, 1_000, { peakFlightLength: control.cwndBytes - pieceLength - 1 });
  equal(control.cwndBytes, 7_000);
});

Deno.test("after a loss it is 0.7 of what it was, flat near there, and then grows ever faster", () => {
  const control = new CubicCongestionControl(pieceLength);
  acknowledge(control, 990_000);
  control.handleLoss();
  equal(control.cwndBytes, 700_000);
  const windows = runRounds(control, 200);
  // K = cbrt(300 / 0.4) = 9.1 s.
  const plateau = windows[91] ?? 0;
  ok(Math.abs(plateau - 1_000_000) < 30_000, `${plateau} at K`);
  const growth = (from: number, to: number) => (windows[to] ?? 0) - (windows[from] ?? 0);
  ok(growth(0, 20) > 5 * growth(80, 100), "concave");
  ok(growth(180, 199) > 5 * growth(90, 110), "convex");
});

Deno.test("a small window grows as Reno's does", () => {
  const control = new CubicCongestionControl(pieceLength);
  acknowledge(control, 10_000);
  control.handleLoss();
  const windows = runRounds(control, 20);
  const reno = 14_000 + 20 * 3 * 0.3 / 1.7 * pieceLength;
  ok((windows[19] ?? 0) >= reno * 0.95, `${windows[19]}`);
});

Deno.test("fast convergence: a second loss below the last maximum aims lower", () => {
  const [first, second] = [0, 1].map(() => {
    const control = new CubicCongestionControl(pieceLength);
    acknowledge(control, 990_000);
    control.handleLoss();
    return control;
  });
  if (first === undefined || second === undefined) throw new Error("two are made");
  second.handleLoss();
  // Without it the curve would aim at 700 packets; with it, at 0.85 of them.
  const plateauAfter = Math.cbrt((0.85 - 0.7) * 700 / 0.4) * 10;
  const windows = runRounds(second, Math.round(plateauAfter) + 1);
  ok(Math.abs((windows.at(-1) ?? 0) - 595_000) < 20_000, `${windows.at(-1)}`);
});

Deno.test("a window is never below four packets after a loss, and one after a timeout", () => {
  const control = new CubicCongestionControl(pieceLength);
  for (let count = 0; count < 10; count++) control.handleLoss();
  equal(control.cwndBytes, 4_000);
  control.handleTimeout();
  equal(control.cwndBytes, 1_000);
  for (let count = 0; count < 3; count++) acknowledge(control, 1_000);
  equal(control.cwndBytes, 4_000);
});

Deno.test("RFC 9406: slow start slows down once round trips become longer", () => {
  const control = new CubicCongestionControl(pieceLength);
  let delivered = 0;
  const round = (rtt: number, count: number) => {
    const priorDelivered = delivered;
    const before = control.cwndBytes;
    for (let left = count; left > 0; left--) {
      delivered += pieceLength;
      const sample = { priorDelivered };
      control.handleAcknowledgement(
        acknowledgementOf({ ackedLength: pieceLength, rtt, sample, deliveredLength: delivered }),
      );
    }
    return (control.cwndBytes - before) / (count * pieceLength);
  };
  equal(round(100, 10), 1);
  equal(round(101, 20), 1);
  ok(round(120, 40) < 0.6);
  equal(round(120, 40), 0.25);
});

Deno.test("an idle window is halved each RTO, down to the initial one", () => {
  const control = new CubicCongestionControl(pieceLength);
  acknowledge(control, 70_000);
  equal(control.cwndBytes, 80_000);
  control.handleIdle(300, 300);
  equal(control.cwndBytes, 40_000);
  control.handleIdle(10_000, 300);
  equal(control.cwndBytes, 10_000);
});

Deno.test("longer packets keep a small window at as many of them", () => {
  const control = new CubicCongestionControl(pieceLength);
  control.setPieceLength(8_000);
  equal(control.cwndBytes, 80_000);
  control.setPieceLength(1_000);
  equal(control.cwndBytes, 80_000);
});
