/** Opening streams to the node that is measured, and closing them. */
import type { BufferPool } from "../buffer_pool.ts";
import { StreamPort } from "../forward/stream_port.ts";
import type { Link } from "../link/link.ts";
import { type StreamClosed, TunnelStream } from "../tunnel/tunnel_stream.ts";
import { type BenchLabel, benchProtocol } from "./bench_protocol.ts";
import { causeOf } from "./stream_work.ts";

/** The other node did not let itself be measured, or not in this way. */
export class MeasurementRefused extends Error {
  override readonly name = "MeasurementRefused";
}

/** Over what, and with what, is measured. */
export interface Ground {
  readonly link: Link;
  readonly pool: BufferPool;
}

/** Opens a stream; returns when the other node serves it. Throws {@link MeasurementRefused}. */
export async function openStream({ link, pool }: Ground, label: BenchLabel): Promise<StreamPort> {
  const channel = link.openChannel({ label, protocol: benchProtocol });
  const port = new StreamPort(new TunnelStream(channel, { role: "opener" }), { pool });
  if (await port.answered) return port;
  throw toError(await port.closed);
}

/** Opens a stream, works on it and waits for its end. What fails says what the other side said. */
export async function withStream<Result>(
  ground: Ground,
  label: BenchLabel,
  work: (port: StreamPort) => Promise<Result>,
): Promise<Result> {
  return await workOn(await openStream(ground, label), work);
}

/** Works on a stream that is open, as {@link withStream} does. */
export async function workOn<Result>(
  port: StreamPort,
  work: (port: StreamPort) => Promise<Result>,
): Promise<Result> {
  try {
    const result = await work(port);
    await finish(port);
    return result;
  } catch (error) {
    // Does nothing where it is broken off already.
    port.stream.reset("the measurement has failed");
    throw await causeOf(error, port);
  }
}

/** Ends both directions, and waits until the other side has done so too. */
async function finish(port: StreamPort): Promise<void> {
  port.stream.end();
  if (await port.hasPayload()) throw new Error(`more came on "${port.stream.label}" than was due`);
  port.stream.confirmEnd();
  const closed = await port.closed;
  if (closed.how !== "finished") throw toError(closed);
}

function toError(closed: StreamClosed): Error {
  if (closed.how === "refused") {
    return new MeasurementRefused(`the other node refused to be measured: ${closed.reason}`);
  }
  const reason = closed.how === "reset" ? closed.reason : "the other node has ended it";
  return new Error(`the measurement was broken off: ${reason}`);
}
