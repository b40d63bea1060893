/** Payload protocol identifiers of data channels (RFC 8831 section 8). */

/** By what a message is. Any other is unsupported. */
export const ppids = {
  /** DATA_CHANNEL_OPEN and DATA_CHANNEL_ACK. */
  dcep: 50,
  /** A text in UTF-8. */
  string: 51,
  binary: 53,
  /** A text of no bytes: SCTP has no empty messages, so one byte stands for it. */
  emptyString: 56,
  /** No bytes, for which one stands. */
  emptyBinary: 57,
} as const;

/** Pieces of longer messages, which nobody joins any more: deprecated, so unsupported. */
export const deprecatedPpids = { binaryPartial: 52, stringPartial: 54 } as const;
