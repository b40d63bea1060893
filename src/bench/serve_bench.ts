/**
 * The side of a measurement that is measured: judges and serves the streams that a peer opens for
 * it. They obey the same windows and back-pressure as forwarded connections.
 */
import { getLogger } from "@logtape/logtape";
import type { Access, AccessPeer, Grant } from "../access/access.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { StreamPort } from "../forward/stream_port.ts";
import type { Channel } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import type { RefusalCode } from "../tunnel/control_message.ts";
import { TunnelStream } from "../tunnel/tunnel_stream.ts";
import { type BenchLabel, writeCount } from "./bench_protocol.ts";
import { PacedPort } from "./paced_port.ts";
import { PatternReader, PatternWriter } from "./pattern.ts";
import { untilEnd } from "./stream_work.ts";
import { type TrafficFigures, writeTraffic } from "./traffic_figures.ts";

const log = getLogger(["aetherport", "bench"]);

/** Streams that are served at once, for all peers together. */
const maxStreamCount = 16;
/** No stream may take longer, in ms. */
const maxDuration = 120_000;
/** How much of an upload came is told so long after something came, in ms. */
const countInterval = 50;

/** Whose stream it is. */
export interface BenchClient {
  readonly peer: AccessPeer;
  /** What this end of its link has sent. */
  readonly traffic: () => TrafficFigures | undefined;
}

/** How one kind of stream is served; it resolves when both directions have ended here. */
type Service = (paced: PacedPort, client: BenchClient) => Promise<void>;

/** What is served, and what it may. */
interface Admitted {
  readonly service: Service;
  readonly grant: Grant;
}

const services: ReadonlyMap<string, Service> = new Map<BenchLabel, Service>([
  ["echo", serveEcho],
  ["upload", serveUpload],
  ["download", serveDownload],
  ["figures", serveFigures],
]);

/** Serves the measurements of all peers of one node. */
export class BenchServer {
  readonly #access: Access;
  readonly #pool: BufferPool;
  #streamCount = 0;

  constructor({ access, pool }: { access: Access; pool: BufferPool }) {
    this.#access = access;
    this.#pool = pool;
  }

  /** Serves one channel until its stream is over. Never throws. */
  async serve(channel: Channel, client: BenchClient): Promise<void> {
    const port = new StreamPort(new TunnelStream(channel, { role: "acceptor" }), {
      pool: this.#pool,
    });
    const admitted = this.#admit(port, client.peer);
    if ("code" in admitted) return refuse(port, { peer: client.peer.name, ...admitted });
    const { service, grant } = admitted;
    const paced = new PacedPort(port, grant.pace);
    this.#streamCount++;
    const timer = setTimeout(() => port.stream.reset(overdueReason), maxDuration);
    void port.closed.then(() => grant.pace?.stop());
    try {
      port.stream.accept();
      await service(paced, client);
    } catch (error) {
      // Does nothing where the other side has broken it off.
      port.stream.reset(messageOf(error));
    }
    const closed = await port.closed;
    clearTimeout(timer);
    this.#streamCount--;
    const how = closed.how === "finished" ? "finished" : closed.reason;
    grant.release({ how, up: port.handedOverLength, down: paced.sentLength });
    log.debug("measurement ({label}) for {peer}: {how}", {
      ...{ event: "stream-closed", label: channel.label, peer: client.peer.name, how },
    });
  }

  #admit(port: StreamPort, peer: AccessPeer): Admitted | { code: RefusalCode; reason: string } {
    const request = { peer, wanted: { kind: "bench" } } as const;
    const verdict = this.#access.judgeUnresolved(request);
    if (!verdict.isAllowed) return deniedFor(verdict.reason);
    const refused = (code: RefusalCode, reason: string) => {
      this.#access.handleRefused({ peer, asked: request.wanted, reason });
      return { code, reason };
    };
    const service = services.get(port.stream.label);
    if (service === undefined) return refused("malformed", "this node knows no such measurement");
    if (this.#streamCount >= maxStreamCount) {
      return refused("exhausted", "this node is being measured by too many: try later");
    }
    const end = (reason: string) => port.stream.reset(reason);
    const admission = this.#access.admit({ ...request, addresses: [], end });
    if (!admission.isAllowed) return { code: "denied", reason: admission.reason };
    admission.grant.handleDialled("bench");
    return { service, grant: admission.grant };
  }
}

function deniedFor(reason: string): { code: RefusalCode; reason: string } {
  const need = "measuring needs --allow bench, or a rule, at the node that is measured";
  return { code: "denied", reason: `${need} (${reason})` };
}

const overdueReason = `a stream of a measurement may take ${maxDuration / 1_000} s at most`;

function refuse(
  port: StreamPort,
  { peer, code, reason }: { peer: string; code: RefusalCode; reason: string },
): void {
  log.warn("refused a measurement to {peer}: {reason}", { event: "refused", peer, code, reason });
  port.stream.refuse(code, reason);
}

async function serveEcho(paced: PacedPort): Promise<void> {
  await paced.receive((bytes) => paced.send(bytes));
  paced.endBoth();
}

async function serveUpload(paced: PacedPort): Promise<void> {
  const reader = new PatternReader();
  const teller = new CountTeller(paced.port, reader);
  try {
    await paced.receive((bytes) => {
      reader.check(bytes);
      teller.schedule();
    });
  } finally {
    teller.stop();
  }
  await paced.send(writeCount(reader.position));
  paced.endBoth();
}

/** Tells how much has come, some time after something came. */
class CountTeller {
  readonly #port: StreamPort;
  readonly #reader: PatternReader;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(port: StreamPort, reader: PatternReader) {
    this.#port = port;
    this.#reader = reader;
  }

  schedule(): void {
    this.#timer ??= setTimeout(() => this.#tell(), countInterval);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    this.#timer = undefined;
    const { stream } = this.#port;
    const count = writeCount(this.#reader.position);
    // Nobody waits for one that does not fit: the next says more.
    if (stream.sendableLength >= count.length) stream.send(count, 0, count.length);
  }
}

async function serveDownload(paced: PacedPort): Promise<void> {
  const writer = new PatternWriter();
  let isWanted = true;
  const watch = async () => {
    await untilEnd(paced.port);
    isWanted = false;
  };
  const send = async () => {
    while (isWanted) await paced.send(writer.next());
  };
  await Promise.all([watch(), send()]);
  paced.endBoth();
}

async function serveFigures(paced: PacedPort, { traffic }: BenchClient): Promise<void> {
  await paced.send(new TextEncoder().encode(writeTraffic(traffic())));
  await untilEnd(paced.port);
  paced.endBoth();
}
