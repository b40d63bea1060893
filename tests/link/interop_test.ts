/**
 * Links whose other end is all another implementation's: its ICE, DTLS, SCTP and data channels, joined
 * by pasted texts.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { SessionDescription } from "../../src/link/session_description.ts";
import { PastedTextReader, writePastedText } from "../../src/signaling/pasted_text.ts";
import { Chromium } from "../peers/chromium/chromium.ts";
import { isInstalled, PeerProcess } from "../peers/peer_process.ts";
import { type Interlocutor, WebRtcPeer } from "../peers/webrtc_peer.ts";
import type { ChannelLog } from "./channel_log.ts";
import { createFactory, LinkLog, nothingLeft } from "./link_stage.ts";

const payload = randomBytes(10_000_000);
const names = { label: "nas:22", protocol: "aetherport-tcp/1" } as const;
const strangerFingerprint = Array(32).fill("00").join(":");

/** An implementation, as a program. */
interface Implementation {
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

const implementations: readonly Implementation[] = [
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
interface Carriage {
  readonly ours?: (description: SessionDescription) => SessionDescription;
  readonly theirs?: (description: SessionDescription) => SessionDescription;
}

const unchanged = (description: SessionDescription) => description;
const misnamed = (description: SessionDescription) => ({
  ...description,
  fingerprint: strangerFingerprint,
});

/** Who offers, and how a link begins then. */
const joins = {
  us: async (peer: WebRtcPeer, { ours = unchanged, theirs = unchanged }: Carriage) => {
    const offer = await createFactory().createOffer();
    const answer = await peer.answer(carryOurs(ours(offer.description)));
    return new LinkLog(offer.accept(theirs(carryTheirs("answer", answer))));
  },
  them: async (peer: WebRtcPeer, { ours = unchanged, theirs = unchanged }: Carriage) => {
    const offer = theirs(carryTheirs("offer", await peer.offer(names)));
    const { answer, link } = await createFactory().acceptOffer(offer);
    const log = new LinkLog(link);
    await peer.accept(carryOurs(ours(answer)));
    return log;
  },
} as const;

/** Runs a test with a peer, and a link to it that begins to connect. */
async function withLink(
  { start }: Implementation,
  offerer: keyof typeof joins,
  carriage: Carriage,
  use: (stage: { readonly peer: WebRtcPeer; readonly log: LinkLog }) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const peer = new WebRtcPeer(await start());
  stack.defer(() => peer.stop());
  const log = await joins[offerer](peer, carriage);
  stack.defer(() => log.link.close("the test is over"));
  await use({ peer, log });
}

/** The channel that was opened by whoever offered. */
async function channelOf(log: LinkLog, offerer: keyof typeof joins): Promise<ChannelLog> {
  const { promise: channel, resolve } = Promise.withResolvers<ChannelLog>();
  log.onChannel = resolve;
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

for (const implementation of implementations) {
  const { name, program, probe } = implementation;
  const subject = `a link with ${name}`;
  const options = { ...nothingLeft, ignore: !(await isInstalled(program, probe, subject)) };
  for (const offerer of ["us", "them"] as const) {
    const role = offerer === "us" ? `${name} answers our offer` : `we answer ${name}'s offer`;

    Deno.test(
      `${role}, and 10 MB go each way`,
      options,
      () =>
        withLink(implementation, offerer, {}, async ({ peer, log }) => {
          const channel = await channelOf(log, offerer);
          assert.equal(channel.channel.label, names.label);
          assert.deepEqual(await peer.opened(), names);
          await assertEchoed(log, channel);
        }),
    );

    Deno.test(
      `${role}, and we refuse a certificate that its text does not name`,
      options,
      () =>
        withLink(implementation, offerer, { theirs: misnamed }, async ({ peer, log }) => {
          const reason = await log.closed;
          assert.equal(reason, "the other end's certificate is not the one its text names");
          assert.equal(log.path, undefined);
          assert.ok(!peer.hasOpened);
        }),
    );

    Deno.test(
      `${role}, and it refuses a certificate that our text does not name`,
      options,
      () =>
        withLink(implementation, offerer, { ours: misnamed }, async ({ peer, log }) => {
          // Not all of them tell us.
          await Promise.any([log.closed, peer.ended()]);
          assert.equal(log.channels.length, 0);
          assert.ok(!peer.hasOpened);
        }),
    );
  }
}
