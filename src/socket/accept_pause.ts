/** What a listener does while the system has no descriptor or memory for another connection. */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../message_of.ts";

const log = getLogger(["aetherport", "socket"]);

/** In ms. */
const pauseLength = { min: 5, max: 50 } as const;

/** The pauses of one listener: longer each time, until a connection is accepted again. */
export class AcceptPause {
  #next: number = pauseLength.min;

  /** A connection was accepted. */
  end(): void {
    this.#next = pauseLength.min;
  }

  /** None could be had at `address`: how long to wait, in ms. The first time is told in the log. */
  begin(address: string, error: unknown): number {
    if (this.#next === pauseLength.min) {
      log.warn("cannot accept a connection on {address}, trying on: {problem}", {
        address,
        problem: messageOf(error),
      });
    }
    const length = this.#next;
    this.#next = Math.min(length * 2, pauseLength.max);
    return length;
  }
}
