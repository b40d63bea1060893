/** What tests with another implementation's link play on: the implementations, and links to them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { SessionDescription } from "../../src/link/session_description.ts";
import type { WebRtcLinkFactory } from "../../src/link/webrtc_link.ts";
import { PastedTextReader, writePastedText } from "../../src/signaling/pasted_text.ts";
import { within } from "../netns/within.ts";
import { Chromium } from "../peers/chromium/chromium.ts";
import { isInstalled, PeerProcess } from "../peers/peer_process.ts";
import { type Interlocutor, WebRtcPeer } from "../peers/webrtc_peer.ts";
import type { ChannelLog } from "./channel_log.ts";
import { createFactory, LinkLog } from "./link_stage.ts";

const payload = randomBytes(10_000_000);
/** What the channel is called. */
export const names = { label: "nas:22", protocol: "aetherport-tcp/1" } as const;

/** An implementation, as a program. */
export interface Implementation {
  readonly name: string;
  readonly program: string;
  /** That say whether it is there. */
  readonly probe: readonly string[];
  readonly start: () => Interlocutor | Promise<Interlocutor>;
}

function inPeers(path: string): string {
  return fileURLToPath(new URL(`../peers/${path}`, import.meta.url));
}

function fromProgram(name: string, program: string, args: readonly string[]): Implementation {
  const start = () => new PeerProcess(program, args);
  return { name, program, probe: [...args, "--version"], start };
}

/** Those that are programs. */
export const implementations: readonly Implementation[] = [
  fromProgram("libdatachannel", Deno.execPath(), [
    ...["run", "--no-config", "--no-lock", "--allow-all"],
    inPeers("libdatachannel/main.ts"),
  ]),
  fromProgram("pion", inPeers("bin/pion_webrtc"), []),
  fromProgram("aiortc", inPeers("bin/aiortc/bin/python"), [inPeers("aiortc/main.py")]),
  { name: "Chromium", program: "chromium", probe: ["--version"], start: () => Chromium.start() },
];

/** What is in a pasted text, read as the protocol's description has it. */
function sdpIn(pastedText: string): string {
  const [, , , , body = ""] = pastedText.replaceAll(/\s/g, "").split(":");
  return inflateRawSync(Buffer.from(body, "base64")).toString();
}

/** Our description, as the peer gets it. */
function carryOurs(description: SessionDescription): string {
  return sdpIn(writePastedText(description));
}

/** The peer's description, as we get it. */
function carryTheirs(type: "offer" | "answer", sdp: string): SessionDescription {
  const body = deflateRawSync(sdp).toString("base64").replace(/=+$/, "");
  const check = createHash("sha256").update(body).digest("hex").slice(0, 8);
  const frame = `aetherport-${type}:1:${body.length}:${check}:${body}:aetherport-end\n`;
  const [item] = new PastedTextReader().push(frame);
  if (item?.kind !== "description") throw new Error(`${item?.problem}: ${sdp}`);
  return item.description;
}

/** What becomes of the descriptions on their way. */
export interface Carriage {
  readonly ours?: (description: SessionDescription) => SessionDescription;
  readonly theirs?: (description: SessionDescription) => SessionDescription;
}

const unchanged = (description: SessionDescription) => description;

/** Who may offer. */
export const offerers = ["us", "them"] as const;

/** Who offers. */
export type Offerer = typeof offerers[number];

/** What a link is made with. */
export interface LinkStageOptions extends Carriage {
  readonly offerer: Offerer;
  /** Ours; one that asks no server by default. */
  readonly factory?: WebRtcLinkFactory;
}

/** A peer, and a link to it. */
export interface LinkStage {
  readonly peer: WebRtcPeer;
  readonly log: LinkLog;
}

/** Whether an implementation can be tried. Says so, loudly, where it cannot. */
export function hasImplementation({ name, program, probe }: Implementation): Promise<boolean> {
  return isInstalled(program, probe, `a link with ${name}`);
}

/** A test's name begins with it. */
export function describeRole({ name }: Implementation, offerer: Offerer): string {
  return offerer === "us" ? `${name} answers our offer` : `we answer ${name}'s offer`;
}

/** Who offers, and how a link begins then. */
const joins = {
  us: async (
    peer: WebRtcPeer,
    factory: WebRtcLinkFactory,
    { ours = unchanged, theirs = unchanged }: Carriage,
  ) => {
    const offer = await factory.createOffer();
    const answer = await peer.answer(carryOurs(ours(offer.description)));
    return new LinkLog(offer.accept(theirs(carryTheirs("answer", answer))));
  },
  them: async (
    peer: WebRtcPeer,
    factory: WebRtcLinkFactory,
    { ours = unchanged, theirs = unchanged }: Carriage,
  ) => {
    const offer = theirs(carryTheirs("offer", await peer.offer(names)));
    const { answer, link } = await factory.acceptOffer(offer);
    const log = new LinkLog(link);
    await peer.accept(carryOurs(ours(answer)));
    return log;
  },
} as const;

/** Runs a test with a peer, and a link to it that begins to connect. */
export async function withLink(
  { start }: Implementation,
  { offerer, factory = createFactory(), ...carriage }: LinkStageOptions,
  use: (stage: LinkStage) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const peer = new WebRtcPeer(await start());
  stack.defer(() => peer.stop());
  const log = await within("an offer and an answer", joins[offerer](peer, factory, carriage));
  stack.defer(() => log.link.close("the test is over"));
  await use({ peer, log });
}

/** Opens a channel, or takes the peer's, and has 10 MB sent back through it. */
export async function assertCarries({ peer, log }: LinkStage, offerer: Offerer): Promise<void> {
  const channel = await within("a channel", channelOf(log, offerer));
  assert.equal(channel.channel.label, names.label);
  assert.deepEqual(await within("the peer's channel", peer.opened()), names);
  await within("10 MB each way", assertEchoed(log, channel));
}

/** The channel that was opened by whoever offered. */
async function channelOf(log: LinkLog, offerer: Offerer): Promise<ChannelLog> {
  const { promise: channel, resolve } = Promise.withResolvers<ChannelLog>();
  log.onChannel = resolve;
  // The peer may be quicker to open it than to say that it has taken our answer.
  const [early] = log.channels;
  if (early !== undefined) resolve(early);
  const failed = log.closed.then((reason) => Promise.reject(new Error(reason)));
  failed.catch(() => {});
  await Promise.race([log.up, failed]);
  return offerer === "us" ? log.open(names.label) : await Promise.race([channel, failed]);
}

/** Sends the payload, and has it sent back at the same time. */
async function assertEchoed(log: LinkLog, channel: ChannelLog): Promise<void> {
  const { promise: echoed, resolve } = Promise.withResolvers<void>();
  channel.onBinary = () => {
    if (channel.receivedLength >= payload.length) channel.channel.sendText("grüße 👋");
  };
  channel.onText = () => resolve();
  channel.sendAll(payload);
  const failed = log.closed.then((reason) => Promise.reject(new Error(reason)));
  await Promise.race([echoed, failed]);
  failed.catch(() => {});
  assert.deepEqual(channel.texts, ["grüße 👋"]);
  assert.ok(payload.equals(channel.received()), "what came back is what was sent");
}
