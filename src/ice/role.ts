/** Who of the two nominates, and what happens where both or none would (RFC 8445, section 7.3.1.1). */
import type { StunAttributes } from "./stun/attributes.ts";
import { readUint64 } from "../network_order.ts";

/** RFC 8445, section 4. */
export type IceRole = "controlling" | "controlled";

/** What is done about a request that claims our own role. */
export type ConflictOutcome = "none" | "switch" | "reject";

const tieBreakerLength = 8;

/** Our role, and the number that decides who keeps it. */
export class Role {
  readonly #random: (length: number) => Uint8Array;
  #name: IceRole;
  #tieBreaker: bigint;

  constructor(name: IceRole, random: (length: number) => Uint8Array) {
    this.#name = name;
    this.#random = random;
    this.#tieBreaker = this.#draw();
  }

  get name(): IceRole {
    return this.#name;
  }

  get isControlling(): boolean {
    return this.#name === "controlling";
  }

  /** What a request says of it. */
  attributes(): StunAttributes {
    return this.isControlling
      ? { iceControlling: this.#tieBreaker }
      : { iceControlled: this.#tieBreaker };
  }

  /** What an authenticated request of the peer asks for. Changes nothing. */
  judge({ iceControlling, iceControlled }: StunAttributes): ConflictOutcome {
    if (this.isControlling) {
      if (iceControlling === undefined) return "none";
      // "If the agent's tiebreaker value is larger than or equal to the contents of the
      // ICE-CONTROLLING attribute, the agent generates a Binding error response"
      return this.#tieBreaker >= iceControlling ? "reject" : "switch";
    }
    if (iceControlled === undefined) return "none";
    // "If the agent's tiebreaker value is larger than or equal to the contents of the ICE-CONTROLLED
    // attribute, the agent switches to the controlling role."
    return this.#tieBreaker >= iceControlled ? "switch" : "reject";
  }

  switch(): void {
    this.#name = this.isControlling ? "controlled" : "controlling";
  }

  /** RFC 8445 section 7.2.5.1, after a 487: "The agent MUST change the tiebreaker value." */
  changeTieBreaker(): void {
    this.#tieBreaker = this.#draw();
  }

  #draw(): bigint {
    return readUint64(this.#random(tieBreakerLength), 0);
  }
}
