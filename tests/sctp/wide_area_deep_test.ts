/** Row G3 with more paths: who gets how much of a bottleneck, whoever comes first. */
import { ok } from "node:assert/strict";
import { CubicCongestionControl } from "../../src/sctp/tx/cubic_congestion_control.ts";
import type { CongestionControl } from "../../src/sctp/tx/congestion_control.ts";
import { WideArea } from "./wide_area.ts";

const paths = [
  { mbits: 100, rttMs: 40 },
  { mbits: 200, rttMs: 50 },
  { mbits: 20, rttMs: 30 },
] as const;

type Control = ((pieceLength: number) => CongestionControl) | undefined;

const cubic: Control = (pieceLength) => new CubicCongestionControl(pieceLength);

/** The part of the first of two flows, on average of some seeds. */
function shareOf(
  path: (typeof paths)[number],
  queueInBdp: number,
  first: { readonly control: Control; readonly startAt: number },
  second: { readonly control: Control; readonly startAt: number },
): number {
  const queueBytes = queueInBdp * path.mbits * path.rttMs * 125;
  const shares = [1, 2, 3].map((seed) => {
    const world = new WideArea(seed, { ...path, queueBytes });
    const flows = [first, second].map(({ control, startAt }) =>
      world.add({ congestionControl: control, startAt })
    );
    world.runFor(8_000);
    world.mark();
    world.runFor(30_000);
    const [one = 0, other = 0] = flows.map((flow) => flow.goodput(world.now));
    return one / (one + other);
  });
  return shares.reduce((sum, share) => sum + share) / shares.length;
}

for (const path of paths) {
  for (const queueInBdp of [0.5, 1, 2, 4]) {
    const where = `${path.mbits} Mbit/s, ${path.rttMs} ms, a queue of ${queueInBdp} BDP`;
    Deno.test(`G3: beside a CUBIC flow a link has from 20 to 80 % over ${where}`, () => {
      for (const [own, others] of [[0, 3_000], [3_000, 0]] as const) {
        const share = shareOf(
          path,
          queueInBdp,
          { control: undefined, startAt: own },
          { control: cubic, startAt: others },
        );
        ok(share > 0.2 && share < 0.8, `${share}, from ${own} and ${others} ms`);
      }
    });
    Deno.test(`G3: two links share ${where}`, () => {
      for (const startAt of [200, 5_000]) {
        const share = shareOf(
          path,
          queueInBdp,
          { control: undefined, startAt: 0 },
          { control: undefined, startAt },
        );
        ok(share > 0.35 && share < 0.65, `${share}, the second from ${startAt} ms`);
      }
    });
  }
}
