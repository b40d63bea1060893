/** The time on the wall of a time zone, by Intl. */

/** What a clock and a calendar on the wall show. */
export interface WallTime {
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
  /** `2026-11-27`. */
  readonly date: string;
}

const minuteLength = 60_000;

/** The clocks of one zone. Instants are in ms since 1970. */
export class WallClock {
  readonly #format: Intl.DateTimeFormat;
  #shownMinute = NaN;
  #shown: WallTime | undefined;

  /** Throws a RangeError where there is no such zone. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      ...{ timeZone, calendar: "gregory", numberingSystem: "latn", hourCycle: "h23" },
      ...{ year: "numeric", month: "2-digit", day: "2-digit" },
      ...{ hour: "2-digit", minute: "2-digit", second: "2-digit" },
    });
  }

  /** What it shows; zones differ by whole minutes, so within a minute that stays. */
  at(instant: number): WallTime {
    const minute = Math.floor(instant / minuteLength);
    if (this.#shown === undefined || minute !== this.#shownMinute) {
      this.#shownMinute = minute;
      this.#shown = this.#read(instant);
    }
    return this.#shown;
  }

  /** When it shows a date and a time; where it does so never or twice, an instant close by. */
  instantOf(date: string, time: string): number {
    const wanted = Date.parse(`${date}T${time}Z`);
    let instant = wanted;
    for (let round = 0; round < 2; round++) instant += wanted - this.#shownAsUtc(instant);
    return instant;
  }

  #read(instant: number): WallTime {
    const shown = new Date(this.#shownAsUtc(instant));
    return {
      weekday: shown.getUTCDay(),
      hour: shown.getUTCHours(),
      minute: shown.getUTCMinutes(),
      date: shown.toISOString().slice(0, 10),
    };
  }

  /** The instant at which a clock in UTC shows the same. */
  #shownAsUtc(instant: number): number {
    const parts = new Map(
      this.#format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]),
    );
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    return Date.UTC(
      ...[part("year"), part("month") - 1, part("day")] as const,
      ...[part("hour"), part("minute"), part("second"), instant % 1_000] as const,
    );
  }
}
