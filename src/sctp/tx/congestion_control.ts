/** How much may be under way, and how fast it is sent: the sender's own choice, made by one of these. */
import type { Instant } from "../../sans_io.ts";

/** What an acknowledgement says. Lengths are user data, in bytes; times in ms. */
export interface Acknowledgement {
  /** Newly acknowledged. */
  readonly ackedLength: number;
  /** The most that was under way within the last round trips. */
  readonly peakFlightLength: number;
  /** Still under way. */
  readonly flightLength: number;
  /** Whether the cumulative TSN has advanced. */
  readonly isAdvanced: boolean;
  /** Whether a loss is being repaired. */
  readonly isRecovering: boolean;
  /** Of the newest chunk that was newly acknowledged, where that is unambiguous; else -1. */
  readonly rtt: number;
  /** Smoothed; -1 before any was measured. */
  readonly srtt: number;
  /** All that was ever delivered. */
  readonly deliveredLength: number;
  /** All that was ever found lost. */
  readonly lostLength: number;
  readonly sample: DeliverySample;
  readonly now: Instant;
}

/** What the chunk that was sent last of all that are newly acknowledged tells of the path. */
export interface DeliverySample {
  /** All that was delivered when it was sent; -1 where nothing was newly acknowledged. */
  readonly priorDelivered: number;
  /** What was under way when it was sent, with itself. */
  readonly flightLength: number;
  /** In bytes/ms; 0 where it cannot be told. */
  readonly rate: number;
  /** Whether the sender itself had less to send than the path would have taken. */
  readonly isAppLimited: boolean;
  /** Whether it came sooner than anything can: sent twice, what was sent first has arrived. */
  readonly isAmbiguous: boolean;
}

/** Decides for one association. Lengths are user data, in bytes. */
export interface CongestionControl {
  /** What may be under way. */
  readonly cwndBytes: number;
  /** In bytes/ms. Undefined or without end: all that the window allows is sent at once. */
  readonly pacingRate?: number;
  handleAcknowledgement(acknowledgement: Acknowledgement): void;
  /** Something was lost; called once for all that was lost with it. */
  handleLoss(): void;
  /** T3-rtx expired. */
  handleTimeout(): void;
  /** Data is to be sent after nothing was for so long. */
  handleIdle(idleTime: number, timeout: number): void;
  /** What was learnt is of another path. */
  handlePathChange(): void;
  /** What fits one packet has changed. */
  setPieceLength(pieceLength: number): void;
}
