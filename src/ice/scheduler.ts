/**
 * What is sent next, and when: one request at a time, Ta apart (RFC 8445, section 14), whatever it
 * is for. What the data depends on comes first.
 */
import type { Instant } from "../sans_io.ts";
import type { CandidatePair } from "./candidate_pair.ts";
import { highest } from "./check_list.ts";
import { writeCheck } from "./checks.ts";
import type { Context, OutgoingDatagram } from "./context.ts";
import type { Attention } from "./path_monitor.ts";

/** So many paths besides the selected one are kept ready. */
const maxBackupCount = 8;

/** How often some pair is tried again that did not work: with a path, and without one. */
const retryInterval = { connected: 2_500, pathless: 200 } as const;
/** How often each of them is. */
const retryGaps = { connected: 10_000, worked: 1_000, never: 2_000 } as const;
/** Without a path for so long, all that takes more time. */
const slowAfter = 120_000;
const slowFactor = 5;

/** Something that could be sent, from an instant on. */
interface Candidacy {
  readonly at: Instant;
  readonly write: () => OutgoingDatagram | undefined;
}

/** Gives each its turn. */
export class Scheduler {
  readonly #context: Context;
  #nextSlotAt: Instant = -Infinity;
  #retriedAt: Instant = -Infinity;
  #isGatheringsTurn = true;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The request that is to be sent now. */
  take(now: Instant): OutgoingDatagram | undefined {
    if (now < this.#nextSlotAt) return undefined; // CHECK I4
    for (const { at, write } of this.#candidacies(now)) {
      if (at > now) continue;
      const request = write();
      if (request === undefined) continue;
      this.#nextSlotAt = now + this.#context.pacing;
      return request;
    }
    return undefined;
  }

  /** When something is to be sent, if nothing happens before. */
  nextAt(now: Instant): Instant {
    let next = Infinity;
    for (const { at } of this.#candidacies(now)) next = Math.min(next, at);
    return Math.max(next, this.#nextSlotAt);
  }

  /** All that could be sent, the most urgent first. */
  #candidacies(now: Instant): readonly Candidacy[] {
    const { selected, nominee } = this.#context;
    const backups = this.#backups(now);
    const checks = [
      ...this.#monitorings(backups, now),
      this.#retransmission(now),
      this.#ordinary(now),
      this.#retry(backups.length, now),
    ];
    const first = [
      this.#triggered(now),
      nominee === undefined ? [] : this.#monitoring(nominee, "probed", now),
      selected === undefined ? [] : this.#monitoring(selected, this.#attention(backups, now), now),
    ].flat();
    const gathering = this.#gathering(now);
    return this.#isGatheringsTurn
      ? [...first, gathering, ...checks]
      : [...first, ...checks, gathering];
  }

  /** Section 6.1.4.2: "If the triggered-check queue ... contains one or more candidate pairs". */
  #triggered(now: Instant): Candidacy[] {
    return this.#context.generations().flatMap(({ checkList, peer }) => {
      const pair = checkList.firstTriggered();
      if (pair === undefined || peer === undefined) return [];
      const write = () => {
        checkList.untrigger(pair);
        return writeCheck(this.#context, pair, now);
      };
      return [{ at: -Infinity, write }];
    });
  }

  #monitorings(backups: readonly CandidatePair[], now: Instant): Candidacy[] {
    const { selected } = this.#context;
    const isProbed = selected === undefined || selected.monitor?.isSuspect(now) !== false;
    return backups.flatMap((pair) => this.#monitoring(pair, isProbed ? "probed" : "kept", now));
  }

  #monitoring(pair: CandidatePair, attention: Attention, now: Instant): Candidacy[] {
    const { monitor } = pair;
    if (monitor === undefined || pair.state !== "succeeded") return [];
    const at = monitor.dueAt(attention, now);
    return [{ at, write: () => writeCheck(this.#context, pair, now) }];
  }

  /** The selected path is watched where another could take its place, or where it is late. */
  #attention(backups: readonly CandidatePair[], now: Instant): Attention {
    const isLate = this.#context.selected?.monitor?.isSuspect(now) === true;
    return isLate || backups.some((pair) => pair.isAlive(now)) ? "watched" : "kept";
  }

  /** The best path of each base, then the others, without the selected one. */
  #backups(now: Instant): CandidatePair[] {
    const { selected } = this.#context;
    const left = new Set(
      [...this.#context.pairs()].filter((pair) =>
        pair !== selected && pair.state === "succeeded" && pair.monitor?.hasConsent(now) === true
      ),
    );
    const backups: CandidatePair[] = [];
    const take = (from: readonly CandidatePair[]) => {
      const best = highest(from);
      if (best !== undefined && left.delete(best)) backups.push(best);
    };
    for (const { baseId } of this.#context.local.bases()) {
      if (backups.length < maxBackupCount) {
        take([...left].filter(({ base }) => base.baseId === baseId));
      }
    }
    while (left.size > 0 && backups.length < maxBackupCount) take([...left]);
    return backups;
  }

  #retransmission(now: Instant): Candidacy {
    const transaction = this.#context.transactions.nextRetransmission();
    const at = transaction?.retransmitAt;
    if (transaction === undefined || at === undefined) return never;
    const { pair, bytes } = transaction;
    const write = () => {
      transaction.handleSent(now);
      const { address, port } = pair.remote.candidate;
      return { baseId: pair.base.baseId, destination: { address, port }, bytes };
    };
    return { at, write };
  }

  /** Section 6.1.4.2: "the highest-priority pair" that waits. */
  #ordinary(now: Instant): Candidacy {
    const { generation } = this.#context;
    const pair = generation.peer === undefined ? undefined : generation.checkList.firstWaiting();
    if (pair === undefined) return never;
    const write = () => {
      this.#isGatheringsTurn = true;
      return writeCheck(this.#context, pair, now);
    };
    return { at: -Infinity, write };
  }

  /** A pair that has failed, and would be better than what there is. */
  #retry(backupCount: number, now: Instant): Candidacy {
    const { selected, generation, pathlessSince } = this.#context;
    if (generation.peer === undefined) return never;
    const factor = selected === undefined && now > pathlessSince + slowAfter ? slowFactor : 1;
    const interval = selected === undefined ? retryInterval.pathless : retryInterval.connected;
    const gapOf = ({ hasWorked }: CandidatePair) => {
      if (selected !== undefined) return retryGaps.connected;
      return factor * (hasWorked ? retryGaps.worked : retryGaps.never);
    };
    let next: CandidatePair | undefined;
    let at = Infinity;
    for (const pair of generation.checkList.all()) {
      if (pair.state !== "failed") continue;
      if (selected !== undefined && backupCount > 0 && !pair.outranks(selected)) continue;
      const dueAt = pair.lastSentAt + gapOf(pair);
      if (dueAt >= at) continue;
      next = pair;
      at = dueAt;
    }
    if (next === undefined) return never;
    const pair = next;
    const write = () => {
      this.#retriedAt = now;
      return writeCheck(this.#context, pair, now);
    };
    return { at: Math.max(at, this.#retriedAt + factor * interval), write };
  }

  #gathering(now: Instant): Candidacy {
    const write = () => {
      this.#isGatheringsTurn = false;
      return this.#context.gathering.takeRequest(now);
    };
    return { at: this.#context.gathering.nextRequestAt(), write };
  }
}

const never: Candidacy = { at: Infinity, write: () => undefined };
