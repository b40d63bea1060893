/**
 * The rules of one node at run time: the policy's, and behind them those of `--allow`. It keeps what
 * was admitted, and ends what a new policy, the time or a limit no longer allows.
 */
import { isDeepStrictEqual } from "node:util";
import { formatEndpoint } from "../../socket/endpoint.ts";
import type {
  Access,
  AccessPeer,
  Admission,
  Admitting,
  GrantSummary,
  Opening,
  RefusedRequest,
  Verdict,
  Wanted,
} from "../access.ts";
import { type AddressRange, parseRange } from "../address_range.ts";
import { type AllowList, formatAllowRule } from "../allow_list.ts";
import { formatTarget } from "../target.ts";
import { Admitted, type AdmittedHandler } from "./admitted.ts";
import { type Allotment, Allotments } from "./allotment.ts";
import { type AuditRecord, type AuditSink, printableWords } from "./audit_record.ts";
import type { AccessClock } from "./clock.ts";
import { peerFactsOf } from "./peer_matcher.ts";
import type { Decision, Policy, Rule } from "./policy.ts";
import { literalAddressOf, targetFactsOf } from "./target_matcher.ts";

/** Requests that are admitted at once, at most. */
const maxAdmittedCount = 65_536;
/** How often the time is looked at while a rule depends on it, in ms. */
const tickInterval = 500;
/** How long what this host's addresses are is believed, in ms. */
const ownAddressLifetime = 1_000;

/** What the rules are, and what they go by. */
export interface AccessControlOptions {
  readonly policy: Policy;
  /** They are asked where no rule of the policy decides. */
  readonly allows: AllowList;
  readonly clock: AccessClock;
  /** This host's addresses. */
  readonly ownAddresses: () => readonly string[];
  readonly audit?: AuditSink | undefined;
}

type Request = Pick<Opening, "peer" | "wanted">;

/** What was wanted is text where it names nothing. */
type AuditedRequest = Pick<Request, "peer"> & { readonly wanted: Wanted | string };

/** The rules of one node. */
export class AccessControl implements Access, AdmittedHandler {
  readonly #options: AccessControlOptions;
  #policy: Policy;
  #allows: AllowList;
  readonly #allotments: Allotments;
  readonly #admitted = new Set<Admitted>();
  #own: readonly AddressRange[] = [];
  #ownReadAt = -Infinity;
  #cancelTick: (() => void) | undefined;
  /** When the time may next change a verdict. */
  #edge = Infinity;
  #lookedAt = -Infinity;

  constructor(options: AccessControlOptions) {
    this.#options = options;
    this.#policy = options.policy;
    this.#allows = options.allows;
    this.#allotments = new Allotments(options.clock);
  }

  judge({ peer, wanted, address }: Opening): Verdict {
    const isName = (wanted.kind === "tcp" || wanted.kind === "udp") &&
      (address ?? literalAddressOf(wanted)) === undefined;
    if (isName && this.#policy.rules.length > 0) {
      return { isAllowed: false, reason: "the address of a name has to be judged, not the name" };
    }
    return this.#decide({ peer, wanted }, { address, isUnresolved: false });
  }

  judgeUnresolved({ peer, wanted }: Request): Verdict {
    const isUnresolved = "host" in wanted && literalAddressOf(wanted) === undefined &&
      wanted.kind !== "listen";
    const decided = this.#decide({ peer, wanted }, { address: undefined, isUnresolved });
    if (!decided.isAllowed) this.#auditRefusal({ peer, wanted }, decided);
    return decided;
  }

