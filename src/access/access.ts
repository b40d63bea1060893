/** Who may reach what at this node: what every ingress asks, at every open, before it dials. */
import type { Peer } from "../identity/verify.ts";
import type { ContentRule } from "./content_rule.ts";
import type { Target } from "./target.ts";

/** The node that asks. */
export interface AccessPeer {
  /** As the log names it. */
  readonly name: string;
  /** By its certificate; undefined on a link without certificates. */
  readonly identity: Peer | undefined;
}

/**
 * What is proven of who it is, for those who cannot ask on: its name where an authority vouches for
 * it, else its key id; on a link without certificates, as the log names it.
 */
export function provenNameOf({ name, identity }: AccessPeer): string {
  if (identity === undefined) return name;
  return identity.vouchedBy === "chain" ? identity.name : identity.keyId;
}

/** What may be asked for: a target, to listen here, or a measurement of the link. */
export type Wanted =
  | Target
  | { readonly kind: "listen"; readonly host: string; readonly port: number }
  | { readonly kind: "bench" };

/** One request. */
export interface Opening {
  readonly peer: AccessPeer;
  readonly wanted: Wanted;
  /** The address that is to be dialled, where what is wanted has one. */
  readonly address?: string | undefined;
}

/** Whether it is allowed; else why not, in words for the peer and the log. */
export type Verdict =
  | { readonly isAllowed: true }
  | { readonly isAllowed: false; readonly reason: string };

/** One request whose name, if it has one, was resolved. */
export interface Admitting {
  readonly peer: AccessPeer;
  readonly wanted: Wanted;
  /** All addresses of the host, in the order they are tried; empty where none is dialled. */
  readonly addresses: readonly string[];
  /** Called once, later, when it is no longer allowed: with the reason, for the peer. */
  readonly end: (reason: string) => void;
}

/** Whether it is admitted; where it is, only these of its addresses may be dialled. */
export type Admission =
  | { readonly isAllowed: true; readonly addresses: readonly string[]; readonly grant: Grant }
  | { readonly isAllowed: false; readonly reason: string };

/**
 * One direction: "up" is from the peer to the target; where this node listens for the peer, to who
 * has connected here.
 */
export type FlowDirection = "up" | "down";

/** How fast and how long bytes may flow. */
export interface Pace {
  /** Bytes that are best moved at once, at most. */
  readonly sliceLength: number;
  /** Resolves when so many bytes may be moved; rejects where no more may. */
  spend(direction: FlowDirection, length: number): Promise<void>;
  /**
   * The same for a datagram, which is of no use late: whether it may be moved, at once or shortly.
   * Where it may not, nothing is counted. Another is offered when this is answered.
   */
  offer(direction: FlowDirection, length: number): boolean | Promise<boolean>;
  /** As {@link spend}, for those of the bytes that a limit has left: resolves with how many. */
  spendSome(direction: FlowDirection, length: number): Promise<number>;
  /** Nothing will be moved any more: what waits rejects, and so does all that comes. */
  stop(): void;
}

/** How an admitted request ended. */
export interface GrantSummary {
  /** One line: "finished", or what went wrong. */
  readonly how: string;
  /** Bytes from the peer to the target, or to who has connected here. */
  readonly up: number;
  /** Bytes from there to the peer. */
  readonly down: number;
}

/** Whether one more connection may share what was admitted, and its pace, stopped when it is over. */
export type Sharing =
  | { readonly isAllowed: true; readonly pace: Pace | undefined }
  | { readonly isAllowed: false; readonly reason: string };

/** What an admitted request holds until it is released. */
export interface Grant {
  /** Undefined where nothing limits it. */
  readonly pace: Pace | undefined;
  /** What its rule says of the bytes; undefined where it says nothing. */
  readonly content: ContentRule | undefined;
  /** The name of the rule that allows it. */
  readonly rule: string;
  /** For each connection where one request brings several, as a listener does. */
  share(): Sharing;
  /** Something within the stream was judged by its content rule; both are printable. */
  handleJudged(summary: string, refusal?: string): void;
  /** The target was reached, at `host:port` or a path. */
  handleDialled(remote: string): void;
  /** It is over. */
  release(summary: GrantSummary): void;
}

/** A request that was refused for what no rule says: its words, its name, or this node's room. */
export interface RefusedRequest {
  readonly peer: AccessPeer;
  /** In the peer's own words where they name nothing. */
  readonly asked: Wanted | string;
  readonly reason: string;
}

/** The rules of one node. */
export interface Access {
  /** Judges, and counts nothing. A name whose address is not told may be refused for that. */
  judge(opening: Opening): Verdict;
  /** Whether any address could make it allowed: asked before a name is resolved for a peer. */
  judgeUnresolved(opening: Omit<Opening, "address">): Verdict;
  /** Judges and counts what was resolved; a grant is to be released. */
  admit(admitting: Admitting): Admission;
  /** A request was refused by whoever asks here, and not by these rules. */
  handleRefused(refused: RefusedRequest): void;
}

/** A grant that limits nothing. */
export const freeGrant: Grant = {
  pace: undefined,
  content: undefined,
  rule: "",
  share: () => ({ isAllowed: true, pace: undefined }),
  handleJudged: () => {},
  handleDialled: () => {},
  release: () => {},
};
