/**
 * The side of a measurement that is measured: judges and serves the streams that a peer opens for
 * it. They obey the same windows and back-pressure as forwarded connections.
 */
import { getLogger } from "@logtape/logtape";
import type { Access, AccessPeer } from "../access/access.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { StreamPort } from "../forward/stream_port.ts";
import type { Channel } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import type { RefusalCode } from "../tunnel/control_message.ts";
import { TunnelStream } from "../tunnel/tunnel_stream.ts";
import { type BenchLabel, writeCount } from "./bench_protocol.ts";
import { PatternReader, PatternWriter } from "./pattern.ts";
import { readAll, sendAll, untilEnd } from "./stream_work.ts";
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
type Service = (port: StreamPort, client: BenchClient) => Promise<void>;

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
    const service = this.#judge(channel.label, client.peer);
    if ("code" in service) return refuse(port, { peer: client.peer.name, ...service });
    this.#streamCount++;
    const timer = setTimeout(() => port.stream.reset(overdueReason), maxDuration);
    try {
      port.stream.accept();
      await service(port, client);
    } catch (error) {
      // Does nothing where the other side has broken it off.
      port.stream.reset(messageOf(error));
    }
    const closed = await port.closed;
    clearTimeout(timer);
    this.#streamCount--;
    log.debug("measurement ({label}) for {peer}: {how}", {
      event: "stream-closed",
      label: channel.label,
      peer: client.peer.name,
      how: closed.how === "finished" ? "finished" : closed.reason,
    });
  }

  #judge(label: string, peer: AccessPeer): Service | { code: RefusalCode; reason: string } {
    if (!this.#access.judge({ peer, wanted: { kind: "bench" } }).isAllowed) {
      return { code: "denied", reason: notAllowedReason };
    }
    const service = services.get(label);
    if (service === undefined) {
      return { code: "malformed", reason: "this node knows no such measurement" };
    }
    if (this.#streamCount < maxStreamCount) return service;
    return { code: "exhausted", reason: "this node is being measured by too many: try later" };
  }
}

const notAllowedReason = "measuring needs --allow bench at the node that is measured";
const overdueReason = `a stream of a measurement may take ${maxDuration / 1_000} s at most`;

function refuse(
  port: StreamPort,
  { peer, code, reason }: { peer: string; code: RefusalCode; reason: string },
): void {
  log.warn("refused a measurement to {peer}: {reason}", { event: "refused", peer, code, reason });
  port.stream.refuse(code, reason);
}

async function serveEcho(port: StreamPort): Promise<void> {
  const sink = { write: (bytes: Uint8Array) => sendAll(port, bytes) };
  while (await port.hasPayload()) await port.writeTo(sink);
  endBoth(port);
}

async function serveUpload(port: StreamPort): Promise<void> {
  const reader = new PatternReader();
  const teller = new CountTeller(port, reader);
  try {
    await readAll(port, (bytes) => {
      reader.check(bytes);
      teller.schedule();
    });
  } finally {
    teller.stop();
  }
  await sendAll(port, writeCount(reader.position));
  endBoth(port);
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

async function serveDownload(port: StreamPort): Promise<void> {
  const writer = new PatternWriter();
  let isWanted = true;
  const watch = async () => {
    await untilEnd(port);
    isWanted = false;
  };
  const send = async () => {
    while (isWanted) {
      await port.untilSendable();
      writer.sendTo(port.stream);
    }
  };
  await Promise.all([watch(), send()]);
  endBoth(port);
}

async function serveFigures(port: StreamPort, { traffic }: BenchClient): Promise<void> {
  await sendAll(port, new TextEncoder().encode(writeTraffic(traffic())));
  await untilEnd(port);
  endBoth(port);
}

/** All came, and all was sent. */
function endBoth({ stream }: StreamPort): void {
  stream.end();
  stream.confirmEnd();
}
