/** Sizes and durations as people write them. */
import { type KeyPath, ValueDefect } from "./policy_error.ts";

const sizeUnits: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["kB", 1e3],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
]);
const durationUnits: ReadonlyMap<string, number> = new Map([
  ["", 1_000],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
/** Timers take no more, in ms. */
const maxDuration = 2 ** 31 - 1;

/** Bytes of a size: a number, or `10 MB`. Throws {@link ValueDefect}. */
export function readSize(value: string | number, path: KeyPath): number {
  const bytes = read(value, sizeUnits);
  if (bytes !== undefined && bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER) {
    return Math.round(bytes);
  }
  const expected = 'bytes, at least 1, as a number or with a unit such as "10 MB" or "1 GiB"';
  throw new ValueDefect(path, expected, JSON.stringify(value));
}

/** Milliseconds of a duration: a number of seconds, or `15m`. Throws {@link ValueDefect}. */
export function readDuration(value: string | number, path: KeyPath): number {
  const duration = read(value, durationUnits);
  if (duration !== undefined && duration > 0 && duration <= maxDuration) return duration;
  const expected = 'up to 24 days, as a number of seconds or with a unit such as "15m" or "8h"';
  throw new ValueDefect(path, expected, JSON.stringify(value));
}

function read(value: string | number, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)$/.exec(`${value}`) ?? [];
  const factor = units.get(unit);
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
