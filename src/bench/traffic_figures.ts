/** What a link has sent, and had to send again: loss, as its sender sees it. */
import { parseObject } from "../parse_object.ts";

/** What one end of a link has sent since it is up. User data, in bytes. */
export interface TrafficFigures {
  /** All of it, with what was sent again. */
  readonly sent: number;
  /** What was sent again. */
  readonly resent: number;
}

/** What was sent between the two; undefined where either is. */
export function trafficBetween(
  before: TrafficFigures | undefined,
  after: TrafficFigures | undefined,
): TrafficFigures | undefined {
  if (before === undefined || after === undefined) return undefined;
  return { sent: after.sent - before.sent, resent: after.resent - before.resent };
}

/** As a "figures" stream carries it: `{}` where the link does not tell. */
export function writeTraffic(traffic: TrafficFigures | undefined): string {
  return JSON.stringify(
    traffic === undefined ? {} : { sent: traffic.sent, resent: traffic.resent },
  );
}

/** Reads what the other node told; undefined where it told nothing that is any use. Never throws. */
export function parseTraffic(text: string): TrafficFigures | undefined {
  const { sent, resent } = parseObject(text);
  if (!isCount(sent) || !isCount(resent) || resent > sent) return undefined;
  return { sent, resent };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
