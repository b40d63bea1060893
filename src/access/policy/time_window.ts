/** When a rule holds: days and hours in a time zone, from and until. */
import type { TomlDate } from "smol-toml";
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { RuleDocument } from "./schema.ts";
import { WallClock, type WallTime } from "./wall_clock.ts";

/** When a rule holds. Instants are in ms since 1970. */
export interface TimeWindow {
  readonly clock: WallClock;
  isOpen(now: number): boolean;
  /** When it may next open or close, at the earliest; Infinity where never. */
  nextEdge(now: number): number;
}

type TimeDocument = NonNullable<RuleDocument["time"]>;

/** Minutes of a day; where the end is not behind the start, it is on the next day. */
interface Hours {
  readonly start: number;
  readonly end: number;
}

const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const minuteLength = 60_000;
const minutesOfDay = 1_440;

/** Makes clocks, one for each zone of a policy. */
export class WallClocks {
  readonly #clocks = new Map<string, WallClock>();

  /** Throws {@link ValueDefect}. */
  of(zone: string, path: KeyPath): WallClock {
    let clock = this.#clocks.get(zone);
    try {
      clock ??= new WallClock(zone);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const expected = 'an IANA time zone such as "Europe/Berlin"';
      throw new ValueDefect(path, expected, JSON.stringify(zone));
    }
    this.#clocks.set(zone, clock);
    return clock;
  }
}

/** Makes a window of a rule's `time`. Throws {@link ValueDefect}. */
export function timeWindowOf(
  { days, hours, zone = "UTC", from, until }: TimeDocument,
  { clocks, path }: { readonly clocks: WallClocks; readonly path: KeyPath },
): TimeWindow {
  const clock = clocks.of(zone, [...path, "zone"]);
  const weekdays = days === undefined ? undefined : readDays(days, [...path, "days"]);
  const ranges = hours?.map((text) => readHours(text, [...path, "hours"]));
  const start = from === undefined
    ? -Infinity
    : instantOf(from, { clock, path: [...path, "from"], isEnd: false });
  const end = until === undefined
    ? Infinity
    : instantOf(until, { clock, path: [...path, "until"], isEnd: true });
  if (!(start < end)) throw new ValueDefect([...path, "until"], "a time after from", "an earlier");
  const isWeekly = weekdays !== undefined || ranges !== undefined;
  return {
    clock,
    isOpen: (now) =>
      now >= start && now < end &&
      (!isWeekly || isWithin(clock.at(now), { weekdays, ranges })),
    nextEdge: (now) => {
      if (now < start) return start;
      if (now >= end) return Infinity;
      return isWeekly ? Math.min(end, nextMinute(now)) : end;
    },
  };
}

/** When the next minute begins. */
export function nextMinute(now: number): number {
  return (Math.floor(now / minuteLength) + 1) * minuteLength;
}

/** Hours that go on after midnight belong to the day on which they began. */
function isWithin(
  { weekday, hour, minute }: WallTime,
  { weekdays, ranges = [{ start: 0, end: minutesOfDay }] }: {
    readonly weekdays: ReadonlySet<number> | undefined;
    readonly ranges: readonly Hours[] | undefined;
  },
): boolean {
  const at = hour * 60 + minute;
  const isDay = (day: number) => weekdays?.has((day + 7) % 7) ?? true;
  return ranges.some(({ start, end }) =>
    start < end
      ? at >= start && at < end && isDay(weekday)
      : (at >= start && isDay(weekday)) || (at < end && isDay(weekday - 1))
  );
}

function readDays(texts: readonly string[], path: KeyPath): ReadonlySet<number> {
  const days = new Set<number>();
  for (const text of texts) {
    const [from = "", to = from, more] = text.toLowerCase().split("-");
    const [first, last] = [dayNames.indexOf(from), dayNames.indexOf(to)];
    if (first < 0 || last < 0 || more !== undefined) {
      throw new ValueDefect(path, '"mon" to "sun", or "mon-fri"', JSON.stringify(text));
    }
    for (let day = first; day !== last; day = (day + 1) % 7) days.add(day);
    days.add(last);
  }
  return days;
}

function readHours(text: string, path: KeyPath): Hours {
  const [, ...digits] = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text) ?? [];
  const [hour = 99, minute = 99, endHour = 99, endMinute = 99] = digits.map(Number);
  const [start, end] = [hour * 60 + minute, endHour * 60 + endMinute];
  const isTime = minute < 60 && endMinute < 60 && start < minutesOfDay && end <= minutesOfDay;
  if (isTime && start !== end) return { start, end };
  throw new ValueDefect(path, 'hours such as "09:00-17:30"', JSON.stringify(text));
}

/**
 * A date without a time is the whole day, in the zone; a time without an offset is in the zone.
 * Throws {@link ValueDefect}.
 */
function instantOf(
  value: Date,
  { clock, path, isEnd }: {
    readonly clock: WallClock;
    readonly path: KeyPath;
    readonly isEnd: boolean;
  },
): number {
  const date = value as TomlDate;
  if (date.isTime()) {
    const expected = 'a date, or a date and time (times of each day are hours = "09:00-17:30")';
    throw new ValueDefect(path, expected, date.toISOString());
  }
  if (!date.isLocal()) return date.getTime();
  const [day = "", time = "00:00:00"] = date.toISOString().split("T");
  if (!date.isDate() || !isEnd) return clock.instantOf(day, time);
  const next = new Date(Date.parse(`${day}T00:00:00Z`) + minutesOfDay * minuteLength);
  return clock.instantOf(next.toISOString().slice(0, 10), time);
}
