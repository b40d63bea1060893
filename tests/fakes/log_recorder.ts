/** What the program logs, for tests that wait for it to have said something. */
import { configure, type LogRecord } from "@logtape/logtape";

/** All records of a test. */
export class LogRecorder {
  readonly records: LogRecord[] = [];
  readonly #waiting = new Set<() => void>();

  /** Starts recording, instead of any recorder before. */
  static async start(): Promise<LogRecorder> {
    const recorder = new LogRecorder();
    await configure({
      reset: true,
      sinks: { recorder: (record: LogRecord) => recorder.#add(record) },
      loggers: [
        { category: "aetherport", sinks: ["recorder"], lowestLevel: "debug" },
        { category: ["logtape", "meta"], sinks: [], lowestLevel: "error" },
      ],
    });
    return recorder;
  }

  /** The records of one event so far. */
  of(event: string): LogRecord[] {
    return this.records.filter(({ properties }) => properties.event === event);
  }

  /** The `count`th record of an event, once it is there. */
  async next(event: string, count = 1): Promise<LogRecord> {
    while (true) {
      const record = this.of(event)[count - 1];
      if (record !== undefined) return record;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #add(record: LogRecord): void {
    this.records.push(record);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** A record as one line. */
export function lineOf({ message }: LogRecord): string {
  return message.map(String).join("");
}
