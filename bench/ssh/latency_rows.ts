/** Rows 8 to 10: how long an answer takes. */
import { median, quantile } from "../statistics.ts";
import { checked, Stage } from "./stage.ts";
import type { Figures, TableRow } from "./table_row.ts";

/** Of the path of these rows, in ms. */
const roundTrip = 50;
const path = { rate: 200, delay: roundTrip / 2 };
const openingCount = 15;
/** In bytes. */
const requestLength = 64;
/** In ms. So long that most of it is as a session of minutes is: programs grow faster as they run. */
const conversation = { idle: 4_000, loaded: 5_000 };
const saturation = { warmUp: 2_000, duration: 5_000 };
const saturatingCount = 8;
/** Until the streams have filled the path, in ms. */
const filling = 2_000;

async function measureFirstAnswer(roundCount: number): Promise<Figures> {
  await using stage = await Stage.open({ between: path });
  return await stage.rounds(
    roundCount,
    async ({ port }) => median(await stage.client.ask("openEach", { port, count: openingCount })),
  );
}

async function measureRoundTrip(roundCount: number): Promise<Figures> {
  await using stage = await Stage.open({ between: "loopback" });
  const options = { duration: conversation.idle, length: requestLength };
  return await stage.rounds(
    roundCount,
    async ({ port }) => median(await stage.client.ask("converse", { port, ...options })),
  );
}

async function measureLoaded(roundCount: number): Promise<Figures> {
  await using stage = await Stage.open({ between: path });
  const rates: number[] = [];
  const figures = await stage.rounds(roundCount, async ({ port }, contender) => {
    const load = { port, streamCount: saturatingCount, ...saturation };
    const loading = stage.client.ask("download", load, saturation.warmUp + saturation.duration);
    await new Promise((resolve) => setTimeout(resolve, filling));
    const options = { duration: conversation.loaded, length: requestLength };
    const times = await stage.observer.ask("converse", { port, ...options });
    const { rate } = checked(await loading, contender);
    if (contender === "aetherport") rates.push(rate / 1e6);
    return quantile(times, 0.99);
  });
  return { ...figures, notes: [`beside ${median(rates).toFixed(1)} MB/s of aetherport's`] };
}

/** In the order of the table. */
export const latencyRows: readonly TableRow[] = [
  {
    name: "first-answer",
    title: "a new connection's first answer, RTT 50 ms, median",
    unit: "ms",
    goal: { of: "figure", better: "lower", must: 60, aim: 1.05 * roundTrip },
    measure: ({ roundCount }) => measureFirstAnswer(roundCount),
  },
  {
    name: "round-trip",
    title: "64 bytes there and back on an open connection, loopback, p50",
    unit: "ms",
    goal: { of: "ratio", better: "lower", must: 1.2, aim: 0.75 },
    measure: ({ roundCount }) => measureRoundTrip(roundCount),
  },
  {
    name: "loaded-round-trip",
    title: "the same beside 8 streams that fill 200 Mbit/s, RTT 50 ms, p99",
    unit: "ms",
    goal: { of: "figure", better: "lower", must: roundTrip + 30, aim: roundTrip + 10 },
    measure: ({ roundCount }) => measureLoaded(roundCount),
  },
];
