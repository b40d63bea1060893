/** An end to waiting. */
import { beforeDeadline } from "../peers/deadline.ts";

/** Something went wrong, rather than slowly, where it has not come to pass in so many ms. */
const patience = 40_000;

/** What is waited for; throws where it takes far too long, with what `tell` says of it. */
export function within<Value>(
  what: string,
  awaited: Promise<Value>,
  tell: () => string = () => "",
): Promise<Value> {
  return beforeDeadline(awaited, () => `${what}: not in time. ${tell()}`, patience);
}
