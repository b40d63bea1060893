/** Opening channels, and what goes over them. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { channelBufferLength, type DataChannel } from "../../src/datachannel/data_channel.ts";
import { writeDataChannelAck, writeDataChannelOpen } from "../../src/datachannel/dcep.ts";
import { deprecatedPpids, ppids } from "../../src/datachannel/ppid.ts";
import {
  bytesOf,
  ChannelLog,
  ChannelPair,
  createEnd,
  linesOf,
  openLogged,
} from "./channel_pair.ts";

const ack = { streamId: 0, ppid: ppids.dcep, bytes: writeDataChannelAck() };

Deno.test("an opened channel comes with its label and protocol, and is acknowledged", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open({ label: "nas:22 é", protocol: "x/1" });
  deepEqual([z.id, z.label, z.protocol], [a.id, "nas:22 é", "x/1"]);
  deepEqual(pair.z.association.sent.map(({ bytes }) => bytes.toHex()), ["02"]);
});

Deno.test("the DTLS client takes even ids, the server odd ones", () => {
  const pair = new ChannelPair();
  const ids = (end: ChannelPair["a"]) => [1, 2, 3].map(() => openLogged(end).id);
  deepEqual(ids(pair.a), [0, 2, 4]);
  deepEqual(ids(pair.z), [1, 3, 5]);
  pair.settle();
  deepEqual(pair.a.accepted.map(({ id }) => id), [1, 3, 5]);
  deepEqual(pair.z.accepted.map(({ id }) => id), [0, 2, 4]);
});

Deno.test("data follows the open at once, and may come before the acknowledgement", () => {
  const pair = new ChannelPair({}, (channel) => {
    channel.handler = new ChannelLog();
    channel.sendText("early", 0);
  });
  const a = openLogged(pair.a);
  a.sendText("at once", 0);
  pair.settle();
  deepEqual(linesOf(pair.z.accepted[0]), ["text at once"]);
  deepEqual(linesOf(a), ["text early"]);
});

Deno.test("texts and bytes come whole, empty ones too", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open();
  a.sendText("é€😀", 0);
  a.sendText("", 0);
  a.sendBinary(Uint8Array.of(0, 1, 255), 0);
  a.sendBinary(new Uint8Array(0), 0);
  pair.settle();
  deepEqual(linesOf(z), ["text é€😀", "text ", "binary 0001ff", "binary "]);
  const sent = pair.a.association.sent.slice(1).map(({ ppid, bytes }) =>
    `${ppid} ${bytes.toHex()}`
  );
  deepEqual(sent, ["51 c3a9e282acf09f9880", "56 00", "53 0001ff", "57 00"]);
});

Deno.test("a run of bytes comes as binary messages, each no longer than the peer takes", () => {
  const pair = new ChannelPair({ peerMaxMessageLength: 700 });
  const { a, z } = pair.open();
  a.sendRun(new Uint8Array(2_000).map((_, at) => at), 10, 1_900);
  pair.settle();
  deepEqual(linesOf(z).map((line) => line.length - "binary ".length), [1_400, 1_400, 980]);
  const received = linesOf(z).map((line) => line.slice("binary ".length)).join("");
  equal(received, new Uint8Array(2_000).map((_, at) => at).subarray(10, 1_900).toHex());
});

Deno.test("no run is sent where messages may be lost or change places, nor after the end", () => {
  for (const options of [{ isOrdered: false }, { maxRetransmissions: 3 }, { lifetime: 50 }]) {
    const { a } = new ChannelPair().open(options);
    throws(() => a.sendRun(new Uint8Array(10), 0, 10), /not reliable and in order/);
  }
  const pair = new ChannelPair();
  const { a } = pair.open();
  a.close(0);
  const sentCount = pair.a.association.sent.length;
  a.sendRun(new Uint8Array(10), 0, 10);
  equal(pair.a.association.sent.length, sentCount);
});

Deno.test("what stands for an empty message is ignored, whatever it is", () => {
  const end = createEnd("client");
  const channel = openLogged(end);
  end.association.receive({ streamId: 0, ppid: ppids.emptyBinary, bytes: bytesOf("ignored") });
  end.association.receive({ streamId: 0, ppid: ppids.emptyString, bytes: bytesOf("ignored") });
  deepEqual(linesOf(channel), ["binary ", "text "]);
});

Deno.test("messages of an unordered channel are ordered until the peer has spoken", () => {
  for (const spoken of [ack, { ...ack, ppid: ppids.binary }]) {
    const end = createEnd("client");
    const channel = openLogged(end, { isOrdered: false, maxRetransmissions: 0 });
    channel.sendText("before", 0);
    end.association.receive(spoken);
    channel.sendText("after", 0);
    const lost = { maxRetransmissions: 0, lifetime: 200 };
    deepEqual(end.association.sent.map(({ options }) => options), [
      undefined,
      { isUnordered: false, ...lost },
      { isUnordered: true, ...lost },
    ]);
  }
});

Deno.test("the peer's channel is answered as it asks, its acknowledgement reliably and in order", () => {
  const end = createEnd("server", {}, (channel) => channel.sendText("x", 0));
  const open = { label: "", protocol: "", isOrdered: false, lifetime: 50, priority: 256 };
  end.association.receive({ ...ack, bytes: writeDataChannelOpen(open) });
  deepEqual(end.association.sent.map(({ options }) => options), [
    undefined,
    { isUnordered: true, maxRetransmissions: undefined, lifetime: 50 },
  ]);
});

Deno.test("a reliable and ordered channel asks for nothing", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open();
  a.sendText("x", 0);
  z.sendText("y", 0);
  const { a: { association: one }, z: { association: other } } = pair;
  ok([...one.sent, ...other.sent].every(({ options }) => options === undefined));
});

Deno.test("an open that is never answered holds nobody up", () => {
  const pair = new ChannelPair();
  const stuck = openLogged(pair.a);
  // Its stream does not move; all others do.
  const skipped = [...pair.a.association.steps()].length;
  const others = [1, 2, 3].map(() => openLogged(pair.a));
  for (const one of others) one.sendText("moves", 0);
  for (let turn = 0; turn < 20; turn++) {
    for (const step of [...pair.a.association.steps()].slice(skipped)) step();
    for (const step of pair.z.association.steps()) step();
  }
  deepEqual(pair.z.accepted.map(linesOf), [["text moves"], ["text moves"], ["text moves"]]);
  stuck.sendText("later", 0);
  pair.settle();
  deepEqual(linesOf(pair.z.accepted[3]), ["text later"]);
});

Deno.test("a text that is not UTF-8 closes the channel, and no other", () => {
  const pair = new ChannelPair();
  const one = pair.open();
  const other = pair.open();
  pair.a.association.receive({
    streamId: one.a.id,
    ppid: ppids.string,
    bytes: Uint8Array.of(0xc3),
  });
  deepEqual(linesOf(one.a), ["closed"]);
  pair.settle();
  deepEqual(linesOf(one.z), ["closed"]);
  other.z.sendText("fine", 0);
  pair.settle();
  deepEqual(linesOf(other.a), ["text fine"]);
});

Deno.test("a message of an unsupported kind closes the channel", () => {
  const { binaryPartial, stringPartial } = deprecatedPpids;
  for (const ppid of [binaryPartial, stringPartial, 0, 49, 55, 58, 0xffff_ffff]) {
    const end = createEnd("client");
    const channel = openLogged(end);
    end.association.receive({ streamId: 0, ppid, bytes: bytesOf("x") });
    end.association.receive({ streamId: 0, ppid: ppids.string, bytes: bytesOf("too late") });
    deepEqual(linesOf(channel), ["closed"], `${ppid}`);
    deepEqual(end.association.resets, [0]);
    equal(end.channels.droppedMessageCount, 1);
  }
});

Deno.test("no message is longer than the peer takes", () => {
  const end = createEnd("client", { peerMaxMessageLength: 10 });
  const channel = openLogged(end);
  equal(channel.maxMessageLength, 10);
  channel.sendBinary(new Uint8Array(10), 0);
  throws(() => channel.sendBinary(new Uint8Array(11), 0), /11 bytes: the peer takes 10/);
  throws(() => channel.sendText("é".repeat(6), 0), RangeError);
  const unlimited = openLogged(createEnd("client", { peerMaxMessageLength: 0 }));
  unlimited.sendBinary(new Uint8Array(1_000_000), 0);
});

/** A message that fills what is left of the buffer but `rest`. */
function fill(channel: DataChannel, rest = 0): void {
  channel.sendBinary(new Uint8Array(channel.sendableLength - rest), 0);
}

