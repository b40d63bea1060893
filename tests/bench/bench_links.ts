/** Two nodes' links in memory, of which one is measured. */
import { somePeer } from "../fakes/sample_specs.ts";
import type { Access } from "../../src/access/access.ts";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import type { BenchLabel } from "../../src/bench/bench_protocol.ts";
import type { Ground } from "../../src/bench/client_stream.ts";
import { BenchServer } from "../../src/bench/serve_bench.ts";
import type { TrafficFigures } from "../../src/bench/traffic_figures.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { StreamPort } from "../../src/forward/stream_port.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { type FakeLink, linkPair } from "../fakes/link_pair.ts";

/** What the tests measure over, and the other end of it. */
export interface Stage extends Ground {
  readonly a: FakeLink;
  readonly z: FakeLink;
  readonly pool: BufferPool;
}

/** How one kind of stream is served, instead of as it should be. */
export type Services = Partial<Record<BenchLabel, (port: StreamPort) => Promise<void>>>;

/** Joined links that are up. Where no service stands in for it, the one that is tested serves. */
export function joined(
  { access = allowing("bench"), services = {} }: {
    readonly access?: Access;
    readonly services?: Services;
  } = {},
): Stage {
  const pool = new BufferPool();
  const { a, z } = linkPair({ pace: "turn" });
  const server = new BenchServer({ access, pool });
  z.handler = {
    handleUp: () => {},
    handleChannel: (channel) => {
      const service = services[channel.label as BenchLabel];
      if (service === undefined) {
        return void server.serve(channel, { peer: somePeer, traffic: () => z.traffic });
      }
      const port = new StreamPort(new TunnelStream(channel, { role: "acceptor" }), { pool });
      port.stream.accept();
      void service(port).catch(() => {});
    },
    handleClosed: () => {},
  };
  a.goUp();
  z.goUp();
  return { a, z, pool, link: a };
}

/** As `--allow` says it. */
export function allowing(...rules: readonly string[]): Access {
  return new AllowList(rules.map(parseAllowRule));
}

/** The link says so, each time a tenth more than the time before. */
export function tellTraffic(link: FakeLink, sent: number): void {
  let count = 0;
  const traffic = (): TrafficFigures => ({ sent: sent * ++count, resent: sent / 10 * count });
  Object.defineProperty(link, "traffic", { get: traffic });
}

/** Resolves when no stream is left at either end. */
export async function untilReleased({ a, z, pool }: Stage): Promise<void> {
  while (a.channels.size + z.channels.size + pool.lentCount > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