  admit(admitting: Admitting): Admission {
    const { addresses } = admitting;
    const tried = addresses.length === 0 ? [undefined] : addresses;
    const all = tried.map((address) => ({
      address,
      decided: this.#decide(admitting, { address, isUnresolved: false }),
    }));
    const first = all.find(({ decided }) => decided.isAllowed)?.decided;
    if (first === undefined) return this.#refuse(admitting, all[0]?.decided);
    const allotments = this.#allotmentsOf(admitting.peer, first.limiting);
    if ("reason" in allotments) return this.#refuse(admitting, { ...first, ...allotments });
    const permitted = all.flatMap(({ address, decided }) =>
      address !== undefined && isAllowedAlike(decided, first) ? [address] : []
    );
    const { clock } = this.#options;
    const request = { ...admitting, addresses: permitted };
    const admitted = new Admitted(request, {
      ...{ rule: first.rule ?? "", content: first.content, clock, handler: this },
    });
    admitted.use(allotments.list);
    this.#admitted.add(admitted);
    if (this.#cancelTick === undefined) this.#watchTime();
    return { isAllowed: true, addresses: permitted, grant: admitted };
  }

  handleRefused({ peer, asked, reason }: RefusedRequest): void {
    const wanted = typeof asked === "string" ? printableWords(asked) : asked;
    this.#auditRefusal({ peer, wanted }, { rule: undefined, reason: printableWords(reason) });
  }

  /** Other rules hold from now on; what they do not allow ends. */
  replace(policy: Policy, allows: AllowList = this.#allows): void {
    this.#policy = policy;
    this.#allows = allows;
    this.#allotments.follow(policy.rules);
    this.#rejudge();
    this.#watchTime();
  }

  /** How many requests are admitted and not yet released. */
  get admittedCount(): number {
    return this.#admitted.size;
  }

  handleDialled(admitted: Admitted): void {
    this.#audit(admitted.request, { event: "opened", ...heldBy(admitted) });
  }

  handleJudged(admitted: Admitted, summary: string, refusal?: string): void {
    const event = refusal === undefined ? "request" : "request-refused";
    const reason = refusal === undefined ? {} : { reason: refusal };
    this.#audit(admitted.request, { event, ...heldBy(admitted), ...reason, summary });
  }

  handleReleased(admitted: Admitted, { how, up, down }: GrantSummary): void {
    this.#admitted.delete(admitted);
    if (this.#admitted.size === 0) this.#watchTime();
    const duration = (this.#options.clock.monotonic() - admitted.openedAt) / 1_000;
    const isOpened = admitted.dialled !== undefined;
    this.#audit(admitted.request, {
      ...{ event: isOpened ? "closed" : "refused", ...heldBy(admitted) },
      reason: admitted.endReason ?? how,
      ...(isOpened ? { up, down, duration: Math.round(duration * 1_000) / 1_000 } : {}),
    });
  }

  #decide(
    { peer, wanted }: Request,
    { address, isUnresolved }: { readonly address: string | undefined; isUnresolved: boolean },
  ): Decision {
    const target = targetFactsOf({
      ...{ wanted, address, isUnresolved },
      ownAddresses: this.#ownAddresses(),
    });
    const now = this.#options.clock.now();
    const decision = this.#policy.decide({ peer: peerFactsOf(peer), target, now });
    if (decision.rule !== undefined) return decision;
    const allows = this.#allows;
    const allow = allows.ruleFor({ peer, wanted, address });
    if (allow !== undefined) {
      return { ...decision, isAllowed: true, rule: formatAllowRule(allow) };
    }
    if (this.#policy.rules.length > 0) return decision;
    const verdict = allows.judge({ peer, wanted, address });
    return verdict.isAllowed ? decision : { ...decision, reason: verdict.reason };
  }

  #refuse(request: Request, decided: Decision | undefined): Admission & { isAllowed: false } {
    const reason = decided?.reason ?? "no rule allows it";
    this.#auditRefusal(request, { rule: decided?.rule, reason });
    return { isAllowed: false, reason };
  }

