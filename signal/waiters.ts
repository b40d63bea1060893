/**
 * Those who wait at this instance, by WebSocket or long poll. Each has a seat; the seats are
 * bounded for the instance and for each client address. A mailbox belongs to one seat: who claims
 * it later ends the waiting of who did before.
 */
import type { SealedMessage } from "../src/signaling/wire.ts";
import type { Bell } from "./bell.ts";
import type { SignalLimits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

/** A mailbox to wait for, as its reader sees it. Methods throw {@link Refusal} when it is over. */
export interface Mail {
  /** What its bell is rung by. */
  readonly name: string;
  /** Checks that the reader may read, and lets what it waits with live on. */
  renew(): Promise<void>;
  /** The oldest messages above a sequence number. */
  read(after: number): Promise<readonly SealedMessage[]>;
  /** Forgets the messages up to a sequence number. */
  acknowledge(sequence: number): Promise<void>;
}

/** The seats of one instance. */
export class Waiters {
  readonly #bell: Pick<Bell, "listen">;
  readonly #limits: SignalLimits;
  readonly #seats = new Map<string, Seat>();
  /** All that are not left, those whose mailbox has another seat by now among them. */
  readonly #occupied = new Set<Seat>();
  readonly #countByAddress = new Map<string, number>();
  #isClosed = false;

  constructor(bell: Pick<Bell, "listen">, limits: SignalLimits) {
    this.#bell = bell;
    this.#limits = limits;
  }

  /** Takes a seat, to be left. Throws {@link Refusal} (429, 503) where none is free. */
  enter(address: string): Seat {
    const { waitersPerInstance, waitersPerAddress } = this.#limits;
    const ofAddress = this.#countByAddress.get(address) ?? 0;
    if (this.#isClosed) throw shuttingDown();
    if (this.#occupied.size >= waitersPerInstance) {
      throw new Refusal("unavailable", "too many wait at this server", 10);
    }
    if (ofAddress >= waitersPerAddress) {
      throw new Refusal("too_many_requests", "too many wait from this address", 10);
    }
    const seat: Seat = new Seat({
      onClaim: (name) => this.#claim(seat, name),
      onLeave: () => this.#leave(seat, address),
    });
    this.#occupied.add(seat);
    this.#countByAddress.set(address, ofAddress + 1);
    return seat;
  }

  /** Waits for the first messages, until the time of a long poll is over: then there are none. */
  async poll(mail: Mail, seat: Seat, after: number): Promise<readonly SealedMessage[]> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      seat.wake();
    }, this.#limits.pollMilliseconds);
    try {
      for (;;) {
        const messages = await mail.read(after);
        if (messages.length > 0 || isOver) return messages;
        await seat.woken();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends all waiting, now and from now on. */
  close(): void {
    this.#isClosed = true;
    for (const seat of this.#occupied) seat.end(shuttingDown());
  }

  /** Who sat here for the mailbox before is told; returns how to give it up. */
  #claim(seat: Seat, name: string): () => void {
    this.#seats.get(name)?.end(new Refusal("replaced", "waited for again by a later request"));
    this.#seats.set(name, seat);
    const stopListening = this.#bell.listen(name, () => seat.wake());
    return () => {
      stopListening();
      if (this.#seats.get(name) === seat) this.#seats.delete(name);
    };
  }

  #leave(seat: Seat, address: string): void {
    this.#occupied.delete(seat);
    const rest = (this.#countByAddress.get(address) ?? 1) - 1;
    if (rest === 0) this.#countByAddress.delete(address);
    else this.#countByAddress.set(address, rest);
  }
}

/** One who waits. It is woken by the bell of the mailbox it has claimed, or by hand. */
export class Seat {
  readonly #onClaim: (name: string) => () => void;
  readonly #onLeave: () => void;
  #giveUp: (() => void) | undefined;
  #isRung = false;
  #isLeft = false;
  #end: Refusal | undefined;
  #onWake: (() => void) | undefined;

  constructor(
    { onClaim, onLeave }: {
      readonly onClaim: (name: string) => () => void;
      readonly onLeave: () => void;
    },
  ) {
    this.#onClaim = onClaim;
    this.#onLeave = onLeave;
  }

  /** Takes a mailbox over, for one who has shown a right to it. Once. */
  claim(name: string): void {
    if (!this.#isLeft) this.#giveUp ??= this.#onClaim(name);
  }

  /** Ends the present or the next {@link woken}. */
  wake(): void {
    this.#isRung = true;
    this.#onWake?.();
  }

  /** Makes each {@link woken} from now on throw; the first reason holds. */
  end(reason: Refusal): void {
    this.#end ??= reason;
    this.wake();
  }

  /** Waits for a ring since the last call. Throws the {@link Refusal} given to {@link end}. */
  async woken(): Promise<void> {
    if (!this.#isRung && this.#end === undefined) {
      await new Promise<void>((resolve) => this.#onWake = resolve);
      this.#onWake = undefined;
    }
    this.#isRung = false;
    if (this.#end !== undefined) throw this.#end;
  }

  /** Gives the seat back. */
  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#giveUp?.();
    this.#onLeave();
  }
}

function shuttingDown(): Refusal {
  return new Refusal("shutting_down", "the server is shutting down", 1);
}
