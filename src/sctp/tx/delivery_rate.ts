/**
 * How fast the path delivers: draft-ietf-ccwg-bbr section 4.1 (draft-cheng-iccrg-delivery-rate-
 * estimation). What it has to know of each chunk lies in columns, beside those of `OutstandingData`.
 * Lengths are user data, in bytes; times in ms.
 */
import type { Instant } from "../../sans_io.ts";
import type { DeliverySample } from "./congestion_control.ts";

/** What is noted of a chunk when it is sent: the draft's P. */
export interface DeliveryColumns {
  /** Counts all that is sent, so that it tells of two chunks which was sent later. */
  readonly order: Float64Array;
  readonly sentAt: Float64Array;
  readonly deliveredLength: Float64Array;
  readonly deliveredAt: Float64Array;
  readonly firstSentAt: Float64Array;
  readonly flightLength: Uint32Array;
  readonly isAppLimited: Uint8Array;
}

export function createDeliveryColumns(capacity: number): DeliveryColumns {
  return {
    order: new Float64Array(capacity),
    sentAt: new Float64Array(capacity),
    deliveredLength: new Float64Array(capacity),
    deliveredAt: new Float64Array(capacity),
    firstSentAt: new Float64Array(capacity),
    flightLength: new Uint32Array(capacity),
    isAppLimited: new Uint8Array(capacity),
  };
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The draft's C, and the sample of the acknowledgement that is being taken. */
export class DeliveryRate {
  readonly sample: Writable<DeliverySample> = {
    priorDelivered: -1,
    flightLength: 0,
    rate: 0,
    isAppLimited: false,
    isAmbiguous: false,
  };
  #sentCount = 0;
  #deliveredLength = 0;
  #deliveredAt: Instant = 0;
  #firstSentAt: Instant = 0;
  /** The sender is limited by itself until so much is delivered; 0 where it is not. */
  #appLimitedUntil = 0;
  /** Samples tell nothing until so much is delivered. */
  #distrustedUntil = 0;
  /** Of the newest chunk of this acknowledgement. */
  #newestOrder = 0;
  #sentAt: Instant = 0;
  #sendElapsed = 0;
  #ackElapsed = 0;

  /** The place in the order of sending of what was sent last. */
  get sentCount(): number {
    return this.#sentCount;
  }

  /** All that was ever delivered. */
  get deliveredLength(): number {
    return this.#deliveredLength;
  }

  /** Section 4.1.2.2: a chunk is sent, with so much under way before it. */
  handleSent(columns: DeliveryColumns, row: number, flightLength: number, now: Instant): void {
    if (flightLength === 0) this.#firstSentAt = this.#deliveredAt = now;
    columns.order[row] = ++this.#sentCount;
    columns.sentAt[row] = now;
    columns.deliveredLength[row] = this.#deliveredLength;
    columns.deliveredAt[row] = this.#deliveredAt;
    columns.firstSentAt[row] = this.#firstSentAt;
    columns.flightLength[row] = flightLength;
    columns.isAppLimited[row] = this.#appLimitedUntil > 0 ? 1 : 0;
  }

  /** Nothing waits to be sent though more would be allowed: what is delivered tells less. */
  limit(flightLength: number): void {
    this.#appLimitedUntil = this.#deliveredLength + flightLength || 1;
  }

  /** More has arrived than was told, and will be told at once: no speed of the path. */
  distrust(flightLength: number): void {
    this.#distrustedUntil = this.#deliveredLength + flightLength;
  }

  /** An acknowledgement is about to be taken. */
  begin(): void {
    this.#newestOrder = 0;
    this.sample.priorDelivered = -1;
    this.sample.rate = 0;
  }

  /** Section 4.1.2.3: a chunk of so many bytes has arrived. */
  handleDelivered(columns: DeliveryColumns, row: number, length: number, now: Instant): void {
    this.#deliveredLength += length;
    this.#deliveredAt = now;
    const order = columns.order[row] ?? 0;
    if (order <= this.#newestOrder) return;
    this.#newestOrder = order;
    const { sample } = this;
    const sentAt = columns.sentAt[row] ?? 0;
    sample.priorDelivered = columns.deliveredLength[row] ?? 0;
    sample.flightLength = (columns.flightLength[row] ?? 0) + length;
    sample.isAppLimited = columns.isAppLimited[row] === 1;
    this.#sendElapsed = sentAt - (columns.firstSentAt[row] ?? 0);
    this.#ackElapsed = now - (columns.deliveredAt[row] ?? 0);
    this.#firstSentAt = this.#sentAt = sentAt;
  }

  /** All chunks of the acknowledgement were told; `minRtt` is the least that was ever measured. */
  end(minRtt: number, now: Instant): void {
    const { sample } = this;
    if (this.#appLimitedUntil > 0 && this.#deliveredLength > this.#appLimitedUntil) {
      this.#appLimitedUntil = 0;
    }
    if (sample.priorDelivered < 0) return;
    sample.isAmbiguous = now - this.#sentAt < minRtt;
    // The slower of both tells: else bunched acknowledgements, or bursts, would seem fast.
    const interval = Math.max(this.#sendElapsed, this.#ackElapsed);
    // "it is not possible to deliver faster than in a round trip": the chunk was sent twice.
    if (interval <= 0 || interval < minRtt) return;
    if (this.#deliveredLength < this.#distrustedUntil) return;
    sample.rate = (this.#deliveredLength - sample.priorDelivered) / interval;
  }
}