Deno.test("a full channel is writable again once half is sent, and says so once", () => {
  const pair = new ChannelPair();
  const { a } = pair.open();
  equal(a.sendableLength, channelBufferLength);
  const quarter = channelBufferLength / 4;
  for (let count = 0; count < 4; count++) a.sendBinary(new Uint8Array(quarter), 0);
  deepEqual([a.sendableLength, a.bufferedAmount], [0, channelBufferLength]);
  const [send] = pair.a.association.steps();
  send?.();
  deepEqual([a.sendableLength, linesOf(a)], [quarter, []]);
  send?.();
  deepEqual([a.sendableLength, linesOf(a)], [2 * quarter, ["writable"]]);
  pair.settle();
  fill(a, 1);
  pair.settle();
  deepEqual(linesOf(a), ["writable"]);
});

Deno.test("a full channel that was closed says nothing when it empties", () => {
  const pair = new ChannelPair();
  const { a } = pair.open();
  fill(a);
  a.close(0);
  deepEqual([a.sendableLength, a.bufferedAmount], [0, 0]);
  pair.settle();
  deepEqual(linesOf(a), []);
});

Deno.test("a channel that was not full says nothing when it empties", () => {
  const pair = new ChannelPair();
  const { a } = pair.open();
  fill(a, 1);
  pair.settle();
  deepEqual(linesOf(a), []);
  fill(a);
  a.sendText("beyond", 0);
  equal(a.sendableLength, 0);
  pair.settle();
  deepEqual(linesOf(a), ["writable"]);
});

