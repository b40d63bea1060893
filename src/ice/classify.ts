/** Which protocol a datagram on a shared port is of (RFC 7983, section 7). */

/** What may come on a port. */
export type DatagramKind = "stun" | "dtls" | "channelData" | "other";

/** Tells by the first byte. What is "other" is dropped; an empty datagram has none and is too. */
export function classify(firstByte: number | undefined): DatagramKind {
  if (firstByte === undefined) return "other";
  if (firstByte <= 3) return "stun"; // CHECK I9
  if (firstByte >= 20 && firstByte <= 63) return "dtls"; // CHECK I9
  if (firstByte >= 64 && firstByte <= 79) return "channelData"; // CHECK I9
  return "other";
}
