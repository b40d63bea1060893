/**
 * What a service manager is told of this process (sd_notify(3)): systemd, or whoever else has set
 * NOTIFY_SOCKET. Nothing happens where nobody has.
 */
import { getLogger } from "@logtape/logtape";
import type { LinkObserver } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import { type Libc, libcNames, openLibc } from "../socket/libc.ts";
import { sendUnixDatagram } from "../socket/unix_datagram.ts";

const log = getLogger(["aetherport", "cli"]);

/** CLOCK_MONOTONIC of time.h. */
const monotonicClock = 1;
/** What a timer takes, in ms: a watchdog is not asked for more often, and timers reach no further. */
const [minInterval, maxInterval] = [10, 2 ** 31 - 1];

let libc: Libc | undefined;
let isWarned = false;

/** Whether there is one: it may send SIGHUP to whatever it runs, as `systemctl reload` does. */
export function isServiceManaged(): boolean {
  return socketPath() !== undefined;
}

/** It serves now, or again after `notifyReloading`; `status` is for people. */
export function notifyReady(status: string): void {
  notify(["READY=1", statusField(status)]);
}

/** What it is doing, for people. */
export function notifyStatus(status: string): void {
  notify([statusField(status)]);
}

/** It begins to read its configuration again. `notifyReady` is to follow, also where that failed. */
export function notifyReloading(): void {
  if (socketPath() === undefined) return;
  const time = monotonicMicroseconds();
  notify(["RELOADING=1", ...time === undefined ? [] : [`MONOTONIC_USEC=${time}`]]);
}

/** It begins to end. */
export function notifyStopping(): void {
  notify(["STOPPING=1", statusField("ending")]);
}

/** Shows, twice as often as is asked for, that this process still turns; until it ends. */
export function startWatchdog(): void {
  const { WATCHDOG_USEC = "", WATCHDOG_PID = `${Deno.pid}` } = Deno.env.toObject();
  const isMeant = WATCHDOG_PID === `${Deno.pid}` && /^[1-9]\d*$/.test(WATCHDOG_USEC);
  if (!isMeant || socketPath() === undefined) return;
  const interval = Math.min(Math.max(Number(WATCHDOG_USEC) / 2_000, minInterval), maxInterval);
  notify(["WATCHDOG=1"]);
  Deno.unrefTimer(setInterval(() => notify(["WATCHDOG=1"]), interval));
}

/** Tells how many links are up, whenever that changes. */
export class LinkStatus {
  readonly #idle: string;
  #count = 0;

  /** `idle` is told where there is no link. */
  constructor(idle: string) {
    this.#idle = idle;
  }

  /** The same, in words. */
  get text(): string {
    if (this.#count === 0) return this.#idle;
    return this.#count === 1 ? "1 link is up" : `${this.#count} links are up`;
  }

  /** Counts a link by what its observer hears. */
  watch(observer: LinkObserver): LinkObserver {
    let isUp = false;
    const change = (isUpNow: boolean) => {
      if (isUp === isUpNow) return;
      isUp = isUpNow;
      this.#count += isUp ? 1 : -1;
      notifyStatus(this.text);
    };
    return {
      handleLost: () => observer.handleLost?.(),
      handleFound: () => observer.handleFound?.(),
      handleUp: () => {
        change(true);
        observer.handleUp();
      },
      handleClosed: (reason) => {
        change(false);
        observer.handleClosed(reason);
      },
    };
  }
}

function notify(fields: readonly string[]): void {
  const path = socketPath();
  if (path === undefined) return;
  try {
    libc ??= openLibc();
    if (libc === undefined) throw new Error("the system's C library cannot be called");
    sendUnixDatagram({ path, bytes: new TextEncoder().encode(fields.join("\n")), libc });
  } catch (error) {
    if (isWarned) return;
    isWarned = true;
    const problem = messageOf(error);
    log.warn("the service manager cannot be told: {problem}", { event: "notify-failed", problem });
  }
}

function socketPath(): string | undefined {
  return Deno.env.get("NOTIFY_SOCKET") || undefined;
}

function statusField(status: string): string {
  return `STATUS=${status.replace(/\s+/g, " ")}`;
}

/** The system's clock, for which Deno has no name: when a reload began. Undefined without FFI. */
function monotonicMicroseconds(): bigint | undefined {
  for (const name of libcNames) {
    try {
      const library = Deno.dlopen(name, {
        clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
      });
      // struct timespec: seconds and nanoseconds.
      const time = new BigInt64Array(2);
      const isRead = library.symbols.clock_gettime(monotonicClock, time) === 0;
      library.close();
      const [seconds = 0n, nanoseconds = 0n] = time;
      if (isRead) return seconds * 1_000_000n + nanoseconds / 1_000n;
    } catch {
      // Not this libc, or FFI is not permitted: the next name, or none.
    }
  }
  return undefined;
}
