/** The forwards of a running node, which a new config file may change. */
import { getLogger } from "@logtape/logtape";
import { formatServedSpec } from "../forward/served_spec.ts";
import { messageOf } from "../message_of.ts";
import type { RoutedForward } from "../node/node.ts";

const log = getLogger(["aetherport", "cli"]);

/** What a change did. */
export interface ForwardChange {
  readonly added: number;
  readonly removed: number;
  readonly kept: number;
}

/** The node, as far as it is needed here. */
export interface ForwardHost {
  addForward(forward: RoutedForward): void | Promise<void>;
  removeForward(forward: RoutedForward): void;
}

/** Those that listen. */
export class ForwardSet {
  readonly #node: ForwardHost;
  #forwards: readonly RoutedForward[] = [];

  constructor(node: ForwardHost) {
    this.#node = node;
  }

  /** Begins with these. Throws an Error naming an address that cannot be bound. */
  async begin(forwards: readonly RoutedForward[]): Promise<void> {
    for (const forward of forwards) await this.#node.addForward(forward);
    this.#forwards = forwards;
  }

  /**
   * Serves these and no others. What is there already goes on as it is; what is no more stops
   * listening, before what is new begins: an address may go from one to another. A forward that
   * cannot listen is said, and tried again the next time.
   */
  async replace(wanted: readonly RoutedForward[]): Promise<ForwardChange> {
    const { kept, added, removed } = compare(this.#forwards, wanted);
    for (const forward of removed) this.#node.removeForward(forward);
    // Deno lets go of an address when its accept has noticed.
    if (removed.length > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const listening: RoutedForward[] = [];
    for (const forward of added) if (await this.#add(forward)) listening.push(forward);
    this.#forwards = [...kept, ...listening];
    return { added: listening.length, removed: removed.length, kept: kept.length };
  }

  async #add(forward: RoutedForward): Promise<boolean> {
    try {
      await this.#node.addForward(forward);
      return true;
    } catch (error) {
      const [spec, problem] = [formatServedSpec(forward.spec), messageOf(error)];
      log.error("the forward {spec} does not work: {problem}", {
        ...{ event: "forward-failed", spec, problem },
      });
      return false;
    }
  }
}

/** By what they say; of several that say the same, each is matched by one. */
function compare(current: readonly RoutedForward[], wanted: readonly RoutedForward[]) {
  const unmatched = new Map<string, RoutedForward[]>();
  for (const forward of current) {
    const key = keyOf(forward);
    unmatched.set(key, [...unmatched.get(key) ?? [], forward]);
  }
  const kept: RoutedForward[] = [];
  const added: RoutedForward[] = [];
  for (const forward of wanted) {
    const same = unmatched.get(keyOf(forward))?.shift();
    if (same === undefined) added.push(forward);
    else kept.push(same);
  }
  return { kept, added, removed: [...unmatched.values()].flat() };
}

function keyOf({ spec, route = "" }: RoutedForward): string {
  return JSON.stringify([spec, route]);
}
