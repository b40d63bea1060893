/** Rows 11 to 13: what carrying costs, and how much of it a node bears. */
import { cpuSeconds, residentBytes } from "../processes.ts";
import { median, quantile } from "../statistics.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";
import { checked, Stage } from "./stage.ts";
import type { Figures, TableRow } from "./table_row.ts";

/** In ms. */
const window = { warmUp: 0, duration: 2_500 };
/** Connections before the slope is measured, and after. */
const idleCounts = { few: 2_000, many: 10_000 };
/** Until what making connections took is given back, in ms. */
const rest = 8_000;
/** In s. */
const arrivalTime = 60;

/** Of both ends together. */
function cpuOf(tunnel: Tunnel): number {
  const { near, far } = tunnel.pids();
  return cpuSeconds([...near, ...far]);
}

async function measureCpu(roundCount: number): Promise<Figures> {
  await using stage = await Stage.open({ between: "loopback" });
  // The first connections make processes, and compile what they run.
  await stage.rounds(
    1,
    async ({ port }) => median(await stage.client.ask("openEach", { port, count: 5 })),
  );
  return await stage.rounds(roundCount, async (tunnel, contender) => {
    const before = cpuOf(tunnel);
    const load = { port: tunnel.port, streamCount: 1, ...window };
    const { bytes } = checked(await stage.client.ask("download", load), contender);
    return (cpuOf(tunnel) - before) / (bytes / 1e9);
  });
}

/** The slope of the larger of the two ends, in KB a connection. */
async function measureIdle(): Promise<Figures> {
  await using stage = await Stage.open({ between: "loopback", contenders: ["aetherport"] });
  const tunnel = stage.tunnel("aetherport");
  const { near: [near = 0], far: [far = 0] } = tunnel.pids();
  const memoryWith = async (count: number) => {
    await stage.client.ask("openAndKeep", { port: tunnel.port, count }, 120_000);
    await new Promise((resolve) => setTimeout(resolve, rest));
    return [residentBytes(near), residentBytes(far)] as const;
  };
  const few = await memoryWith(idleCounts.few);
  const added = idleCounts.many - idleCounts.few;
  const many = await memoryWith(added);
  const [nearSlope = NaN, farSlope = NaN] = many.map((one, at) =>
    (one - (few[at] ?? NaN)) / added / 1024
  );
  return {
    ssh: [],
    aetherport: [Math.max(nearSlope, farSlope)],
    notes: [`${nearSlope.toFixed(1)} KB at the egress, ${farSlope.toFixed(1)} KB at the ingress`],
  };
}

/** The 99th percentile, in ms; all have to be served. */
async function measureArrivals(perSecond: number): Promise<Figures> {
  await using stage = await Stage.open({ between: "loopback", contenders: ["aetherport"] });
  const { port } = stage.tunnel("aetherport");
  await stage.client.ask("openEach", { port, count: 50 });
  const arrivals = { port, perSecond, duration: arrivalTime };
  const served = await stage.client.ask("openByClock", arrivals, arrivalTime * 1000);
  if (served.failureCount > 0) {
    throw new Error(`${served.failureCount} were not served; the first: ${served.failure}`);
  }
  const tail = quantile(served.times, 1).toFixed(0);
  return {
    ssh: [],
    aetherport: [quantile(served.times, 0.99)],
    notes: [`${served.times.length} were served, the last after ${tail} ms`],
  };
}

/** In the order of the table. */
export const costRows: readonly TableRow[] = [
  {
    name: "cpu",
    title: "CPU seconds a GB, loopback, both ends",
    unit: "s/GB",
    goal: { of: "ratio", better: "lower", must: 0.7, aim: 0.4 },
    measure: ({ roundCount }) => measureCpu(roundCount),
  },
  {
    name: "idle",
    title: "10,000 idle connections on one link: memory each, the larger side",
    unit: "KB",
    goal: { of: "figure", better: "lower", must: 64, aim: 24 },
    measure: () => measureIdle(),
  },
  {
    name: "arrivals-500",
    title: "500 new connections a second for 60 s, loopback, p99",
    unit: "ms",
    goal: { of: "figure", better: "lower", must: 50 },
    measure: () => measureArrivals(500),
  },
  {
    name: "arrivals-1000",
    title: "1,000 new connections a second for 60 s, loopback, p99",
    unit: "ms",
    goal: { of: "figure", better: "lower", aim: 50 },
    measure: () => measureArrivals(1_000),
  },
];
