/**
 * What a forward costs: throughput of one stream each way beside a direct connection in the same
 * run, a new connection's first answer, and what a target that stopped reading does to the others
 * and to memory.
 */
import net from "node:net";
import { joinByPaste, NodeProcess } from "../demo/node_process.ts";
import { echo, freePort, type LocalService, serve } from "../tests/program/local_service.ts";

const transferLength = 32 * 1024 * 1024;
const stalledLength = 1024 * 1024 * 1024;
/** Conversations at once, and how many requests each asks in a round. */
const conversationCount = 100;
const requestCount = 30;
const request = new Uint8Array(100);
/** What a stalled stream may do to the others' 99th percentile. */
const goalOfDelay = 1.5;
const roundCount = 3;
const chunk = new Uint8Array(65_536);

/** Sends so many bytes and waits for the one-byte receipt; MB/s. */
async function upload(port: number, length: number): Promise<number> {
  const begun = performance.now();
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  for (let sent = 0; sent < length; sent += chunk.length) await write(socket, chunk);
  socket.end();
  for await (const _ of socket);
  return length / (performance.now() - begun) / 1000;
}

function write(socket: net.Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    socket.write(bytes, (error) => error ? reject(error) : resolve())
  );
}

/** Reads what the service sends; MB/s. */
async function download(port: number): Promise<number> {
  const begun = performance.now();
  const socket = net.connect({ port, host: "127.0.0.1" });
  let length = 0;
  for await (const bytes of socket) length += (bytes as Uint8Array).length;
  return length / (performance.now() - begun) / 1000;
}

/** From connect to the first byte of the echo; ms. */
async function firstAnswer(port: number): Promise<number> {
  const begun = performance.now();
  const socket = net.connect({ port, host: "127.0.0.1" });
  socket.write("x");
  await new Promise((resolve) => socket.once("data", resolve));
  const duration = performance.now() - begun;
  socket.destroy();
  return duration;
}

/** Requests on one connection, each sent when the last was answered; how long each took, in ms. */
async function converse(port: number): Promise<number[]> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  await new Promise((resolve) => socket.once("connect", resolve));
  const durations: number[] = [];
  while (durations.length < requestCount) {
    const begun = performance.now();
    socket.write(request);
    await new Promise((resolve) => socket.once("data", resolve));
    durations.push(performance.now() - begun);
  }
  socket.destroy();
  return durations;
}

/** Of conversations at once. */
async function slowestPercent(port: number): Promise<number> {
  const all = Array.from({ length: conversationCount }, () => converse(port));
  const durations = (await Promise.all(all)).flat().toSorted((a, b) => a - b);
  return durations[Math.floor(durations.length * 0.99)] ?? NaN;
}

/** Sends to a target that reads nothing; resolves once nothing more is taken. */
async function stall(port: number): Promise<net.Socket> {
  const client = net.connect({ port, host: "127.0.0.1" });
  client.on("error", () => {});
  for (let taken = -1; taken < client.bytesWritten - client.writableLength;) {
    taken = client.bytesWritten - client.writableLength;
    while (client.write(chunk));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return client;
}

async function measureConversations(
  { port, stalledPort }: { port: number; stalledPort: number },
): Promise<void> {
  await slowestPercent(port);
  const rounds: { alone: number; beside: number }[] = [];
  for (let round = 0; round < roundCount * 3; round++) {
    const alone = await slowestPercent(port);
    const client = await stall(stalledPort);
    rounds.push({ alone, beside: await slowestPercent(port) });
    client.destroy();
  }
  const ratio = median(rounds.map(({ alone, beside }) => beside / alone));
  const [alone, beside] = [
    median(rounds.map((one) => one.alone)),
    median(rounds.map((one) => one.beside)),
  ];
  console.log(
    `p99 of ${conversationCount} conversations: ${beside.toFixed(1)} ms beside a stalled stream, ` +
      `${alone.toFixed(1)} alone (ratio ${ratio.toFixed(2)}, goal ${goalOfDelay})`,
  );
}

function sink(socket: net.Socket): void {
  socket.on("data", () => {});
  socket.on("end", () => socket.end("."));
}

async function source(socket: net.Socket): Promise<void> {
  for (let sent = 0; sent < transferLength; sent += chunk.length) await write(socket, chunk);
  socket.end();
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function residentMegabytes({ pid }: NodeProcess): number {
  const pages = Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]);
  return Math.round(pages * 4096 / 1e6);
}

