import { BadInput } from "../bad_input.ts";

const hourLength = 60 * 60_000;
const unitLength = { h: hourLength, d: 24 * hourLength } as const;

// A hundred years: later dates are typing errors, and far from where RFC 5280's times end.
const maxDuration = 36_500 * unitLength.d;

/**
 * By how many milliseconds a certificate begins before it is made, so that a peer whose clock is
 * behind takes it at once. Its lifetime is counted from when it is made.
 */
export const backdating = 5 * 60_000;

/**
 * How long a certificate is to be valid, in milliseconds: "8760h" or "365d".
 *
 * @throws {BadInput} where the text is anything else, nothing or over a hundred years
 */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([hd])$/.exec(text) ?? [];
  const duration = Number(count) * (unit === "h" ? unitLength.h : unitLength.d);
  if (count === undefined || duration === 0 || duration > maxDuration) {
    throw new BadInput(
      `cannot read the duration "${text}": give hours or days, such as "8760h" or "365d"`,
    );
  }
  return duration;
}
