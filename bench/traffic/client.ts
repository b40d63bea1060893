/** What the client of {@link file://./service.ts} does through a tunnel, and how it measures that. */
import { mode, windowLength } from "./service.ts";
import {
  type Receipt,
  receivePattern,
  sendPattern,
  sumOf,
  type Window,
  writeAll,
} from "./stream.ts";

/** Streams at once through a local port. */
export interface Load extends Window {
  readonly port: number;
  readonly streamCount: number;
}

/** Round trips on one connection. */
export interface Conversation {
  readonly port: number;
  /** In ms. */
  readonly duration: number;
  /** Of each request and answer, in bytes. */
  readonly length: number;
}

/** Connections that are opened one after another. */
export interface Openings {
  readonly port: number;
  readonly count: number;
}

/** Connections that are opened by the clock. */
export interface Arrivals {
  readonly port: number;
  readonly perSecond: number;
  /** In s. */
  readonly duration: number;
}

/** How connections were served. */
export interface Served {
  /** From when each was due to its answer, in ms. */
  readonly times: readonly number[];
  /** How many were not served, and the first reason. */
  readonly failureCount: number;
  readonly failure: string;
}

/** How long a client waits for what was on its way when it stopped, and for an answer, in ms. */
const patience = { drain: 8_000, answer: 10_000 };

async function connect(port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay(true);
  return connection;
}

/** Reads the pattern over each of the streams. */
export async function download({ port, streamCount, ...window }: Load): Promise<Receipt> {
  const one = async () => {
    const connection = await connect(port);
    await writeAll(connection, Uint8Array.of(mode.down));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const receipt = await receivePattern(connection, window, () => {
      void connection.closeWrite();
      timer = setTimeout(() => connection.close(), patience.drain);
    });
    clearTimeout(timer);
    if (receipt.isWhole) connection.close();
    return receipt;
  };
  return sumOf(await Promise.all(Array.from({ length: streamCount }, one)));
}

/** Writes the pattern over each of the streams; the receipts are the service's. */
export async function upload({ port, streamCount, ...window }: Load): Promise<Receipt> {
  const one = async () => {
    using connection = await connect(port);
    await writeAll(connection, uploadHeader(window));
    const until = performance.now() + window.warmUp + window.duration + 200;
    const sent = await sendPattern(connection, () => performance.now() > until);
    const receipt = JSON.parse(await new Response(connection.readable).text()) as Receipt;
    const fault = receipt.bytes === sent ? "" : `${sent} bytes were sent, ${receipt.bytes} came`;
    return { ...receipt, fault: receipt.fault || fault };
  };
  return sumOf(await Promise.all(Array.from({ length: streamCount }, one)));
}

function uploadHeader({ warmUp, duration }: Window): Uint8Array {
  const bytes = new Uint8Array(1 + windowLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, mode.up);
  view.setUint32(1, warmUp);
  view.setUint32(5, duration);
  return bytes;
}

/** Requests, each sent when the last was answered; how long each took, in ms. */
export async function converse({ port, duration, length }: Conversation): Promise<number[]> {
  using connection = await connect(port);
  const request = new Uint8Array(length).fill(mode.echo);
  const times: number[] = [];
  // The first makes the connection, and is not counted.
  await ask(connection, request);
  for (const until = performance.now() + duration; performance.now() < until;) {
    const begun = performance.now();
    await ask(connection, request);
    times.push(performance.now() - begun);
  }
  return times;
}

async function ask(connection: Deno.TcpConn, request: Uint8Array): Promise<void> {
  const answer = new Uint8Array(request.length);
  await writeAll(connection, request);
  for (let at = 0; at < answer.length;) {
    const length = await connection.read(answer.subarray(at));
    if (length === null) throw new Error("the connection ended before the answer");
    at += length;
  }
  if (answer.some((byte, at) => byte !== request[at])) throw new Error("another answer");
}

/** Opens connections one after another; from connect to the first byte of the answer, in ms. */
export async function openEach({ port, count }: Openings): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const begun = performance.now();
    using connection = await connect(port);
    await ask(connection, Uint8Array.of(mode.echo));
    times.push(performance.now() - begun);
  }
  return times;
}

/** When the first byte came back over a new connection, in ms of the system's clock. */
export async function firstByteAt(port: number): Promise<number> {
  await openEach({ port, count: 1 });
  return performance.timeOrigin + performance.now();
}

const kept: Deno.TcpConn[] = [];

/** Opens connections, uses each once, and keeps them; how many there are now. */
export async function openAndKeep({ port, count }: Openings): Promise<number> {
  for (let left = count; left > 0; left -= 50) {
    const some = Array.from({ length: Math.min(50, left) }, async () => {
      const connection = await connect(port);
      kept.push(connection);
      await ask(connection, Uint8Array.of(mode.echo));
    });
    await Promise.all(some);
  }
  return kept.length;
}

/** Opens connections when they are due, whether those before were served or not. */
export async function openByClock({ port, perSecond, duration }: Arrivals): Promise<Served> {
  const times: number[] = [];
  const failures: string[] = [];
  const pending: Promise<void>[] = [];
  const begun = performance.now();
  const serveOne = async (due: number) => {
    try {
      await openOnce(port);
      times.push(performance.now() - due);
    } catch (error) {
      failures.push(String(error));
    }
  };
  for (const total = perSecond * duration; pending.length < total;) {
    const due = () => begun + pending.length * 1000 / perSecond;
    while (pending.length < total && due() <= performance.now()) pending.push(serveOne(due()));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return { times, failureCount: failures.length, failure: failures[0] ?? "" };
}

async function openOnce(port: number): Promise<void> {
  using connection = await connect(port);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer")), patience.answer);
  });
  const asked = ask(connection, Uint8Array.of(mode.echo));
  // Closing ends it where nobody waits for it any more.
  asked.catch(() => {});
  await Promise.race([asked, late]).finally(() => clearTimeout(timer));
}
