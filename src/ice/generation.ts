/**
 * An ICE session: what belongs to one pair of credentials (RFC 8445, section 9). A restart begins
 * another.
 */
import type { Instant } from "../sans_io.ts";
import { CheckList } from "./check_list.ts";
import type { Credentials } from "./credentials.ts";
import { RemoteCandidates } from "./remote_candidates.ts";
import { shortTermKey } from "./stun/integrity.ts";

/** What is known of the peer. */
export interface Peer {
  readonly ufrag: string;
  readonly key: Uint8Array;
  /** When it became known. */
  readonly since: Instant;
}

/** One generation. */
export class Generation {
  readonly number: number;
  readonly local: Credentials;
  readonly localKey: Uint8Array;
  readonly checkList = new CheckList();
  readonly remotes = new RemoteCandidates();
  peer: Peer | undefined;
  credentials: Credentials | undefined;
  lastRemoteCandidateAt: Instant = -Infinity;
  hasAllRemoteCandidates = false;

  constructor(number: number, local: Credentials) {
    this.number = number;
    this.local = local;
    this.localKey = shortTermKey(local.pwd);
  }

  setPeer(credentials: Credentials, now: Instant): void {
    this.credentials = credentials;
    this.peer = { ufrag: credentials.ufrag, key: shortTermKey(credentials.pwd), since: now };
  }

  isNewerThan(other: Generation): boolean {
    return this.number > other.number;
  }
}
