/** How much may be under way: the sender's own choice, made by one of these. */
import type { Instant } from "../../sans_io.ts";

/** What an acknowledgement says. */
export interface Acknowledgement {
  /** User data newly acknowledged, in bytes. */
  readonly ackedLength: number;
  /** The most user data that was under way within the last round trips, in bytes. */
  readonly peakFlightLength: number;
  /** Whether the cumulative TSN has advanced. */
  readonly isAdvanced: boolean;
  /** Whether a loss is being repaired. */
  readonly isRecovering: boolean;
  readonly now: Instant;
}

/** Decides on the congestion window of one association. Lengths are user data, in bytes. */
export interface CongestionControl {
  /** What may be under way. */
  readonly cwndBytes: number;
  handleAcknowledgement(acknowledgement: Acknowledgement): void;
  /** Something was lost; called once for all that was lost with it. */
  handleLoss(): void;
  /** T3-rtx expired. */
  handleTimeout(): void;
  /** Data is to be sent after nothing was for so long. */
  handleIdle(idleTime: number, timeout: number): void;
  /** What fits one packet has changed. */
  setPieceLength(pieceLength: number): void;
}