Deno.test("a channel that is filled whenever it is writable is told each time", () => {
  const pair = new ChannelPair();
  const { a } = pair.open();
  let count = 0;
  const log = new ChannelLog();
  log.handleWritable = () => {
    count++;
    while (count < 50 && a.sendableLength > 0) a.sendBinary(new Uint8Array(16_384), 0);
  };
  a.handler = log;
  fill(a);
  pair.settle();
  equal(count, 50);
});

Deno.test("the association's end closes every channel, once, and nothing waits any more", () => {
  const pair = new ChannelPair();
  const opened = pair.open();
  const full = pair.open();
  const closing = pair.open();
  closing.a.close(0);
  fill(full.a);
  const unanswered = openLogged(pair.a);
  pair.a.channels.handleAssociationClosed();
  pair.a.channels.handleAssociationClosed();
  deepEqual([opened.a, full.a, unanswered, closing.a].map(linesOf), [["closed"], ["closed"], [
    "closed",
  ], []]);
  deepEqual([full.a.sendableLength, full.a.bufferedAmount, full.a.isClosed], [0, 0, true]);
  deepEqual([pair.a.channels.channelCount, pair.a.channels.usedIdCount], [0, 0]);
  throws(() => openLogged(pair.a), /the association has ended/);
  const { sent, resets } = pair.a.association;
  const before = [sent.length, resets.length];
  opened.a.sendText("too late", 0);
  opened.a.close(0);
  pair.settle();
  deepEqual([sent.length, resets.length], before);
  deepEqual(linesOf(opened.a), ["closed"]);
});

Deno.test("a handler that ends the association when it is told of a close is told once", () => {
  const end = createEnd("client");
  const log = new ChannelLog();
  const other = openLogged(end);
  log.handleClosed = () => {
    log.lines.push("closed");
    end.channels.handleAssociationClosed();
  };
  const channel = openLogged(end);
  channel.handler = log;
  end.channels.handleIncomingReset([channel.id], 0);
  deepEqual([channel, other].map(linesOf), [["closed"], ["closed"]]);
  deepEqual([end.released, end.channels.channelCount], [[], 0]);
});

Deno.test("a handler that closes other channels at the association's end harms nobody", () => {
  const end = createEnd("client");
  const channels = [1, 2, 3].map(() => openLogged(end));
  const log = new ChannelLog();
  log.handleClosed = () => {
    for (const channel of channels) channel.close(0);
  };
  if (channels[0] !== undefined) channels[0].handler = log;
  end.channels.handleAssociationClosed();
  deepEqual(end.association.resets, []);
});