  /** What it counts against; else why there is no room for it. */
  #allotmentsOf(
    peer: AccessPeer,
    rules: readonly Rule[],
  ): { readonly list: Allotment[] } | { readonly reason: string } {
    if (this.#admitted.size >= maxAdmittedCount) return { reason: "this node has no room left" };
    const list: Allotment[] = [];
    for (const { name, limits } of rules) {
      if (limits === undefined) continue;
      const allotment = this.#allotments.of(name, keyOf(peer), limits);
      const obstacle = allotment === undefined ? "too many peers" : allotment.obstacle();
      if (allotment === undefined || obstacle !== undefined) {
        return { reason: `rule ${JSON.stringify(name)}: ${obstacle}` };
      }
      list.push(allotment);
    }
    return { list };
  }

  #rejudge(): void {
    for (const admitted of [...this.#admitted]) {
      const decided = this.#judgeAgain(admitted);
      if (!decided.isAllowed) {
        admitted.end(`no longer allowed: ${decided.reason}`);
        continue;
      }
      // What came before was judged by other rules, and its filter holds what comes to them.
      if (!isDeepStrictEqual(decided.content, admitted.content)) {
        const rule = JSON.stringify(decided.rule ?? "");
        admitted.end(`no longer allowed: rule ${rule} asks for other content`);
        continue;
      }
      admitted.rule = decided.rule ?? "";
      // It was counted before; a limit that is lower now holds for what comes.
      admitted.use(
        decided.limiting.flatMap(({ name, limits }) =>
          (limits && this.#allotments.of(name, keyOf(admitted.request.peer), limits)) ?? []
        ),
      );
    }
  }

  /** By the address that was dialled, or where none is yet, by each that may be. */
  #judgeAgain({ request, dialled }: Admitted): Decision {
    const { wanted, addresses } = request;
    const port = "port" in wanted ? wanted.port : 0;
    const reached = addresses.filter((host) => formatEndpoint({ host, port }) === dialled);
    const tried = reached.length > 0 ? reached : addresses.length > 0 ? addresses : [undefined];
    const decided = tried.map((address) => this.#decide(request, { address, isUnresolved: false }));
    return decided.find(({ isAllowed }) => !isAllowed) ?? decided[0] ?? noDecision;
  }

  #watchTime(): void {
    const now = this.#options.clock.now();
    this.#edge = this.#admitted.size === 0 ? Infinity : this.#policy.nextEdge(now);
    this.#lookedAt = now;
    if (this.#edge === Infinity) {
      this.#cancelTick?.();
      this.#cancelTick = undefined;
    } else {
      this.#cancelTick ??= this.#options.clock.after(tickInterval, () => this.#look());
    }
  }

  /** Timers know nothing of a clock that was set, or of a host that slept: the clock is looked at. */
  #look(): void {
    this.#cancelTick = undefined;
    const now = this.#options.clock.now();
    const isDue = now >= this.#edge || now < this.#lookedAt;
    if (isDue && this.#policy.hasTurned(this.#lookedAt, now)) this.#rejudge();
    if (isDue) return this.#watchTime();
    this.#cancelTick = this.#options.clock.after(tickInterval, () => this.#look());
  }

  #ownAddresses(): readonly AddressRange[] {
    const now = this.#options.clock.monotonic();
    if (now >= this.#ownReadAt + ownAddressLifetime) {
      this.#ownReadAt = now;
      this.#own = this.#options.ownAddresses().flatMap((text) => parseRange(text) ?? []);
    }
    return this.#own;
  }

  #auditRefusal(
    request: AuditedRequest,
    { rule, reason }: Pick<Decision, "rule" | "reason">,
  ): void {
    this.#audit(request, { event: "refused", rule: rule ?? null, dialled: null, reason });
  }

  #audit(
    { peer, wanted }: AuditedRequest,
    rest: Omit<AuditRecord, "time" | "peer" | "key" | "target">,
  ): void {
    const { audit, clock } = this.#options;
    if (audit === undefined) return;
    const { event, rule, dialled, ...more } = rest;
    audit({
      ...{ time: new Date(clock.now()).toISOString(), event },
      ...{ peer: auditedNameOf(peer), key: peer.identity?.keyId ?? null },
      ...{ rule, target: nameOf(wanted), dialled, ...more },
    });
  }
}

const noDecision: Decision = { isAllowed: false, rule: undefined, reason: "", limiting: [] };

/** Whether the same rule allows both, and the same limits hold. */
function isAllowedAlike(one: Decision, other: Decision): boolean {
  return one.isAllowed && one.rule === other.rule &&
    one.limiting.length === other.limiting.length &&
    one.limiting.every((rule, at) => rule === other.limiting[at]);
}

function heldBy({ rule, dialled }: Admitted): Pick<AuditRecord, "rule" | "dialled"> {
  return { rule, dialled: dialled ?? null };
}

/** What a certificate says is no name where nobody vouches for it. */
function auditedNameOf(peer: AccessPeer): string | null {
  return peer.identity === undefined ? peer.name : peerFactsOf(peer).name ?? null;
}

/** What limits are counted by: the name where it is vouched for, so that a new key is no new budget. */
function keyOf(peer: AccessPeer): string {
  const { name, keyId } = peerFactsOf(peer);
  if (name !== undefined) return `name ${name}`;
  return keyId === undefined ? `link ${peer.name}` : `key ${keyId}`;
}

/** What was asked for, on one line. */
function nameOf(wanted: Wanted | string): string {
  if (typeof wanted === "string") return wanted;
  if (wanted.kind === "bench") return "bench";
  return wanted.kind === "listen" ? `listen:${formatEndpoint(wanted)}` : formatTarget(wanted);
}
