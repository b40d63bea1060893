/** Links whose other end is all werift's: its ICE, DTLS, SCTP and data channels. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { RTCDataChannel } from "werift";
import {
  parseSessionDescription,
  writeSessionDescription,
} from "../../src/link/session_description.ts";
import { WeriftPeer } from "../fakes/werift_peer.ts";
import type { ChannelLog } from "./channel_log.ts";
import { createFactory, LinkLog } from "./link_stage.ts";

const payload = randomBytes(10_000_000);
const pieceLength = 50_000;

/** Sends the payload from werift and has it sent back; what came back, and a text. */
async function echoThroughUs(channel: RTCDataChannel): Promise<{ bytes: Buffer; text: string }> {
  const pieces: Buffer[] = [];
  const text = new Promise<string>((resolve) =>
    channel.onMessage.subscribe((message) => {
      if (typeof message === "string") resolve(message);
      else pieces.push(message);
    })
  );
  for (let at = 0; at < payload.length; at += pieceLength) {
    channel.send(payload.subarray(at, at + pieceLength));
  }
  channel.send("grüße 👋");
  return { text: await text, bytes: Buffer.concat(pieces) };
}

/** Sends back what comes. */
function echo(log: ChannelLog): void {
  log.onBinary = (bytes) => log.channel.sendBinary(bytes, 0, bytes.length);
  log.onText = (text) => log.channel.sendText(text);
}

async function opened(channel: RTCDataChannel): Promise<RTCDataChannel> {
  if (channel.readyState !== "open") {
    await channel.stateChanged.watch((state) => state === "open");
  }
  return channel;
}

async function assertEchoed(channel: RTCDataChannel): Promise<void> {
  const { bytes, text } = await echoThroughUs(channel);
  assert.equal(text, "grüße 👋");
  assert.ok(payload.equals(bytes), "what came back is what was sent");
}

/**
 * werift throws at chunks that it does not know, where RFC 9260, section 3.2, has it skip them: what
 * probes the path is lost to it, as on a path that takes no longer packets.
 */
function tolerateUnknownChunks(): Disposable {
  const take = (event: PromiseRejectionEvent) => {
    if (event.reason instanceof Error && event.reason.message === "unknown") event.preventDefault();
  };
  globalThis.addEventListener("unhandledrejection", take);
  return {
    [Symbol.dispose]: () => globalThis.removeEventListener("unhandledrejection", take),
  };
}

// werift leaves timers of its own behind.
const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test("werift answers our offer, with a certificate of ours", options, async () => {
  using _ = tolerateUnknownChunks();
  const peer = new WeriftPeer();
  const offer = await createFactory().createOffer();
  const { sdp, channel } = await peer.answer(writeSessionDescription(offer.description));
  const log = new LinkLog(offer.accept(parseSessionDescription("answer", sdp)));
  await log.up;
  echo(log.open("nas:22"));
  const theirs = await channel;
  assert.deepEqual([theirs.label, theirs.protocol], ["nas:22", "aetherport-tcp/1"]);
  await assertEchoed(await opened(theirs));
  await log.link.close("done");
  await peer.close();
});

Deno.test("we answer werift's offer, and take its channel", options, async () => {
  using _ = tolerateUnknownChunks();
  const peer = new WeriftPeer();
  const { sdp, channel } = await peer.offer({ label: "nas:22", protocol: "aetherport-tcp/1" });
  const { answer, link } = await createFactory().acceptOffer(parseSessionDescription("offer", sdp));
  const log = new LinkLog(link);
  log.onChannel = echo;
  await peer.accept(writeSessionDescription(answer));
  await assertEchoed(await opened(channel));
  assert.equal(log.channels[0]?.channel.label, "nas:22");
  await log.link.close("done");
  await peer.close();
});