/** Alternates a measurement between the direct port and the forwarded one. */
async function compare(
  { name, unit, direct, forwarded }: {
    name: string;
    unit: string;
    direct: () => Promise<number>;
    forwarded: () => Promise<number>;
  },
): Promise<void> {
  const results: { direct: number; forwarded: number }[] = [];
  for (let round = 0; round < roundCount; round++) {
    results.push({ direct: await direct(), forwarded: await forwarded() });
  }
  const [a, b] = [
    median(results.map((one) => one.direct)),
    median(results.map((one) => one.forwarded)),
  ];
  console.log(
    `${name}: ${b.toFixed(1)} ${unit}, direct ${a.toFixed(1)} (ratio ${(b / a).toFixed(3)})`,
  );
}

async function measureStalled(
  { port, stalledPort, nodes }: { port: number; stalledPort: number; nodes: NodeProcess[] },
): Promise<void> {
  const before = nodes.map(residentMegabytes);
  const alone = await upload(port, transferLength);
  const client = net.connect({ port: stalledPort, host: "127.0.0.1" });
  client.on("error", () => {});
  let taken = 0;
  const offering = (async () => {
    while (taken < stalledLength) {
      await write(client, chunk);
      taken += chunk.length;
    }
  })().catch(() => {}); // It is cut off below.
  const beside = await upload(port, transferLength);
  const growth = nodes.map((node, position) => residentMegabytes(node) - (before[position] ?? 0));
  console.log(`beside a stalled stream: ${(beside / alone).toFixed(2)} of the speed alone`);
  console.log(
    `  taken of 1 GiB: ${(taken / 1e6).toFixed(1)} MB; nodes grew by ${growth.join(" and ")} MB`,
  );
  client.destroy();
  await offering;
}

async function main(): Promise<void> {
  const services: LocalService[] = await Promise.all(
    [sink, source, echo, (socket: net.Socket) => socket.pause()].map((handle) =>
      serve((socket) => void handle(socket))
    ),
  );
  const [sinkPort = 0, sourcePort = 0, echoPort = 0] = services.map(({ port }) => port);
  const forwarded = services.map(() => freePort());
  const [toSink = 0, toSource = 0, toEcho = 0, toStalled = 0] = forwarded;
  const egress = new NodeProcess([
    "--ice-server",
    "none",
    ...services.flatMap(({ port }, at) => ["-f", `127.0.0.1:${forwarded[at]}:127.0.0.1:${port}`]),
  ]);
  const ingress = new NodeProcess(["--ice-server", "none", "--allow", "127.0.0.1:*"]);
  await joinByPaste(egress, ingress);
  await measureStalled({ port: toSink, stalledPort: toStalled, nodes: [egress, ingress] });
  await compare({
    name: "one stream up",
    unit: "MB/s",
    direct: () => upload(sinkPort, transferLength),
    forwarded: () => upload(toSink, transferLength),
  });
  await compare({
    name: "one stream down",
    unit: "MB/s",
    direct: () => download(sourcePort),
    forwarded: () => download(toSource),
  });
  await compare({
    name: "first answer",
    unit: "ms",
    direct: () => firstAnswer(echoPort),
    forwarded: () => firstAnswer(toEcho),
  });
  await measureConversations({ port: toEcho, stalledPort: toStalled });
  await Promise.all([egress.stop(), ingress.stop()]);
}

await main();
Deno.exit(0);
