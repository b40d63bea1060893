/** Objects that came as JSON from elsewhere: nothing is known of them before they are read. */

/** What an object holds. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reads a JSON text; what is no JSON, or no object, has no fields. Never throws. */
export function parseObject(text: string): Fields {
  try {
    return asObject(JSON.parse(text));
  } catch {
    // Not JSON: whoever misses a field of it treats it as any other fault of the peer.
    return {};
  }
}

/** The fields of a value; none where it is no object. */
export function asObject(value: unknown): Fields {
  return typeof value === "object" && value !== null ? value as Fields : {};
}
