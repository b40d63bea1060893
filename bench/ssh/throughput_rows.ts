/** Rows 1 to 7: how fast streams are carried. */
import type { WideAreaPath } from "../wide_area.ts";
import { checked, Stage, type StageOptions } from "./stage.ts";
import type { Figures, Goal, TableRow } from "./table_row.ts";

/** In ms. */
const shortWindow = { warmUp: 400, duration: 2_000 };
/** Long enough for windows to open. */
const longWindow = { warmUp: 2_000, duration: 3_000 };

type Direction = "down" | "up";

const directions: readonly Direction[] = ["down", "up"];
const commandOf = { down: "download", up: "upload" } as const;

/** Streams between hosts that are near each other, against ssh. */
interface NearRow {
  readonly name: string;
  readonly title: string;
  readonly between: "loopback" | "cable";
  readonly streamCount: number;
  readonly goal: Pick<Goal, "must" | "aim">;
}

const nearRows: readonly NearRow[] = [
  {
    name: "loopback",
    title: "loopback, 1 stream",
    between: "loopback",
    streamCount: 1,
    goal: { must: 1.5, aim: 2.5 },
  },
  {
    name: "loopback-8",
    title: "loopback, 8 streams",
    between: "loopback",
    streamCount: 8,
    goal: { must: 1.4, aim: 2.2 },
  },
  {
    name: "cable",
    title: "two namespaces, veth, MTU 1500, 1 stream",
    between: "cable",
    streamCount: 1,
    goal: { must: 1.3, aim: 2 },
  },
];

/** One stream to the client over a path; the goal is in MB/s. */
interface FarRow {
  readonly name: string;
  readonly title: string;
  readonly path: WideAreaPath;
  readonly goal: Pick<Goal, "must" | "aim">;
}

const farRows: readonly FarRow[] = [
  {
    name: "path-200",
    title: "200 Mbit/s, RTT 50 ms, loss 1 %",
    path: { rate: 200, delay: 25, loss: 1 },
    goal: { must: 18, aim: 21 },
  },
  {
    name: "path-500",
    title: "500 Mbit/s, RTT 100 ms, queue 2 MB",
    path: { rate: 500, delay: 50, queue: 2_000 },
    goal: { must: 45, aim: 54 },
  },
  {
    name: "path-100",
    title: "100 Mbit/s, RTT 20 ms, loss 0.1 %",
    path: { rate: 100, delay: 10, loss: 0.1 },
    goal: { must: 10.5, aim: 11.5 },
  },
  {
    name: "path-50",
    title: "50 Mbit/s, RTT 80 ms, jitter 10 ms (reorders), loss 0.5 %",
    // The jitter is added, and to each way.
    path: { rate: 50, delay: 35, jitter: 10, loss: 0.5 },
    goal: { must: 4.4, aim: 5.2 },
  },
];

async function measureNear(
  { between, streamCount }: NearRow,
  direction: Direction,
  { roundCount, ...options }: Omit<StageOptions, "between"> & { readonly roundCount: number },
): Promise<Figures> {
  await using stage = await Stage.open({ between, ...options });
  const figures = await stage.rounds(roundCount, async ({ port }, contender) => {
    const load = { port, streamCount, ...shortWindow };
    const receipt = checked(await stage.client.ask(commandOf[direction], load), contender);
    if (!receipt.isWhole) throw new Error(`${contender}: a stream did not come to its end`);
    return receipt.rate / 1e6;
  });
  return options.flavour === "portable" ? { ...figures, notes: stage.choices } : figures;
}

async function measureFar({ path }: FarRow, roundCount: number): Promise<Figures> {
  await using stage = await Stage.open({ between: path });
  let cutCount = 0;
  const figures = await stage.rounds(roundCount, async ({ port }, contender) => {
    const load = { port, streamCount: 1, ...longWindow };
    const receipt = checked(await stage.client.ask("download", load), contender);
    if (!receipt.isWhole && contender === "aetherport") cutCount++;
    return receipt.rate / 1e6;
  });
  const [, far] = await stage.endPath();
  const lost = far === undefined ? [] : [
    `of ${far.carried + far.lost + far.overflowed} packets to the client ` +
    `${far.lost} were lost and ${far.overflowed} found the queue full`,
  ];
  return {
    ...figures,
    notes: cutCount === 0 ? lost : [
      ...lost,
      `${cutCount} of aetherport's streams had not come to their end 8 s after they were told to`,
    ],
  };
}

function nearTableRow(near: NearRow, direction: Direction): TableRow {
  return {
    name: `${near.name}-${direction}`,
    title: `${near.title}, ${direction}`,
    unit: "MB/s",
    goal: { of: "ratio", better: "higher", ...near.goal },
    measure: (options) => measureNear(near, direction, options),
  };
}

/** Without FFI there is no goal but to be right; ssh's speed is in the rows above. */
function portableTableRow(near: NearRow, direction: Direction): TableRow {
  return {
    name: `portable-${near.name}-${direction}`,
    title: `without FFI: ${near.title}, ${direction}`,
    unit: "MB/s",
    goal: { of: "figure", better: "higher" },
    measure: (options) =>
      measureNear(near, direction, {
        ...options,
        flavour: "portable",
        contenders: ["aetherport"],
      }),
  };
}

/** In the order of the table. */
export const nearTableRows: readonly TableRow[] = nearRows.flatMap((near) =>
  directions.map((direction) => nearTableRow(near, direction))
);

/** In the order of the table. */
export const farTableRows: readonly TableRow[] = farRows.map((far) => ({
  name: far.name,
  title: far.title,
  unit: "MB/s",
  goal: { of: "figure", better: "higher", ...far.goal },
  measure: ({ roundCount }) => measureFar(far, roundCount),
}));

/** In the order of the table. */
export const portableTableRows: readonly TableRow[] = nearRows.flatMap((near) =>
  directions.map((direction) => portableTableRow(near, direction))
);
