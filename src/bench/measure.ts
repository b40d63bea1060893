/**
 * The side that measures: a link's round trip while idle, then each direction's throughput, and the
 * round trip and loss meanwhile. One after the other, so that nothing disturbs the next.
 */
import { getLogger } from "@logtape/logtape";
import type { StreamPort } from "../forward/stream_port.ts";
import type { LinkPath } from "../link/link.ts";
import {
  type Ground,
  MeasurementRefused,
  openStream,
  withStream,
  workOn,
} from "./client_stream.ts";
import { Meter, type MeterReading } from "./meter.ts";
import { EchoStream, figuresOf, type RoundTripFigures } from "./round_trips.ts";
import { readAll } from "./stream_work.ts";
import { parseTraffic, trafficBetween, type TrafficFigures } from "./traffic_figures.ts";
import { download, type Transfer, upload } from "./transfer.ts";

const log = getLogger(["aetherport", "bench"]);

/** Round trips that are not counted: code is loaded, and the path found, during the first. */
const warmUpCount = 5;
/** Round trips end after so long, however few there were, in ms. */
const idleDuration = 10_000;
/** The other node has so long, in ms, for what it should do at once, and for what is under way. */
const patience = 30_000;
/** Longer figures of the other node are none, in bytes. */
const maxFiguresLength = 1_024;

/** How it is measured. */
export interface MeasurePlan {
  /** How long each direction is loaded, in ms. */
  readonly duration: number;
  /** Round trips while the link is idle. */
  readonly echoCount: number;
  /** The pause between two round trips, in ms. */
  readonly echoInterval: number;
  /** Streams that carry the load together. */
  readonly streamCount: number;
}

/** How it is measured where nobody says otherwise; 5 s. */
export const defaultPlan: MeasurePlan = {
  duration: 5_000,
  echoCount: 100,
  echoInterval: 10,
  streamCount: 4,
};

/** What was measured of one direction. */
export interface DirectionFigures extends MeterReading {
  readonly streamCount: number;
  /** Round trips of small messages beside the load. */
  readonly loaded: RoundTripFigures;
  /** What the sending side has sent meanwhile; undefined where it does not tell. */
  readonly traffic: TrafficFigures | undefined;
}

/** What was measured. */
export interface Measurement {
  /** Where the link ran at the end. */
  readonly path: LinkPath | undefined;
  readonly idle: RoundTripFigures;
  readonly upload: DirectionFigures;
  readonly download: DirectionFigures;
}

/** Measures a link that is up. Throws an Error that says what failed, or what was refused. */
export function measure(ground: Ground, plan: MeasurePlan = defaultPlan): Promise<Measurement> {
  return withStream(ground, "echo", async (port) => {
    const echo = new EchoStream(port);
    const idle = await measureIdle(echo, plan);
    const idlePath = ground.link.path;
    const up = await measureUpload(ground, { echo, plan });
    const down = await measureDownload(ground, { echo, plan });
    return { path: pathOf(idlePath, ground.link.path), idle, upload: up, download: down };
  });
}

/** The path at the end; where it has not changed, with ICE's round trip from before the load. */
function pathOf(before: LinkPath | undefined, after: LinkPath | undefined): LinkPath | undefined {
  const isSame = before?.local === after?.local && before?.remote === after?.remote;
  return isSame ? before : after;
}

/** What a direction is measured with. */
interface Means {
  readonly echo: EchoStream;
  readonly plan: MeasurePlan;
}

async function measureIdle(echo: EchoStream, plan: MeasurePlan): Promise<RoundTripFigures> {
  log.info("measuring the round trip", { event: "bench-idle" });
  const interval = plan.echoInterval;
  const end = performance.now() + idleDuration;
  const isLate = () => performance.now() >= end;
  const sampling = async () => {
    await echo.sample({ interval, isDone: (count) => count >= warmUpCount || isLate() });
    return await echo.sample({ interval, isDone: (count) => count >= plan.echoCount || isLate() });
  };
  return figuresOf(await within(idleDuration + patience, "echoes", sampling()));
}

async function measureUpload(ground: Ground, means: Means): Promise<DirectionFigures> {
  log.info("measuring the way up", { event: "bench-upload" });
  const before = ground.link.traffic;
  const figures = await loadDirection(ground, { ...means, label: "upload", transfer: upload });
  return { ...figures, traffic: trafficBetween(before, ground.link.traffic) };
}

async function measureDownload(ground: Ground, means: Means): Promise<DirectionFigures> {
  log.info("measuring the way down", { event: "bench-download" });
  const before = await askTraffic(ground);
  const figures = await loadDirection(ground, { ...means, label: "download", transfer: download });
  return { ...figures, traffic: trafficBetween(before, await askTraffic(ground)) };
}

async function loadDirection(
  ground: Ground,
  { label, transfer, echo, plan }: Means & {
    readonly label: "upload" | "download";
    readonly transfer: (transfer: Transfer) => Promise<void>;
  },
): Promise<Omit<DirectionFigures, "traffic">> {
  const { duration, streamCount, echoInterval: interval } = plan;
  const opening = Array.from({ length: streamCount }, () => openStream(ground, label));
  const ports = await within(patience, `streams for the ${label}`, Promise.all(opening));
  const begunAt = performance.now();
  const deadline = begunAt + duration;
  const meter = new Meter({ begunAt, deadline });
  let isOver = false;
  const carry = (port: StreamPort) =>
    workOn(port, () => transfer({ port, meter, deadline }))
      // The round trips beside it end with it.
      .finally(() => isOver = true);
  const echoing = echo.sample({
    interval,
    isDone: () => isOver || performance.now() >= deadline,
  });
  const [times] = await within(
    duration + patience,
    `an end of the ${label}`,
    Promise.all([echoing, ...ports.map(carry)]),
  );
  return { ...meter.read(), streamCount, loaded: figuresOf(times) };
}

/** What the other node has sent over the link; undefined where it does not tell. */
async function askTraffic(ground: Ground): Promise<TrafficFigures | undefined> {
  try {
    return await within(
      patience,
      "figures",
      withStream(ground, "figures", async (port) => {
        port.stream.end();
        let text = "";
        const decoder = new TextDecoder();
        await readAll(port, (bytes) => {
          text += decoder.decode(bytes, { stream: true });
          if (text.length > maxFiguresLength) throw new Error("the other node's figures are none");
        });
        return parseTraffic(text);
      }),
    );
  } catch (error) {
    // One that does not know this kind of stream can be measured all the same.
    if (error instanceof MeasurementRefused) return undefined;
    throw error;
  }
}

/** Gives up what does not come in time, in ms. */
async function within<Result>(
  duration: number,
  what: string,
  work: Promise<Result>,
): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const problem = `${what} did not come from the other node within ${duration / 1_000} s`;
  const timer = setTimeout(() => reject(new Error(problem)), duration);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
