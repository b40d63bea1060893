/**
 * Which of the paths that work carries the data (RFC 8445, section 8). Departs from it in that
 * nomination never ends: a better path is taken over when it is found, and a dead one is left for
 * another. Data is accepted on any of them, so that no byte is lost by it.
 */
import type { Instant } from "../sans_io.ts";
import type { CandidatePair } from "./candidate_pair.ts";
import { highest } from "./check_list.ts";
import type { Context } from "./context.ts";

/** Nominations that are less apart are of the same time. */
const nominationWeight = 1_000;

/** Looks whether another path is to be taken. Called whenever what is known of one has changed. */
export function reconsider(context: Context, now: Instant): void {
  const { selected, nominee } = context;
  if (nominee?.isDead(now) === true) context.nominee = undefined;
  if (selected === undefined) begin(context, now);
  else if (selected.isDead(now)) leave(context, selected, now);
  else improve(context, selected, now);
  // Where nothing works, both sides' NATs may have forgotten all: only servers can tell then.
  context.gathering.setKeptAlive(context.selected?.isDead(now) ?? true);
}

/**
 * RFC 8445 section 12.1: before a pair is nominated, data may be sent on any that is valid. So the
 * first byte need not wait for the nomination.
 */
function begin(context: Context, now: Instant): void {
  const best = highest(alivePairs(context, now));
  if (best === undefined) return;
  context.select(best, now);
  nominate(context, best);
}

/** Takes another path, if there is one that has answered since the selected one has not. */
function leave(context: Context, selected: CandidatePair, now: Instant): void {
  const since = selected.monitor?.unansweredSince ?? -Infinity;
  const others = alivePairs(context, now).filter((pair) =>
    pair !== selected && (pair.monitor?.lastResponseAt ?? -Infinity) >= since
  );
  const best = highest(others.filter((pair) => now >= pair.trustedAt)) ?? highest(others);
  if (best === undefined) return;
  selected.noteDeath();
  context.select(best, now);
  nominate(context, best);
}

/** Nominates a better path. The controlled agent does so only where nobody has yet. */
function improve(context: Context, selected: CandidatePair, now: Instant): void {
  if (!context.role.isControlling && selected.nominatedAt !== undefined) return;
  const best = highest(alivePairs(context, now).filter((pair) => now >= pair.trustedAt));
  if (best === undefined || !best.outranks(selected)) return;
  if (context.role.isControlling) nominate(context, best);
  else if (best.generation === selected.generation) context.select(best, now);
}

function alivePairs(context: Context, now: Instant): CandidatePair[] {
  return [...context.pairs()].filter((pair) => pair.isAlive(now));
}

/** RFC 8445 section 8.1.1: a check with USE-CANDIDATE, which repeats until it is answered. */
function nominate(context: Context, pair: CandidatePair): void {
  if (!context.role.isControlling || context.nominee === pair) return;
  context.nominee = pair;
  pair.generation.checkList.trigger(pair);
}

/** RFC 8445 section 8.1.1: a check of ours with USE-CANDIDATE was answered. */
export function handleNominated(context: Context, pair: CandidatePair, now: Instant): void {
  if (context.nominee === pair) context.select(pair, now);
}

/**
 * RFC 8445 section 7.3.1.5: the peer has nominated the pair, by an authenticated request. It is
 * followed once our own check has succeeded.
 */
export function handleNomination(
  context: Context,
  pair: CandidatePair,
  { key, now }: { readonly key: string; readonly now: Instant },
): void {
  if (context.role.isControlling || pair.nominationKey === key) return;
  pair.nominationKey = key;
  pair.nominatedAt = now;
  follow(context, pair, now);
}

/**
 * Selects a pair that the peer has nominated, and that works: the latest. Of two that were nominated
 * at about the same time it is the better one, since datagrams overtake each other, and since an
 * agent of RFC 5245 may nominate all.
 */
export function follow(context: Context, pair: CandidatePair, now: Instant): void {
  const { selected, role } = context;
  if (role.isControlling || pair.nominatedAt === undefined || pair === selected) return;
  if (pair.isDead(now)) return; // CHECK I1
  if (selected?.nominatedAt === undefined || selected.isDead(now)) return context.select(pair, now);
  const lead = pair.nominatedAt - selected.nominatedAt;
  const isLatest = lead >= nominationWeight ||
    (lead > -nominationWeight && pair.outranks(selected));
  if (isLatest) context.select(pair, now);
}
