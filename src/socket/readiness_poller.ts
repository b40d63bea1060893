/**
 * Waits for all native sockets of the process at once: one epoll, in one thread. That thread is left
 * alone as long as there is something to read, since handing over to it and back takes longer than a
 * batch of datagrams.
 *
 * It is epoll and not poll because it holds no socket: one that is closed meanwhile is gone at once,
 * with its port, and one that is added is heard at once.
 *
 * @module
 */
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
const event = epollEventLayout(Deno.build.arch);

/** What is waited for. */
export interface Readable {
  /** Something may be there to be read: reads some of it, and is called again if that was not all. */
  handleReadable(): void;
  /** Nobody waits for it any more. */
  handleFailed(reason: string): void;
}

/** Descriptors that are waited for, by number. */
export class ReadinessPoller {
  readonly #libc: Libc;
  readonly #readables = new Map<number, Readable>();
  readonly #events = new NativeBlock(eventCount * event.length);
  readonly #eventsPointer = this.#events.pointer(0);
  readonly #change = new NativeBlock(64);
  readonly #changePointer = this.#change.pointer(0);
  /** While anything is waited for. */
  #open: { readonly epoll: number; readonly wakeUp: number } | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Begins to wait. Why it cannot, as an errno's name; undefined where it does. */
  add(descriptor: number, readable: Readable): string | undefined {
    const problem = this.#start() ??
      this.#register(this.#open?.epoll ?? -1, { descriptor, events: epollEvents.readable });
    if (problem === undefined) this.#readables.set(descriptor, readable);
    return problem;
  }

  /** Waits no more; resolves when nothing is left of the waiting. To be called before it is closed. */
  remove(descriptor: number): Promise<void> {
    if (!this.#readables.delete(descriptor) || this.#open === undefined) return Promise.resolve();
    const { epoll, wakeUp } = this.#open;
    this.#libc.epoll_ctl(epoll, epollControl.remove, descriptor, this.#changePointer);
    if (this.#readables.size > 0) return Promise.resolve();
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
    const problem = wakeUp < 0
      ? errnoName(libc.errno())
      : this.#register(epoll, { descriptor: wakeUp, events: epollEvents.readableOnce });
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
    { descriptor, events }: { readonly descriptor: number; readonly events: number },
  ): string | undefined {
    this.#change.view.setUint32(0, events, true);
    this.#change.view.setUint32(event.data, descriptor, true);
    const result = this.#libc.epoll_ctl(epoll, epollControl.add, descriptor, this.#changePointer);
    return result < 0 ? errnoName(this.#libc.errno()) : undefined;
  }

  async #run(epoll: number, wakeUp: number): Promise<void> {
    do {
      // Others have their turn between two bursts.
      await nextTurn();
      let count = this.#look(epoll);
      if (count === 0 && this.#readables.size > 0) count = await this.#wait(epoll);
      this.#dispatch(count);
    } while (this.#readables.size > 0);
    this.#open = undefined;
    this.#libc.close(epoll);
    this.#libc.close(wakeUp);
  }

  /** The count of those that are ready now. */
  #look(epoll: number): number {
    const count = this.#libc.epoll_wait(epoll, this.#eventsPointer, eventCount, 0);
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
      const descriptor = this.#events.view.getUint32(at * event.length + event.data, true);
      // Undefined for the one that wakes up, and for one that was closed after it was ready.
      this.#readables.get(descriptor)?.handleReadable();
    }
  }

  #fail(reason: string): void {
    for (const readable of [...this.#readables.values()]) readable.handleFailed(reason);
  }
}

/** Lets everything else that is ready run: timers, and other sockets. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
