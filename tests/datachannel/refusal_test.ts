/** Peers that open what they must not, or send what nobody asked for. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { writeDataChannelOpen } from "../../src/datachannel/dcep.ts";
import { ppids } from "../../src/datachannel/ppid.ts";
import {
  bytesOf,
  type ChannelEnd,
  ChannelPair,
  createEnd,
  linesOf,
  openLogged,
} from "./channel_pair.ts";
import { tryMessages } from "./mutation.ts";

const open = writeDataChannelOpen({ label: "x", protocol: "", isOrdered: true, priority: 256 });

function receiveOpen({ association }: ChannelEnd, streamId: number, bytes = open): void {
  association.receive({ streamId, ppid: ppids.dcep, bytes });
}

function receiveText({ association }: ChannelEnd, streamId: number): void {
  association.receive({ streamId, ppid: ppids.string, bytes: bytesOf("data") });
}

/** Refused: no acknowledgement, nobody told, the stream reset once. */
function wasRefused({ association, accepted }: ChannelEnd, streamId: number): void {
  deepEqual([association.sent, accepted], [[], []]);
  deepEqual(association.resets, [streamId]);
}

Deno.test("an open on an id of ours is refused", () => {
  const end = createEnd("client");
  receiveOpen(end, 4);
  receiveText(end, 4);
  wasRefused(end, 4);
  const server = createEnd("server");
  receiveOpen(server, 3);
  wasRefused(server, 3);
});

Deno.test("a malformed open is refused", () => {
  for (const bytes of [open.slice(0, 5), open.with(1, 3), Uint8Array.of(...open, 0)]) {
    const end = createEnd("client");
    receiveOpen(end, 1, bytes);
    wasRefused(end, 1);
  }
});

Deno.test("data on a stream without a channel is dropped, and the stream reset", () => {
  for (const streamId of [1, 2]) {
    const end = createEnd("client");
    for (let count = 0; count < 5; count++) receiveText(end, streamId);
    wasRefused(end, streamId);
    deepEqual([end.channels.droppedMessageCount, end.channels.refusalCount], [5, 1]);
  }
});

Deno.test("a refused stream can be opened once both directions are reset", () => {
  const end = createEnd("client");
  receiveText(end, 1);
  receiveOpen(end, 1);
  equal(end.accepted.length, 0);
  end.channels.handleOutgoingReset([1], 0);
  receiveOpen(end, 1);
  equal(end.accepted.length, 0);
  end.channels.handleIncomingReset([1], 0);
  equal(end.channels.usedIdCount, 0);
  receiveOpen(end, 1);
  receiveText(end, 1);
  deepEqual(end.accepted.map(linesOf), [["text data"]]);
});

Deno.test("the opener of a refused channel finds it closed", () => {
  const pair = new ChannelPair({ maxChannelCount: 1 });
  pair.open();
  const { association, channels } = createEnd("client", { maxChannelCount: 2 });
  // A second A, which allows itself more than Z does.
  association.peer = pair.z.association;
  pair.z.association.peer = association;
  const refused = openLogged({ association, channels, accepted: [], released: [] });
  equal(refused.id, 0);
  const second = openLogged({ association, channels, accepted: [], released: [] });
  second.sendText("never heard", 0);
  [...association.steps()].slice(1).forEach((step) => step());
  for (let count = 0; count < 10; count++) {
    [...association.steps()].slice(1).forEach((step) => step());
    [...pair.z.association.steps()].forEach((step) => step());
  }
  deepEqual(linesOf(second), ["closed"]);
  equal(pair.z.accepted.length, 1);
  equal(pair.z.channels.usedIdCount, 1);
});

Deno.test("an open on a stream in use closes the channel that is there", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open();
  receiveOpen(pair.z, z.id);
  deepEqual(linesOf(z), ["closed"]);
  pair.settle();
  deepEqual(linesOf(a), ["closed"]);
  deepEqual([pair.z.accepted.length, pair.z.channels.usedIdCount], [1, 0]);
});

Deno.test("an open on a channel of ours closes that one only", () => {
  const end = createEnd("client");
  const [one, other] = [openLogged(end), openLogged(end)];
  receiveOpen(end, 0);
  deepEqual([one, other].map(linesOf), [["closed"], []]);
});

