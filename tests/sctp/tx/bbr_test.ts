/** draft-ietf-ccwg-bbr: what BBR believes of a path, on its own, and the pace that follows from it. */
import { equal, ok } from "node:assert/strict";
import { BbrCongestionControl } from "../../../src/sctp/tx/bbr_congestion_control.ts";
import { LossMonitor } from "../../../src/sctp/tx/loss_monitor.ts";
import { Pacer } from "../../../src/sctp/tx/pacer.ts";
import { acknowledgementOf } from "./acknowledgements.ts";

const pieceLength = 1_000;

/** A path that takes so many bytes/ms, as a sender sees it that always fills what it may. */
class Path {
  readonly control = new BbrCongestionControl(pieceLength);
  now = 0;
  delivered = 0;
  lost = 0;
  readonly #rate: number;
  readonly #rtt: number;

  constructor(rate: number, rtt: number) {
    this.#rate = rate;
    this.#rtt = rtt;
  }

  /** A round trip in which a window, or what the path takes, is delivered, in ten acknowledgements. */
  round(lossRate = 0): void {
    const { control } = this;
    const capacity = this.#rate * this.#rtt;
    const flightLength = Math.min(control.cwndBytes, control.pacingRate * this.#rtt);
    const rtt = Math.max(this.#rtt, flightLength / this.#rate);
    const length = Math.min(flightLength, capacity) * (1 - lossRate);
    const priorDelivered = this.delivered;
    for (let part = 0; part < 10; part++) {
      this.now += rtt / 10;
      this.delivered += length / 10;
      this.lost += flightLength * lossRate / 10;
      control.handleAcknowledgement(acknowledgementOf({
        ackedLength: length / 10,
        flightLength,
        rtt,
        srtt: rtt,
        deliveredLength: this.delivered,
        lostLength: this.lost,
        sample: { priorDelivered, flightLength, rate: length / this.#rtt },
        now: this.now,
      }));
    }
  }

  roundsUntil(state: string): void {
    while (this.control.figures.state !== state) this.round();
  }

  rounds(count: number, lossRate = 0): void {
    for (let left = count; left > 0; left--) this.round(lossRate);
  }
}

Deno.test("Startup doubles what is under way, until the path delivers no more", () => {
  const path = new Path(10_000, 50);
  const { control } = path;
  equal(control.pacingRate, Infinity);
  path.round();
  equal(control.figures.state, "startup");
  const before = control.cwndBytes;
  path.round();
  ok(control.cwndBytes >= 1.9 * before);
  path.rounds(20);
  ok(control.figures.state !== "startup");
  ok(Math.abs(control.figures.maxRate - 10_000) < 1, `${control.figures.maxRate}`);
  equal(control.figures.minRtt, 50);
});

Deno.test("afterwards its pace is about what was delivered, and its window some BDP", () => {
  const path = new Path(10_000, 50);
  path.rounds(40);
  for (let count = 0; count < 200; count++) {
    path.round();
    const { pacingRate, cwndBytes } = path.control;
    ok(pacingRate > 8_500 && pacingRate <= 12_500, `${pacingRate}`);
    ok(cwndBytes > 500_000 && cwndBytes < 1_750_000, `${cwndBytes}`);
  }
});

Deno.test("loss by chance slows it down neither at its start nor later", () => {
  const path = new Path(10_000, 50);
  path.rounds(200, 0.05);
  const { maxRate, rateLow, baseLossRate } = path.control.figures;
  ok(maxRate > 9_400, `${maxRate}`);
  ok(Math.abs(baseLossRate - 0.05) < 0.01, `${baseLossRate}`);
  equal(rateLow, Infinity);
});

Deno.test("loss that is new is congestion: no faster than what is delivered, until the next probe", () => {
  const path = new Path(10_000, 50);
  path.rounds(60);
  path.roundsUntil("up");
  path.roundsUntil("cruise");
  path.rounds(3, 0.3);
  ok(path.control.figures.rateLow < 8_000, `${path.control.figures.rateLow}`);
  path.rounds(120);
  ok(path.control.pacingRate > 8_500);
});

Deno.test("after a timeout one packet is under way, and after an answer as much as before", () => {
  const path = new Path(10_000, 50);
  path.rounds(60);
  const before = path.control.cwndBytes;
  path.control.handleTimeout();
  path.control.handleTimeout();
  equal(path.control.cwndBytes, pieceLength);
  path.round();
  ok(path.control.cwndBytes >= 0.7 * before, `${path.control.cwndBytes} of ${before}`);
});

Deno.test("after a long silence the path is looked at anew", () => {
  const path = new Path(10_000, 50);
  path.rounds(60);
  for (let count = 0; count < 12; count++) path.control.handleTimeout();
  path.now += 30_000;
  path.round();
  equal(path.control.figures.state, "startup");
  path.rounds(12);
  ok(path.control.figures.maxRate > 9_900);
});

Deno.test("round trips that timers cannot tell are not paced", () => {
  const path = new Path(100_000, 0.3);
  path.control.handleAcknowledgement(acknowledgementOf({
    ackedLength: 10_000,
    rtt: 0.3,
    srtt: 0.3,
    deliveredLength: 10_000,
    sample: { rate: 30_000 },
    now: 1,
  }));
  equal(path.control.pacingRate, Infinity);
});

Deno.test("after idle it goes on at the path's pace", () => {
  const path = new Path(10_000, 50);
  path.rounds(60);
  path.roundsUntil("up");
  path.control.handleIdle();
  ok(path.control.pacingRate <= 10_000);
});

Deno.test("a pacer releases a quantum at a time, and makes up for a late timer", () => {
  const pacer = new Pacer();
  pacer.advance(0);
  ok(pacer.isReady, "nothing is paced before a rate is set");
  pacer.setRate(10_000, pieceLength);
  pacer.restart();
  pacer.spend(10_000);
  ok(!pacer.isReady);
  equal(pacer.readyAt, 1);
  pacer.advance(0.5);
  ok(!pacer.isReady, "half a quantum waits for the other half");
  equal(pacer.readyAt, 1);
  pacer.advance(3);
  let released = 0;
  for (; pacer.isReady; released += pieceLength) pacer.spend(pieceLength);
  equal(released, 30_000);
  pacer.advance(1_000);
  for (released = 0; pacer.isReady; released += pieceLength) pacer.spend(pieceLength);
  equal(released, 60_000, "no more than some ms are made up for");
});

Deno.test("who had nothing to send does not send in a burst later", () => {
  const pacer = new Pacer();
  pacer.setRate(10_000, pieceLength);
  pacer.advance(0);
  pacer.restart();
  pacer.spend(5_000);
  pacer.advance(1_000);
  let released = 0;
  for (; pacer.isReady; released += pieceLength) pacer.spend(pieceLength);
  equal(released, 10_000);
});

Deno.test("a few losses are chance, and many are not", () => {
  const monitor = new LossMonitor(pieceLength);
  monitor.handleAcknowledgement(2_000, 40_000);
  ok(!monitor.isTooHigh(20_000));
  monitor.handleAcknowledgement(8_000, 40_000);
  ok(monitor.isTooHigh(20_000));
  ok(!monitor.isTooHigh(1_000_000), "of so many");
  equal(monitor.baseRate, 0);
});
