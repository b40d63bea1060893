/**
 * What links and channels cost while they are idle: the growth of the process's memory, after
 * collecting garbage. Both ends are in this process, so that each costs half. For `link.ts`, and with
 * `--v8-flags=--expose-gc`.
 */
import { BufferPool } from "../src/buffer_pool.ts";
import type { Channel, Link } from "../src/link/link.ts";
import type { Path } from "../src/link/path.ts";
import { WebRtcLinkFactory } from "../src/link/webrtc_link.ts";
import { IcePath } from "../src/link/ice_path.ts";
import { chooseDatagramSockets } from "../src/socket/choose_datagram_sockets.ts";

const linkCount = 200;
const channelCount = 1_000;
/** Until what was used last is given back: longer than the pool keeps it, in ms. */
const rest = 7_000;

const collectGarbage = (globalThis as { readonly gc?: () => void }).gc;
if (collectGarbage === undefined) throw new Error("run it with --v8-flags=--expose-gc");

interface Memory {
  readonly rss: number;
  /** Of JavaScript's objects and buffers. */
  readonly heap: number;
}

const pool = new BufferPool();
const chosen = chooseDatagramSockets();
const factory = new WebRtcLinkFactory({ iceServers: [], pool, chooseSockets: () => chosen });

async function pause(duration: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, duration));
}

/** What is used once all that can go has gone. */
async function measure(): Promise<Memory> {
  await pause(rest);
  pool.trim(performance.now());
  for (let round = 0; round < 5; round++) {
    collectGarbage?.();
    await pause(20);
  }
  const { rss, heapUsed, external } = Deno.memoryUsage();
  return { rss, heap: heapUsed + external };
}

function report(what: string, count: number, before: Memory, after: Memory, goal: string): void {
  const each = (figure: keyof Memory) =>
    `${((after[figure] - before[figure]) / count / 1024).toFixed(1)} KB`;
  console.log(
    `  ${what.padEnd(42)} ${each("heap").padStart(9)} of heap, ${
      each("rss").padStart(9)
    } of RSS${goal}`,
  );
}

function up(link: Link, handleChannel: (channel: Channel) => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    link.handler = {
      handleUp: () => resolve(),
      handleChannel,
      handleClosed: (reason) => reject(new Error(reason)),
    };
  });
}

/** Both ends of a link, which is up. */
async function connect(handleChannel?: (channel: Channel) => void): Promise<readonly [Link, Link]> {
  const offer = await factory.createOffer();
  const { answer, link } = await factory.acceptOffer(offer.description);
  const other = offer.accept(answer);
  await Promise.all([up(other), up(link, handleChannel)]);
  return [other, link];
}

/** Both ends of ICE alone. */
async function connectPath(): Promise<readonly [Path, Path]> {
  const { sockets } = await chosen;
  const createEnd = (role: "controlling" | "controlled") =>
    new IcePath({ role, iceServers: [], isRelayOnly: false, sockets });
  const ends = [createEnd("controlling"), createEnd("controlled")] as const;
  await Promise.all(ends.map((end) => end.gather(() => {})));
  const opened = ends.map((end, at) => {
    const other = ends[1 - at] as IcePath;
    const isOpen = new Promise<void>((resolve, reject) => {
      end.handler = {
        handleOpen: () => resolve(),
        handleMoved: () => {},
        handleDatagrams: () => {},
        handleFailed: (reason) => reject(new Error(reason)),
      };
    });
    end.connect({
      ...{ type: at === 0 ? "answer" : "offer", setup: "active", mid: "0", sessionId: "1" },
      ...{ ...other.credentials, fingerprint: "", sctpPort: 5000, maxMessageSize: 0 },
      ...{ candidates: other.candidates(), hasAllCandidates: true },
    });
    return isOpen;
  });
  await Promise.all(opened);
  return ends;
}

async function repeat<Value>(count: number, make: () => Promise<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for (let left = count; left > 0; left--) values.push(await make());
  return values;
}

/** Answers once, and is idle then. */
function answerOnce(channel: Channel): void {
  channel.handler = {
    handleBinary: (_, start, end) => channel.consume(end - start),
    handleText: (text) => channel.sendText(text),
    handleWritable: () => {},
    handleClosed: () => {},
  };
}

/** Opens a channel and uses it once. */
function useOnce(link: Link): Promise<Channel> {
  const channel = link.openChannel({ label: "127.0.0.1:80", protocol: "" });
  return new Promise((resolve) => {
    channel.handler = {
      handleBinary: () => {},
      handleText: () => resolve(channel),
      handleWritable: () => {},
      handleClosed: () => {},
    };
    channel.sendText("hello");
  });
}

async function main(): Promise<void> {
  console.log("idle, each end");
  // What is made once is made before.
  const kept: unknown[] = [await repeat(20, () => connect())];
  let before = await measure();
  kept.push(await repeat(linkCount, () => connect()));
  let after = await measure();
  report(`a link (of ${linkCount})`, 2 * linkCount, before, after, "; goal: 256 KB");
  before = after;
  kept.push(await repeat(linkCount, connectPath));
  after = await measure();
  report(`of which ICE and its sockets`, 2 * linkCount, before, after, "");
  const [link] = await connect(answerOnce);
  const useMany = () => Promise.all(Array.from({ length: channelCount }, () => useOnce(link)));
  kept.push(await useMany());
  before = await measure();
  kept.push(await useMany());
  after = await measure();
  report(`a channel (of ${channelCount})`, 2 * channelCount, before, after, "; goal: 16 KB");
}

await main();
Deno.exit(0);
