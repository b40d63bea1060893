/** What serves one `--forward`, whatever kind it is of. */

/** A forward that listens. */
export interface Forward {
  /** Where, as bound: `host:port`, or a path. */
  readonly addresses: readonly string[];
  /** Stops listening; connections that are under way go on. */
  close(): void;
}
