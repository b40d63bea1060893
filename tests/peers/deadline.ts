/**
 * An end to waiting: for a peer, or for whatever else a test or a benchmark starts.
 *
 * @module
 */

/** Something went wrong, rather than slowly, where it has not come to pass for so long, in ms. */
const defaultPatience = 60_000;

/** An error shows so much of what was printed, in characters: its end. */
const shownLength = 4_000;

/** What is waited for. Throws where it takes far too long; `explain` says then how things stand. */
export async function beforeDeadline<Value>(
  awaited: Promise<Value>,
  explain: () => string,
  patience = defaultPatience,
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(explain())), patience);
  try {
    return await Promise.race([awaited, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The end of a text, for an error. */
export function tailOf(text: string): string {
  return text.length > shownLength ? `… ${text.slice(-shownLength)}` : text;
}
