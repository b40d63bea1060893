/** Slow start and congestion avoidance: RFC 9260, section 7.2. */
import type { Acknowledgement, CongestionControl } from "./congestion_control.ts";

/** RFC 6928's ten packets. Departs from RFC 9260 section 7.2.1 (three): paths have grown since. */
const initialPackets = 10;
/** RFC 9260 section 7.2.3: after a loss no less than this. */
const minPackets = 4;
/** What one SACK may add in slow start, in packets: RFC 3465's L, as SACKs come for every second. */
const slowStartPackets = 2;

/** TCP Reno's rules, as SCTP has them. */
export class Rfc9260CongestionControl implements CongestionControl {
  #pieceLength: number;
  #cwndBytes: number;
  #ssthresh = Infinity;
  #partialBytesAcked = 0;

  /** `pieceLength` is the user data of one packet, in bytes. */
  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength;
    this.#cwndBytes = initialPackets * pieceLength;
  }

  get cwndBytes(): number {
    return this.#cwndBytes;
  }

  handleAcknowledgement(
    { ackedLength, peakFlightLength, isAdvanced, isRecovering }: Acknowledgement,
  ): void {
    // RFC 9260 section 7.2.1: only "when all of the following conditions are met: the current
    // congestion window is being fully utilized, an incoming SACK chunk advances the Cumulative TSN
    // Ack Point, and the data sender is not in Fast Recovery".
    if (!isAdvanced || isRecovering) return;
    if (this.#cwndBytes <= this.#ssthresh) {
      // RFC 7661 section 4.1: half of it is enough, as it is to double within a round trip.
      if (2 * peakFlightLength < this.#cwndBytes) return;
      this.#cwndBytes += Math.min(ackedLength, slowStartPackets * this.#pieceLength);
      return;
    }
    // Section 7.2.2.
    if (peakFlightLength + this.#pieceLength <= this.#cwndBytes) return;
    this.#partialBytesAcked += ackedLength;
    if (this.#partialBytesAcked < this.#cwndBytes) return;
    this.#partialBytesAcked -= this.#cwndBytes;
    this.#cwndBytes += this.#pieceLength;
  }

  handleLoss(): void {
    // Section 7.2.3: "ssthresh = max(cwnd / 2, 4 * PMTU), cwnd = ssthresh, partial_bytes_acked = 0".
    this.#ssthresh = Math.max(this.#cwndBytes / 2, minPackets * this.#pieceLength);
    this.#cwndBytes = this.#ssthresh;
    this.#partialBytesAcked = 0;
  }

  handleTimeout(): void {
    // Section 7.2.3: "ssthresh = max(cwnd / 2, 4 * PMTU), cwnd = 1 * PMTU".
    this.#ssthresh = Math.max(this.#cwndBytes / 2, minPackets * this.#pieceLength);
    this.#cwndBytes = this.#pieceLength;
    this.#partialBytesAcked = 0;
  }

  handleIdle(idleTime: number, timeout: number): void {
    // Section 7.2.1: "the cwnd of the transport address SHOULD be adjusted to max(cwnd / 2, 4 *
    // PMTU) once per RTO".
    const floor = Math.max(initialPackets * this.#pieceLength, minPackets * this.#pieceLength);
    for (let idle = idleTime; idle >= timeout && this.#cwndBytes > floor; idle -= timeout) {
      this.#cwndBytes = Math.max(this.#cwndBytes / 2, floor);
    }
  }

  setPieceLength(pieceLength: number): void {
    // A window of so many packets stays one of so many: else a longer packet would fill it alone.
    const packets = Math.min(initialPackets, this.#cwndBytes / this.#pieceLength);
    this.#pieceLength = pieceLength;
    this.#cwndBytes = Math.max(this.#cwndBytes, packets * pieceLength);
  }
}
