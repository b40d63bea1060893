/**
 * The path of a link: datagrams from one node to the other, whatever lies between. It knows
 * addresses and candidates, and nothing of what the datagrams carry.
 */
import type { LinkPath } from "./link.ts";
import type { Candidate, SessionDescription } from "./session_description.ts";

/** What a path tells its user: synchronously and in order. */
export interface PathHandler {
  /** Datagrams can be sent. Called once. */
  handleOpen(path: LinkPath): void;
  /** Datagrams go another way from now on, or again after none was open. */
  handleMoved(path: LinkPath): void;
  /**
   * Datagrams came, by anybody: `bytes[start..end)`, of `segmentLength` bytes each, the last of which
   * may be shorter. They are lent until this returns, and may be changed.
   */
  handleDatagrams(bytes: Uint8Array, start: number, end: number, segmentLength: number): void;
  /** There is no path, or none any more, with the reason. Called once. */
  handleFailed(reason: string): void;
}

/** One end of a path. */
export interface Path {
  /** Set before anything else is asked for. */
  handler: PathHandler | undefined;
  /** What the other node needs to know, as far as it is known. */
  readonly credentials: Pick<SessionDescription, "iceUfrag" | "icePwd">;
  /** The candidates found so far that the other node is to be told. */
  candidates(): Candidate[];
  /**
   * Begins to look for candidates, and tells of each as it is found. Resolves when there will be no
   * more: what they depend on may take seconds to answer, or never do.
   */
  gather(onCandidate: (candidate: Candidate) => void): Promise<void>;
  /** Begins to look for a way to the node that this describes. */
  connect(remote: SessionDescription): void;
  /** Takes a further candidate of the other node; undefined after the last. */
  addCandidate(candidate: Candidate | undefined): void;
  /** Where datagrams go at the moment; undefined where they go nowhere. */
  selected(): LinkPath | undefined;
  /**
   * Sends the datagrams in `bytes[start..end)`, of `segmentLength` bytes each, the last of which may
   * be shorter. The bytes are taken before this returns; what cannot be sent is lost. What is too
   * long for the way is lost too, unless it may go in fragments.
   */
  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    mayFragment?: boolean,
  ): void;
  /** Frees everything. */
  close(): Promise<void>;
}
