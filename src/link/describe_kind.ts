/** A path's kind in words, for logs. */
import type { LinkPath } from "./link.ts";

/** Whether a path is direct or relayed; and if relayed, why, where that is known. */
export function describeKind({ isRelayed, obstacle }: LinkPath): string {
  if (!isRelayed) return "direct";
  return obstacle === undefined ? "relayed" : `relayed (${obstacle})`;
}
