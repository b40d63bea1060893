/** Makes one link, measures it, prints the result and closes the link. */
import { AllowList } from "../access/allow_list.ts";
import { BadInput } from "../bad_input.ts";
import { defaultPlan, measure, type Measurement } from "../bench/measure.ts";
import { describeMeasurement, measurementToJson } from "../bench/report.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import { Node } from "../node/node.ts";
import type { BenchOptions } from "./bench_command.ts";
import { openIdentities } from "./node_identities.ts";
import { closeAll, print, runSession } from "./node_session.ts";
import {
  createLinkFactory,
  type Signaling,
  type SignalingParts,
  startAetherlight,
  startTty,
} from "./node_signaling.ts";
import { untilStopped } from "./stop_signals.ts";

/** Resolves when the result is printed. Throws BadInput, or LoggedFailure where there is none. */
export async function runBench(options: BenchOptions): Promise<void> {
  await runSession(options.logging, (pool) => benchLink(options, pool));
}

async function benchLink(options: BenchOptions, pool: BufferPool): Promise<void> {
  const identities = await openIdentities(options);
  const node = new Node({ access: new AllowList([]), pool });
  const factory = createLinkFactory(options, { identities, pool });
  const first = new FirstLink(node);
  const adopt: SignalingParts["adopt"] = (...link) => first.adopt(...link);
  const { ingressUrl } = options;
  const parts = { options, factory, identities, exitOnFailure: true, adopt };
  const signaling = ingressUrl === undefined
    ? startTty(parts, { isOffering: true })
    : await startAetherlight(parts, { baseUrls: [], ingressUrls: [ingressUrl] });
  try {
    const stopped = untilStopped().then<never>(() => {
      throw new Error("stopped before there was a result");
    });
    const link = await Promise.race([first.up, failureOf(signaling), stopped]);
    const plan = { ...defaultPlan, duration: options.duration };
    const measuring = measure({ link, pool }, plan).catch((error) => first.rethrow(error));
    const measurement = await Promise.race([measuring, first.ended, stopped]);
    print(describe(measurement, options));
  } finally {
    await closeAll([signaling.close(), node.close("the measurement is over")]);
  }
}

function describe(measurement: Measurement, { isJson }: BenchOptions): string {
  return isJson ? measurementToJson(measurement) : describeMeasurement(measurement);
}

/** Rejects where no link comes up. */
async function failureOf({ failed }: Signaling): Promise<never> {
  const reason = await failed.catch((error) => {
    if (error instanceof BadInput) throw error;
    return messageOf(error);
  });
  throw new Error(`no link came up: ${reason}`);
}

/** The first link of a node that comes up. */
class FirstLink {
  /** Resolves with it. */
  readonly up: Promise<Link>;
  /** Rejects when it has ended, and why. */
  readonly ended: Promise<never>;
  readonly #node: Node;
  readonly #up = Promise.withResolvers<Link>();
  readonly #ended = Promise.withResolvers<never>();
  #link: Link | undefined;

  constructor(node: Node) {
    this.#node = node;
    this.up = this.#up.promise;
    this.ended = this.#ended.promise;
    // It may end when nobody needs it any more.
    this.ended.catch(() => {});
  }

  adopt(...[link, observer, route]: Parameters<SignalingParts["adopt"]>): void {
    this.#node.adopt(link, {
      ...observer,
      handleUp: () => {
        observer.handleUp();
        // One of two links to the same node is given up at once.
        if (link.state !== "up") return;
        this.#link ??= link;
        this.#up.resolve(link);
      },
      handleClosed: (reason) => {
        if (this.#link === link) {
          this.#ended.reject(new Error(`the link ended during the measurement: ${reason}`));
        }
        observer.handleClosed(reason);
      },
    }, route);
  }

  /** What failed because the link has ended failed for that. */
  rethrow(error: unknown): Promise<never> {
    return this.#link?.state === "closed" ? this.ended : Promise.reject(error);
  }
}
