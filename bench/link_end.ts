/**
 * One end of a link, in a process of its own, for `link.ts`: it takes a JSON array a line, what to do
 * and with what, and answers each with one line.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { BufferPool } from "../src/buffer_pool.ts";
import { nodeAead } from "../src/crypto/node_aead.ts";
import type { Channel, Link, LinkOffer } from "../src/link/link.ts";
import {
  parseSessionDescription,
  writeSessionDescription,
} from "../src/link/session_description.ts";
import { WebRtcLinkFactory, type WebRtcLinkFactoryOptions } from "../src/link/webrtc_link.ts";
import { portableDatagramSockets } from "../src/socket/portable_datagram.ts";
import { WeriftPeer } from "../tests/fakes/werift_peer.ts";

/** A message for werift, and what it keeps at most before it is fed again, in bytes. */
const weriftMessageLength = 16_384;
const weriftBufferLength = 262_144;

/** A stack, as this program uses it: the offering end sends, the other receives. */
interface End {
  offer(): Promise<string>;
  answer(offer: string): Promise<string>;
  /** Resolves when data can be sent. */
  accept(answer: string): Promise<void>;
  /** Sends for so long, and resolves with how many bytes were received. */
  send(duration: number): Promise<number>;
}

/** This project's stack. */
class OwnEnd implements End {
  readonly #factory: WebRtcLinkFactory;
  readonly #payload = new Uint8Array(65_536);
  #offer: LinkOffer | undefined;
  #channel: Channel | undefined;
  #receipt = Promise.withResolvers<number>();
  #isSending = false;

  constructor(choices: Pick<WebRtcLinkFactoryOptions, "chooseAead" | "chooseSockets">) {
    this.#factory = new WebRtcLinkFactory({ iceServers: [], pool: new BufferPool(), ...choices });
  }

  async offer(): Promise<string> {
    this.#offer = await this.#factory.createOffer();
    return writeSessionDescription(this.#offer.description);
  }

  async answer(offer: string): Promise<string> {
    const { answer, link } = await this.#factory.acceptOffer(
      parseSessionDescription("offer", offer),
    );
    link.handler = {
      handleUp: () => {},
      handleChannel: (channel) => countAndConfirm(channel),
      handleClosed: () => Deno.exit(0),
    };
    return writeSessionDescription(answer);
  }

  async accept(answer: string): Promise<void> {
    const link = this.#offer?.accept(parseSessionDescription("answer", answer));
    if (link === undefined) throw new Error("nothing was offered");
    await up(link);
    this.#channel = link.openChannel({ label: "bench", protocol: "" });
    this.#channel.handler = {
      handleBinary: () => {},
      handleText: (length) => this.#receipt.resolve(Number(length)),
      handleWritable: () => this.#fill(),
      handleClosed: () => Deno.exit(1),
    };
  }

  async send(duration: number): Promise<number> {
    this.#receipt = Promise.withResolvers<number>();
    this.#isSending = true;
    this.#fill();
    await new Promise((resolve) => setTimeout(resolve, duration));
    this.#isSending = false;
    this.#channel?.sendText("how much?");
    return await this.#receipt.promise;
  }

  #fill(): void {
    const channel = this.#channel;
    if (channel === undefined || !this.#isSending) return;
    for (;;) {
      const length = Math.min(channel.sendableLength, this.#payload.length);
      if (length === 0) return;
      channel.sendRun(this.#payload, 0, length);
    }
  }
}

function up(link: Link): Promise<void> {
  return new Promise((resolve, reject) => {
    link.handler = {
      handleUp: () => resolve(),
      handleChannel: () => {},
      handleClosed: (reason) => reject(new Error(reason)),
    };
  });
}

function countAndConfirm(channel: Channel): void {
  let length = 0;
  channel.handler = {
    handleBinary: (_, start, end) => {
      length += end - start;
      channel.consume(end - start);
    },
    handleText: () => {
      channel.sendText(String(length));
      length = 0;
    },
    handleWritable: () => {},
    handleClosed: () => {},
  };
}

/** werift's. */
class WeriftEnd implements End {
  readonly #peer = new WeriftPeer();
  #channel: Awaited<ReturnType<WeriftPeer["offer"]>>["channel"] | undefined;

  async offer(): Promise<string> {
    const { sdp, channel } = await this.#peer.offer({ label: "bench", protocol: "" });
    channel.bufferedAmountLowThreshold = weriftBufferLength / 2;
    this.#channel = channel;
    return sdp;
  }

  async answer(offer: string): Promise<string> {
    const { sdp, channel } = await this.#peer.answer(offer);
    void channel.then((channel) => {
      let length = 0;
      channel.onMessage.subscribe((message) => {
        if (typeof message !== "string") {
          length += message.length;
          return;
        }
        channel.send(String(length));
        length = 0;
      });
    });
    return sdp;
  }

  async accept(answer: string): Promise<void> {
    const channel = this.#channel;
    const opened = channel?.stateChanged.watch((state) => state === "open");
    await this.#peer.accept(answer);
    if (channel?.readyState !== "open") await opened;
  }

  async send(duration: number): Promise<number> {
    const channel = this.#channel;
    if (channel === undefined) throw new Error("nothing was offered");
    const received = channel.onMessage.asPromise();
    const message = Buffer.alloc(weriftMessageLength);
    for (const until = performance.now() + duration; performance.now() < until;) {
      if (channel.bufferedAmount >= weriftBufferLength) await channel.bufferedAmountLow.asPromise();
      channel.send(message);
    }
    channel.send("how much?");
    const [length] = await received;
    return Number(length);
  }
}

const nodeCrypto = () => Promise.resolve({ provider: nodeAead, reason: "" });
const nodeDgram = () => Promise.resolve({ sockets: portableDatagramSockets, reason: "" });

function createEnd(name: string | undefined): End {
  switch (name) {
    case "werift":
      return new WeriftEnd();
    case "portable":
      return new OwnEnd({ chooseAead: nodeCrypto, chooseSockets: nodeDgram });
    case "node-crypto":
      return new OwnEnd({ chooseAead: nodeCrypto });
    case "fastest":
      return new OwnEnd({});
    default:
      throw new Error(`no stack ${JSON.stringify(name)}`);
  }
}

/** What this process has computed for so far, in ms. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function obey(end: End, command: string, text: string): Promise<string> {
  switch (command) {
    case "offer":
      return await end.offer();
    case "answer":
      return await end.answer(text);
    case "accept":
      await end.accept(text);
      return "";
    case "send":
      return String(await end.send(Number(text)));
    case "cpu":
      return String(cpuTime());
    default:
      throw new Error(`no command ${JSON.stringify(command)}`);
  }
}

async function main(): Promise<void> {
  const end = createEnd(Deno.args[0]);
  let rest = "";
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [command = "", text = ""] = JSON.parse(line) as string[];
      console.log(JSON.stringify(await obey(end, command, text)));
    }
  }
  Deno.exit(0);
}

await main();
