/** Why a target could not be reached. */
import type { RefusalCode } from "../tunnel/control_message.ts";

/** What the peer is told of it. */
export class DialError extends Error {
  override readonly name = "DialError";

  constructor(readonly code: RefusalCode, message: string) {
    super(message);
  }
}
