/** The message of whatever was thrown, for a log or for a peer. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
