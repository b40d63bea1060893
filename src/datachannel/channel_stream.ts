/**
 * How far the two directions of one stream id have been reset. The id is free once both are
 * (RFC 8831 section 6.7); of the messages on it this knows nothing.
 *
 * There is one moment in which a stream has two uses: the peer has performed our reset and so may use
 * its id again, while its answer, which tells us, is still under way. Then its DATA_CHANNEL_OPEN
 * comes first, and what we send in the new use waits in the association for that answer.
 */
import type { Instant } from "../sans_io.ts";
import type { ChannelAssociation } from "./channel_association.ts";
import type { DataChannel } from "./data_channel.ts";

/** What has become of our outgoing stream. */
type Outgoing =
  /** In use. */
  | "open"
  /** Its reset is asked for. */
  | "resetting"
  /** Its reset is done. */
  | "reset"
  /** In use again, and the reset of its last use is not done. */
  | "reopened"
  /** The same, and closed again: another reset is to follow. */
  | "reopened-closing";

/** Both directions of one stream id. */
export class ChannelStream {
  readonly id: number;
  /** The channel on it, open or closing. Undefined where one was refused, or data came without one. */
  channel: DataChannel | undefined;
  readonly #association: ChannelAssociation;
  #outgoing: Outgoing = "open";
  #isIncomingReset = false;

  constructor(id: number, association: ChannelAssociation) {
    this.id = id;
    this.#association = association;
  }

  /** Whether both directions are reset. */
  get isReset(): boolean {
    return this.#isIncomingReset && this.#outgoing === "reset";
  }

  /** Whether the peer may use the id again, as it has reset its stream and may have reset ours. */
  get isReopenable(): boolean {
    return this.#isIncomingReset && this.#outgoing === "resetting";
  }

  /** The peer uses the id again. */
  reopen(): void {
    this.#outgoing = "reopened";
    this.#isIncomingReset = false;
  }

  /** Resets our outgoing stream; a second call does nothing. */
  close(now: Instant): void {
    if (this.#outgoing === "open") {
      this.#outgoing = "resetting";
      this.#association.resetStream(this.id, now);
    } else if (this.#outgoing === "reopened") {
      this.#outgoing = "reopened-closing";
    }
  }

  /** The peer has reset its outgoing stream. */
  handleIncomingReset(): void {
    this.#isIncomingReset = true;
  }

  /** Our outgoing stream was reset. */
  handleOutgoingReset(now: Instant): void {
    switch (this.#outgoing) {
      case "resetting":
        this.#outgoing = "reset";
        return;
      case "reopened":
        this.#outgoing = "open";
        return;
      case "reopened-closing":
        this.#outgoing = "open";
        return this.close(now);
      case "open":
      case "reset":
        // Not asked for: it changes nothing for the channel.
        return;
      default:
        return this.#outgoing satisfies never;
    }
  }

  /** The association has ended: there is nothing to reset any more. */
  end(): void {
    this.#outgoing = "reset";
  }
}
