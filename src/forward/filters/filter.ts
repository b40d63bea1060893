/**
 * Filters look into a stream between the other node and its target, at the ingress: what they take
 * for the connection to the target looks like one, and hands on only what was judged.
 */
import type { AccessPeer } from "../../access/access.ts";
import type { BufferPool } from "../../buffer_pool.ts";
import type { Connection } from "../../socket/connection.ts";

/** Whose stream it is, and who is told of what is refused. */
export interface FilterContext {
  readonly peer: AccessPeer;
  /** The rule that allowed the stream, as refusals name it. */
  readonly ruleName: string;
  readonly pool: BufferPool;
  /** Resolves, before the other node's first byte, with the client that it says it asks for. */
  readonly client: Promise<string | undefined>;
  /**
   * One thing that was asked for was judged, and refused where there is a reason; both are printable,
   * and of a few words. Of what was allowed something may be refused later.
   */
  readonly onJudged: (summary: string, refusal?: string) => void;
  /** Breaks the stream off, where neither reading nor writing would tell. */
  readonly breakOff: (reason: string) => void;
}

/** One protocol: puts a filter before a connection to the target. */
export type Filter = (connection: Connection, context: FilterContext) => Connection;

/** Thrown to the relay where a stream is not what it has to be: it is broken off with this reason. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}
