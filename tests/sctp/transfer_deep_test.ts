/** Goal G2 with many more seeds and bytes. */
import { forSeeds } from "../sim/seeds.ts";
import { transfersOf } from "./matrix.ts";
import { runTransfer } from "./transfer.ts";

/** Among so many timeouts at 20 % loss there are some that are lost eight times in a row, in ms. */
const deepPatience = 20_000;

Deno.test("G2: 160 bad paths with 200 seeds carry what is sent", () => {
  forSeeds(200, (seed) => {
    for (const transfer of transfersOf(10_000 + seed, 60_000)) {
      runTransfer({ ...transfer, patience: transfer.patience && deepPatience });
    }
  });
});

Deno.test("G2: 160 bad paths carry 1 MB each way", () => {
  forSeeds(5, (seed) => {
    for (const transfer of transfersOf(20_000 + seed, 1_000_000)) {
      const patience = transfer.patience && deepPatience;
      runTransfer({ ...transfer, patience, maxVirtualMs: 3_600_000 });
    }
  });
});

Deno.test("paths with cuts, queues and losses at once carry what is sent", () => {
  const rate = { bitsPerSecond: 5_000_000, queueBytes: 60_000 };
  forSeeds(1_000, (seed) => {
    const from = 100 + 17 * (seed % 50);
    const cuts = [{ from, until: from + 5_000 }, { from: from + 9_000, until: from + 14_000 }];
    runTransfer({
      seed,
      impairments: { delayMs: seed % 60, loss: 0.03, rate, cuts },
      length: 500_000,
      streamCount: 8,
      maxMessageLength: seed % 2 === 0 ? 1_100 : 65_536,
      isWrapping: seed % 3 === 0,
      config: { isInterleavingOffered: seed % 4 < 2, heartbeatInterval: 2_000 },
      // Both cuts, and between them three times the longest RTO.
      patience: 17_500,
    });
  });
});
