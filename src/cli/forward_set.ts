/** The forwards of a running node, which a new config file may change. */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../message_of.ts";

const log = getLogger(["aetherport", "cli"]);

/** What a change did. */
export interface ForwardChange {
  readonly added: number;
  readonly removed: number;
  readonly kept: number;
}

/** A forward of either direction. */
export interface Routed {
  readonly spec: unknown;
  readonly route: string | undefined;
}

/** What serves them. */
export interface ForwardHost<One extends Routed> {
  add(forward: One): void | Promise<void>;
  remove(forward: One): void;
  /** Whether it still serves one: those who run it may have had it removed. */
  has(forward: One): boolean;
  /** As the log names it. */
  format(forward: One): string;
}

/** Those that are served. */
export class ForwardSet<One extends Routed> {
  readonly #host: ForwardHost<One>;
  #forwards: readonly One[] = [];

  constructor(host: ForwardHost<One>) {
    this.#host = host;
  }

  /** Begins with these. Throws an Error naming an address that cannot be bound. */
  async begin(forwards: readonly One[]): Promise<void> {
    for (const forward of forwards) await this.#host.add(forward);
    this.#forwards = forwards;
  }

  /** Whether a forward is one of these, and not one that was added by others. */
  includes(forward: One): boolean {
    return this.#forwards.includes(forward);
  }

  /**
   * Serves these and no others. What is there already goes on as it is; what is no more stops
   * listening, before what is new begins: an address may go from one to another. A forward that
   * cannot listen is said, and tried again the next time.
   */
  async replace(wanted: readonly One[]): Promise<ForwardChange> {
    const served = this.#forwards.filter((forward) => this.#host.has(forward));
    const { kept, added, removed } = compare(served, wanted);
    for (const forward of removed) this.#host.remove(forward);
    // Deno lets go of an address when its accept has noticed.
    if (removed.length > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const listening: One[] = [];
    for (const forward of added) if (await this.#add(forward)) listening.push(forward);
    this.#forwards = [...kept, ...listening];
    return { added: listening.length, removed: removed.length, kept: kept.length };
  }

  async #add(forward: One): Promise<boolean> {
    try {
      await this.#host.add(forward);
      return true;
    } catch (error) {
      const [spec, problem] = [this.#host.format(forward), messageOf(error)];
      log.error("the forward {spec} does not work: {problem}", {
        ...{ event: "forward-failed", spec, problem },
      });
      return false;
    }
  }
}

/** By what they say; of several that say the same, each is matched by one. */
function compare<One extends Routed>(current: readonly One[], wanted: readonly One[]) {
  const unmatched = new Map<string, One[]>();
  for (const forward of current) {
    const key = keyOf(forward);
    unmatched.set(key, [...unmatched.get(key) ?? [], forward]);
  }
  const kept: One[] = [];
  const added: One[] = [];
  for (const forward of wanted) {
    const same = unmatched.get(keyOf(forward))?.shift();
    if (same === undefined) added.push(forward);
    else kept.push(same);
  }
  return { kept, added, removed: [...unmatched.values()].flat() };
}

function keyOf({ spec, route = "" }: Routed): string {
  return JSON.stringify([spec, route]);
}
