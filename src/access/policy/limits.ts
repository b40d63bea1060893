/** How much a rule lets each peer have. */
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { RuleDocument } from "./schema.ts";
import { readDuration, readSize } from "./units.ts";

/** For one peer, by one rule; undefined where it is without limit. */
export interface Limits {
  /** At once. */
  readonly connections: number | undefined;
  readonly opensPerSecond: number | undefined;
  /** Bytes a second from the peer to the targets, shared by its connections. */
  readonly upRate: number | undefined;
  /** Bytes a second from the targets to the peer. */
  readonly downRate: number | undefined;
  /** Both ways, by all its connections one after another. */
  readonly bytes: number | undefined;
  /** How long nothing may move on a connection, in ms. */
  readonly idle: number | undefined;
  /** How long a connection may last, in ms. */
  readonly duration: number | undefined;
}

/** Reads a rule's `limit`. Throws {@link ValueDefect}. */
export function limitsOf(limit: NonNullable<RuleDocument["limit"]>, path: KeyPath): Limits {
  const rate = limit["bytes-per-second"];
  const isTable = typeof rate === "object";
  const ratePath = [...path, "bytes-per-second"];
  const size = (value: string | number | undefined, at: KeyPath) =>
    value === undefined ? undefined : readSize(value, at);
  const duration = (key: "idle" | "duration") => {
    const value = limit[key];
    return value === undefined ? undefined : readDuration(value, [...path, key]);
  };
  if (Object.keys(limit).length === 0) {
    throw new ValueDefect(path, "a table with at least one limit", "none");
  }
  if (isTable && Object.keys(rate).length === 0) {
    throw new ValueDefect(ratePath, "a table with up, down or both", "none");
  }
  return {
    connections: limit.connections,
    opensPerSecond: limit["opens-per-second"],
    upRate: isTable ? size(rate.up, [...ratePath, "up"]) : size(rate, ratePath),
    downRate: isTable ? size(rate.down, [...ratePath, "down"]) : size(rate, ratePath),
    bytes: size(limit.bytes, [...path, "bytes"]),
    idle: duration("idle"),
    duration: duration("duration"),
  };
}
