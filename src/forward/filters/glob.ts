/** Patterns of paths, hosts and values. Matching takes time in proportion to text and pattern. */

/** Whether a text is meant. */
export type GlobMatcher = (text: string) => boolean;

/** Makes a matcher: `*` is anything but the separator, where there is one, and `**` anything. */
export function globMatcher(pattern: string, separator?: string): GlobMatcher {
  if (!pattern.includes("*")) return (text) => text === pattern;
  const tokens = pattern.match(/\*+|[^*]/gs) ?? [];
  return (text) => isMatch(tokens, text, separator);
}

/** Keeps all the places in the pattern where one may be, rather than trying one after the other. */
function isMatch(tokens: readonly string[], text: string, separator: string | undefined): boolean {
  let places = new Set<number>();
  enter(places, tokens, 0);
  for (let at = 0; at < text.length && places.size > 0; at++) {
    const character = text.charAt(at);
    const next = new Set<number>();
    for (const place of places) {
      const token = tokens[place];
      if (token === undefined) continue;
      const isStar = token.startsWith("*");
      if (isStar && (token.length > 1 || character !== separator)) enter(next, tokens, place);
      else if (!isStar && token === character) enter(next, tokens, place + 1);
    }
    places = next;
  }
  return places.has(tokens.length);
}

/** A star may stand for nothing. */
function enter(places: Set<number>, tokens: readonly string[], place: number): void {
  places.add(place);
  if (tokens[place]?.startsWith("*")) places.add(place + 1);
}
