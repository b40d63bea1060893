/**
 * The candidates of the peer, of one generation: those it told us, and those that its authenticated
 * checks came from (RFC 8445, section 7.3.1.3). Nothing is ever sent to any other address.
 */
import { type Candidate, loopbackPriority } from "./candidate.ts";
import { isSameAddress, type TransportAddress } from "./stun/address.ts";

/** Reliability row I4. */
const maxSignalledCount = 32;
const maxLearnedCount = 8;

/** One of them. */
export interface RemoteCandidate {
  /** Learned ones are replaced by what is told of them later. */
  candidate: Candidate;
  /** Whether a check has told of it, and no signaling yet. */
  isLearned: boolean;
}

/** What became of a candidate that was told. */
export type AddResult =
  | { readonly name: "added" | "updated"; readonly remote: RemoteCandidate }
  | { readonly name: "known" }
  | { readonly name: "too-many" };

/** All of one generation. */
export class RemoteCandidates {
  readonly #remotes: RemoteCandidate[] = [];
  #signalledCount = 0;
  #learnedCount = 0;

  /** Adds what the other side has told of. */
  add(candidate: Candidate): AddResult {
    const known = this.find(candidate);
    if (known !== undefined && !known.isLearned) return { name: "known" };
    if (this.#signalledCount >= maxSignalledCount) return { name: "too-many" }; // CHECK I4
    this.#signalledCount++;
    if (known !== undefined) {
      // RFC 8838 section 11.3 has the signalled type and priority replace the learned ones.
      known.candidate = candidate;
      known.isLearned = false;
      return { name: "updated", remote: known };
    }
    const remote = { candidate, isLearned: false };
    this.#remotes.push(remote);
    return { name: "added", remote };
  }

  /**
   * Adds where an authenticated check has come from. Of these there are only a few, and the oldest
   * that `isNeeded` does not hold makes room; undefined where there is none.
   */
  learn(
    source: TransportAddress,
    { priority, isLoopback, isNeeded, forget }: {
      readonly priority: number;
      readonly isLoopback: boolean;
      readonly isNeeded: (remote: RemoteCandidate) => boolean;
      readonly forget: (remote: RemoteCandidate) => void;
    },
  ): RemoteCandidate | undefined {
    const learned = this.#remotes.filter(({ isLearned }) => isLearned);
    if (learned.length >= maxLearnedCount) { // CHECK I4
      const oldest = learned.find((remote) => !isNeeded(remote));
      if (oldest === undefined) return undefined;
      this.#remotes.splice(this.#remotes.indexOf(oldest), 1);
      forget(oldest);
    }
    const { address, port } = source;
    const remote: RemoteCandidate = {
      candidate: {
        // RFC 8445 section 7.3.1.3: "an arbitrary value, different from the foundations of all other
        // remote candidates"
        foundation: `prflx${++this.#learnedCount}`,
        component: 1,
        transport: "udp",
        priority: isLoopback ? loopbackPriority(0) : priority,
        address,
        port,
        type: "prflx",
      },
      isLearned: true,
    };
    this.#remotes.push(remote);
    return remote;
  }

  find(address: TransportAddress): RemoteCandidate | undefined {
    return this.#remotes.find(({ candidate }) => isSameAddress(candidate, address));
  }

  all(): readonly RemoteCandidate[] {
    return this.#remotes;
  }
}
