/** Which source of bells fits a store. */
import type { BellSource } from "./bell.ts";

/** A write of another process is seen after half of this time, on average. */
const POLL_MILLISECONDS = 250;

/**
 * The source for a store that `Deno.openKv` opened under a name: a file may be shared with other
 * processes, of whose writes `Deno.Kv.watch` hears nothing; a URL or memory cannot be.
 */
export function bellSourceFor(kvName: string): BellSource {
  return kvName === ":memory:" || /^https?:\/\//i.test(kvName)
    ? { type: "watch" }
    : { type: "poll", everyMilliseconds: POLL_MILLISECONDS };
}
