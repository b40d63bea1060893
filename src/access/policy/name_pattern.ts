/** Patterns of names: `*` stands for any characters. Matching takes time in proportion to the name. */

/** Whether a name is meant. */
export type NameMatcher = (name: string) => boolean;

/** Makes a matcher of a pattern. */
export function matcherOfPattern(pattern: string): NameMatcher {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return (name) => name === pattern;
  if (rest.length === 0 && first === "") return (name) => name.endsWith(last);
  return (name) =>
    name.length >= first.length + last.length && name.startsWith(first) && name.endsWith(last) &&
    hasInOrder(name.slice(first.length, name.length - last.length), rest);
}

/** Makes a matcher of names that any of the patterns means. */
export function matcherOfPatterns(patterns: readonly string[]): NameMatcher {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const matchers = patterns.filter((pattern) => pattern.includes("*")).map(matcherOfPattern);
  const [first] = matchers;
  if (first === undefined) return (name) => exact.has(name);
  if (matchers.length === 1) return (name) => exact.has(name) || first(name);
  return (name) => exact.has(name) || matchers.some((matches) => matches(name));
}

function hasInOrder(text: string, parts: readonly string[]): boolean {
  let start = 0;
  for (const part of parts) {
    const at = text.indexOf(part, start);
    if (at < 0) return false;
    start = at + part.length;
  }
  return true;
}
