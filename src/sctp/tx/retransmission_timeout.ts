/** The retransmission timeout: RFC 9260, section 6.3.1. All times in ms. */

/** What bounds it. */
export interface RetransmissionTimeoutOptions {
  /** Before anything was measured. */
  readonly initial: number;
  /** More than a peer may delay its acknowledgements. */
  readonly min: number;
  readonly max: number;
}

const alpha = 1 / 8;
const beta = 1 / 4;
/** RFC 9260 section 6.3.1: "G is the granularity of the RTT timer". */
const granularity = 1;
/** What is longer is no round trip but a sleep of one side. */
const maxRtt = 60_000;

/** SRTT, RTTVAR and RTO of one path. */
export class RetransmissionTimeout {
  readonly #options: RetransmissionTimeoutOptions;
  #srtt: number | undefined;
  #rttvar = 0;
  #timeout: number;

  constructor(options: RetransmissionTimeoutOptions) {
    this.#options = options;
    this.#timeout = options.initial;
  }

  /** How long to wait for an acknowledgement. */
  get timeout(): number {
    return this.#timeout;
  }

  /** Undefined before the first measurement. */
  get srtt(): number | undefined {
    return this.#srtt;
  }

  /** Takes a measurement. It must not be of what was retransmitted: Karn's rule is the caller's. */
  observe(rtt: number): void {
    if (!(rtt >= 0 && rtt <= maxRtt)) return;
    if (this.#srtt === undefined) {
      // C2: "SRTT <- R, RTTVAR <- R/2, and RTO <- SRTT + 4 * RTTVAR".
      this.#srtt = rtt;
      this.#rttvar = rtt / 2;
    } else {
      // C3: RTTVAR is computed with the SRTT before this measurement.
      this.#rttvar = (1 - beta) * this.#rttvar + beta * Math.abs(this.#srtt - rtt);
      this.#srtt = (1 - alpha) * this.#srtt + alpha * rtt;
    }
    const { min, max } = this.#options;
    const timeout = this.#srtt + Math.max(granularity, 4 * this.#rttvar);
    this.#timeout = Math.min(max, Math.max(min, timeout));
  }

  /** RFC 9260 section 6.3.3, E2: the timer has expired, "RTO <- RTO * 2". */
  backOff(): void {
    this.#timeout = Math.min(this.#options.max, this.#timeout * 2);
  }
}
