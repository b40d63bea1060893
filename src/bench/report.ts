/** What was measured, as text for people or as one JSON document. */
import type { LinkPath } from "../link/link.ts";
import type { DirectionFigures, Measurement } from "./measure.ts";
import type { RoundTripFigures } from "./round_trips.ts";

/** As a table of some lines. */
export function describeMeasurement({ path, idle, upload, download }: Measurement): string {
  const rows = [
    ["", "throughput", "round trip p50", "p99", "sent again"],
    ["idle", "", ...describeRoundTrips(idle), ""],
    ["upload", ...describeDirection(upload)],
    ["download", ...describeDirection(download)],
  ];
  return [
    describePath(path),
    `load: ${upload.streamCount} streams at once, ${describeSeconds(upload)} up and ` +
    `${describeSeconds(download)} down; ${idle.count} echoes while idle`,
    "",
    ...rows.map((cells) => cells.map(pad).join("").trimEnd()),
  ].join("\n");
}

/**
 * As one line of JSON. Members that end in Ms are milliseconds; what was not told is null.
 */
export function measurementToJson({ path, idle, upload, download }: Measurement): string {
  return JSON.stringify({
    path: pathToJson(path),
    idle: roundTripsToJson(idle),
    upload: directionToJson(upload),
    download: directionToJson(download),
  });
}

const columnWidths = [10, 13, 17, 13, 13] as const;

/** Names stand to the left, figures to the right. */
function pad(cell: string, column: number): string {
  const width = columnWidths[column] ?? 0;
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function describePath(path: LinkPath | undefined): string {
  if (path === undefined) return "path: none at the moment";
  const { local, remote, isRelayed, obstacle, rtt } = path;
  const reason = obstacle === undefined ? "" : ` (${obstacle})`;
  const roundTrip = rtt === undefined ? "" : `, ${rtt.toFixed(1)} ms there and back by ICE`;
  const kind = isRelayed ? `relayed${reason}` : "direct";
  return `path: ${kind}, ${local} to ${remote}${roundTrip}`;
}

function describeSeconds({ duration }: DirectionFigures): string {
  return `${(duration / 1_000).toFixed(1)} s`;
}

function describeDirection(figures: DirectionFigures): string[] {
  return [
    describeRate(bytesPerSecond(figures)),
    ...describeRoundTrips(figures.loaded),
    describeLoss(figures),
  ];
}

function describeRoundTrips({ p50, p99 }: RoundTripFigures): string[] {
  return [p50, p99].map((time) => `${time.toFixed(time < 10 ? 2 : 1)} ms`);
}

function describeRate(rate: number | undefined): string {
  if (rate === undefined) return "too little";
  const megabytes = rate / 1_000_000;
  return `${megabytes.toFixed(megabytes < 10 ? 2 : 1)} MB/s`;
}

function describeLoss(figures: DirectionFigures): string {
  const share = lostShare(figures);
  return share === undefined ? "not told" : `${(100 * share).toFixed(2)} %`;
}

function directionToJson(figures: DirectionFigures): Record<string, unknown> {
  const { streamCount, bytes, duration, loaded, traffic } = figures;
  return {
    streams: streamCount,
    bytes,
    durationMs: rounded(duration),
    bytesPerSecond: orNull(bytesPerSecond(figures), Math.round),
    loaded: roundTripsToJson(loaded),
    loss: traffic === undefined ? null : {
      sentBytes: traffic.sent,
      resentBytes: traffic.resent,
      share: orNull(lostShare(figures), (share) => share),
    },
  };
}

function roundTripsToJson({ count, p50, p99 }: RoundTripFigures): Record<string, unknown> {
  return { count, p50Ms: rounded(p50), p99Ms: rounded(p99) };
}

function pathToJson(path: LinkPath | undefined): Record<string, unknown> | null {
  if (path === undefined) return null;
  const { local, remote, isRelayed, obstacle = null, rtt } = path;
  const kind = isRelayed ? "relayed" : "direct";
  return { kind, obstacle, local, remote, roundTripMs: orNull(rtt, rounded) };
}

/** Undefined where it was too little for a figure. */
function bytesPerSecond({ bytes, duration }: DirectionFigures): number | undefined {
  return duration > 0 ? bytes / (duration / 1_000) : undefined;
}

/** Of 0 to 1; undefined where it was not told, or nothing was sent. */
function lostShare({ traffic }: DirectionFigures): number | undefined {
  return traffic === undefined || traffic.sent <= 0 ? undefined : traffic.resent / traffic.sent;
}

function orNull(value: number | undefined, round: (value: number) => number): number | null {
  return value === undefined ? null : round(value);
}

/** To a microsecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1_000) / 1_000;
}