Deno.test("streams that do not exist are left alone", () => {
  const end = createEnd("client");
  for (const streamId of [65_535, 70_001]) {
    receiveOpen(end, streamId);
    receiveText(end, streamId);
  }
  wasLeftAlone(end);
  const small = createEnd("client", { streamCount: 4 });
  receiveOpen(small, 5);
  wasLeftAlone(small);
  receiveOpen(small, 3);
  equal(small.accepted.length, 1);
});

function wasLeftAlone({ association, accepted, channels }: ChannelEnd): void {
  deepEqual([association.sent, association.resets, accepted], [[], [], []]);
  equal(channels.usedIdCount, 0);
}

Deno.test("other messages of the establishment protocol are dropped", () => {
  const end = createEnd("client");
  const channel = openLogged(end);
  for (const streamId of [0, 1]) {
    for (const bytes of [Uint8Array.of(0), Uint8Array.of(4, 1), Uint8Array.of(2, 2)]) {
      receiveOpen(end, streamId, bytes);
    }
  }
  receiveOpen(end, 1, Uint8Array.of(2));
  deepEqual([end.channels.droppedMessageCount, end.association.resets], [7, []]);
  deepEqual([linesOf(channel), channel.isClosed], [[], false]);
});

Deno.test("a peer that opens without end gets so many channels, and its refusals are bounded", () => {
  const end = createEnd("client", { maxChannelCount: 10 });
  for (let id = 1; id < 65_535; id += 2) receiveOpen(end, id);
  deepEqual([end.accepted.length, end.channels.channelCount], [10, 10]);
  equal(end.channels.usedIdCount, 10 + 1_024);
  equal(end.association.resets.length, 1_024);
  // It goes on once the peer answers.
  end.channels.handleOutgoingReset(end.association.resets, 0);
  end.channels.handleIncomingReset(end.association.resets, 0);
  equal(end.channels.usedIdCount, 10);
  receiveOpen(end, 65_533);
  equal(end.association.resets.length, 1_025);
});

Deno.test("a peer that opens again what it must not while its last use ends is refused again", () => {
  const end = createEnd("client");
  const mine = openLogged(end);
  mine.close(0);
  end.channels.handleIncomingReset([0], 0);
  receiveOpen(end, 0);
  receiveText(end, 0);
  deepEqual([end.association.resets, end.released], [[0], [0]]);
  end.association.performReset(0);
  deepEqual(end.association.resets, [0, 0]);
  end.association.performReset(0);
  equal(end.channels.usedIdCount, 1);
  end.channels.handleIncomingReset([0], 0);
  equal(end.channels.usedIdCount, 0);
});

Deno.test("data between the resets of two uses is refused, too", () => {
  const end = createEnd("client");
  receiveOpen(end, 1);
  end.channels.handleIncomingReset([1], 0);
  receiveText(end, 1);
  end.association.performReset(1);
  end.association.performReset(1);
  deepEqual([end.association.resets, end.channels.usedIdCount], [[1, 1], 1]);
  end.channels.handleIncomingReset([1], 0);
  deepEqual([end.released, end.channels.usedIdCount], [[1], 0]);
});

Deno.test("an association that is ended within a call stays ended", () => {
  const released = createEnd("client");
  const { association, channels } = released;
  receiveOpen(released, 1);
  let channelCount = 0;
  const ending = createEnd("client", {
    handler: {
      handleChannel: () => void channelCount++,
      handleReleased: () => ending.channels.handleAssociationClosed(),
    },
  });
  receiveOpen(ending, 1);
  ending.channels.handleIncomingReset([1], 0);
  receiveOpen(ending, 1);
  deepEqual([channelCount, ending.channels.usedIdCount], [1, 0]);
  channels.handleAssociationClosed();
  const before = association.sent.length;
  receiveOpen(released, 3);
  receiveText(released, 5);
  ok(association.sent.length === before && association.resets.length === 0);
  equal(channels.usedIdCount, 0);
});

Deno.test("an end outlives 200,000 changed messages", () => tryMessages(200_000, 1));
