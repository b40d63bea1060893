/** What a sender in gusts has used of the congestion window. */
import { equal } from "node:assert/strict";
import { PeakFlight } from "../../src/sctp/tx/peak_flight.ts";

Deno.test("the peak is remembered over the gaps between gusts, for two round trips", () => {
  for (const initialTsn of [100, 2 ** 32 - 5]) {
    const at = (count: number) => (initialTsn + count) >>> 0;
    const peak = new PeakFlight(initialTsn);
    peak.handleSent(10_000);
    const acknowledge = (acked: number, sent: number, flightLength: number) =>
      peak.handleAcknowledged({ cumulativeTsn: at(acked), nextTsn: at(sent), flightLength });
    equal(acknowledge(1, 10, 9_000), 10_000);
    equal(acknowledge(5, 10, 5_000), 10_000);
    equal(acknowledge(10, 10, 0), 10_000);
    peak.handleSent(2_000);
    equal(acknowledge(12, 12, 0), 9_000);
    equal(acknowledge(14, 14, 0), 2_000);
  }
});
