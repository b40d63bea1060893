/**
 * Waits for all native sockets of the process at once: one epoll, in a thread of its own where nothing
 * happens for a while. As long as much happens that thread is left alone, since handing over to it and
 * back takes longer than a batch of datagrams.
 *
 * It is epoll and not poll because it holds no socket: one that is closed meanwhile is gone at once,
 * with its port, and one that is added is heard at once.
 *
 * @module
 */
import process from "node:process";
import { type Libc, NativeBlock } from "./libc.ts";
import {
  epollCloseOnExec,
  epollControl,
  epollEventLayout,
  epollEvents,
  errno,
  errnoName,
  eventCloseOnExec,
} from "./linux_constants.ts";

/** Events taken by one call; those of more sockets are taken by the next. */
const eventCount = 64;
/** Of the one that wakes up; those of the others are from 1 on. */
const wakeUpKey = 0;
const maxKey = 0xffff_ffff;
/**
 * For so long after something was ready this thread itself waits for the next, in ms: asking another
 * one to takes longer than most answers. Timers and all else of Deno's have their turn in between.
 */
const busyDuration = 3;
/** What they wait for it at most, in ms. */
const longestBlock = 1;
const event = epollEventLayout(Deno.build.arch);

/** What is waited for. */
export interface Pollable {
  /**
   * Something may be there to be read: reads some of it, and is called again if that was not all. One
   * that was added for changes is told of each, and what it is.
   */
  handleReady(events: number): void;
  /** Nobody waits for it any more. */
  handleFailed(reason: string): void;
}

/** Descriptors that are waited for, by number. */
export class ReadinessPoller {
  readonly #libc: Libc;
  /** By their keys. */
  readonly #pollables = new Map<number, Pollable>();
  /** By descriptor: another may have that number while something is still told of the one before. */
  readonly #keys = new Map<number, number>();
  #nextKey = 1;
  readonly #events = new NativeBlock(eventCount * event.length);
  readonly #eventsPointer = this.#events.pointer(0);
  readonly #change = new NativeBlock(64);
  readonly #changePointer = this.#change.pointer(0);
  /** While anything is waited for. */
  #open: { readonly epoll: number; readonly wakeUp: number } | undefined;
  #ended: Promise<void> = Promise.resolve();
  #lastReadyAt = -Infinity;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Begins to wait. Why it cannot, as an errno's name; undefined where it does. */
  add(
    descriptor: number,
    pollable: Pollable,
    events: number = epollEvents.readable,
  ): string | undefined {
    const key = this.#nextKey;
    this.#nextKey = this.#nextKey % maxKey + 1;
    const problem = this.#start() ??
      this.#register(this.#open?.epoll ?? -1, { descriptor, events, key });
    if (problem !== undefined) return problem;
    this.#pollables.set(key, pollable);
    this.#keys.set(descriptor, key);
    return undefined;
  }

  /** Waits no more; resolves when nothing is left of the waiting. To be called before it is closed. */
  remove(descriptor: number): Promise<void> {
    const key = this.#keys.get(descriptor);
    if (key === undefined || this.#open === undefined) return Promise.resolve();
    this.#keys.delete(descriptor);
    this.#pollables.delete(key);
    const { epoll, wakeUp } = this.#open;
    this.#libc.epoll_ctl(epoll, epollControl.remove, descriptor, this.#changePointer);
    if (this.#pollables.size > 0) return Promise.resolve();
    this.#libc.eventfd_write(wakeUp, 1n);
    return this.#ended;
  }

  #start(): string | undefined {
    if (this.#open !== undefined) return undefined;
    const libc = this.#libc;
    const epoll = libc.epoll_create1(epollCloseOnExec);
    if (epoll < 0) return errnoName(libc.errno());
    const wakeUp = libc.eventfd(0, eventCloseOnExec);
    // Nobody reads it, so that it would be told for ever.
    const problem = wakeUp < 0 ? errnoName(libc.errno()) : this.#register(epoll, {
      descriptor: wakeUp,
      events: epollEvents.readableOnce,
      key: wakeUpKey,
    });
    if (problem !== undefined) {
      for (const one of [epoll, wakeUp]) if (one >= 0) libc.close(one);
      return problem;
    }
    this.#open = { epoll, wakeUp };
    this.#ended = this.#run(epoll, wakeUp);
    return undefined;
  }

  #register(
    epoll: number,
    { descriptor, events, key }: {
      readonly descriptor: number;
      readonly events: number;
      readonly key: number;
    },
  ): string | undefined {
    this.#change.view.setUint32(0, events, true);
    this.#change.view.setUint32(event.data, key, true);
    const result = this.#libc.epoll_ctl(epoll, epollControl.add, descriptor, this.#changePointer);
    return result < 0 ? errnoName(this.#libc.errno()) : undefined;
  }

  async #run(epoll: number, wakeUp: number): Promise<void> {
    let turnedAt = -Infinity;
    do {
      // What a burst has brought about is done before the next; others have their turn now and then.
      if (performance.now() < turnedAt + longestBlock) await settled();
      else {
        await nextTurn();
        turnedAt = performance.now();
      }
      const isBusy = performance.now() < this.#lastReadyAt + busyDuration;
      let count = this.#look(epoll, isBusy ? longestBlock : 0);
      if (count === 0 && !isBusy && this.#pollables.size > 0) count = await this.#wait(epoll);
      if (count > 0) this.#lastReadyAt = performance.now();
      this.#dispatch(count);
    } while (this.#pollables.size > 0);
    this.#open = undefined;
    this.#libc.close(epoll);
    this.#libc.close(wakeUp);
  }

  /** The count of those that are ready within so many ms. */
  #look(epoll: number, timeout: number): number {
    const count = this.#libc.epoll_wait(epoll, this.#eventsPointer, eventCount, timeout);
    if (count >= 0) return count;
    const error = this.#libc.errno();
    if (error !== errno.EINTR) this.#fail(`cannot wait for datagrams: ${errnoName(error)}`);
    return 0;
  }

  /** The count of those that are ready, when some are; 0 where a signal came first. */
  async #wait(epoll: number): Promise<number> {
    const count = await this.#libc.epoll_wait_elsewhere(
      epoll,
      this.#eventsPointer,
      eventCount,
      -1,
    );
    return Math.max(0, count);
  }

  #dispatch(count: number): void {
    for (let at = 0; at < count; at++) {
      const { view } = this.#events;
      const key = view.getUint32(at * event.length + event.data, true);
      // Undefined for the one that wakes up, and for one that was closed after it was ready.
      this.#pollables.get(key)?.handleReady(view.getUint32(at * event.length, true));
    }
  }

  #fail(reason: string): void {
    for (const pollable of [...this.#pollables.values()]) pollable.handleFailed(reason);
  }
}

/** Lets all promises settle that can, and nothing else run. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** Lets everything else that is ready run: timers, and other sockets. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
