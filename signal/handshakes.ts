/**
 * WebSockets that are not open yet. Of one whose client resets the connection before, the runtime
 * (Deno 2.9) tells nothing, and keeps a descriptor for ever. A handshake that is answered without
 * awaiting anything leaves next to no time for this to happen by chance. Should somebody do it on
 * purpose, there are no more WebSockets for them, and at last for nobody: long polling costs no
 * descriptor, and all clients can do it.
 */
import { Refusal } from "./refusal.ts";

const MAX_COUNT = 1_024;
const MAX_COUNT_OF_ADDRESS = 64;

/** The handshakes of one instance that have not ended, and may never. */
export class Handshakes {
  readonly #countByAddress = new Map<string, number>();
  #count = 0;

  /** Notes one that begins. Throws {@link Refusal} (503) where there can be no WebSocket. */
  begin(address: string): void {
    const ofAddress = this.#countByAddress.get(address) ?? 0;
    if (this.#count >= MAX_COUNT || ofAddress >= MAX_COUNT_OF_ADDRESS) {
      throw new Refusal("unavailable", "no more WebSockets here: use long polling");
    }
    this.#count++;
    this.#countByAddress.set(address, ofAddress + 1);
  }

  /** Notes that one has ended: its WebSocket is open, or the handshake was none. */
  end(address: string): void {
    const rest = (this.#countByAddress.get(address) ?? 1) - 1;
    this.#count--;
    if (rest === 0) this.#countByAddress.delete(address);
    else this.#countByAddress.set(address, rest);
  }
}
