/** Closing channels: resets in both directions, and ids that are used again. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { ChannelLog, ChannelPair, createEnd, linesOf, openLogged } from "./channel_pair.ts";

Deno.test("a close comes after all that was sent, and the closer is told nothing", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open();
  a.sendText("the last", 0);
  a.close(0);
  a.close(0);
  a.sendText("not sent", 0);
  pair.settle();
  deepEqual(linesOf(z), ["text the last", "closed"]);
  deepEqual(linesOf(a), []);
});

Deno.test("the peer answers a close by resetting its own stream, and the id is free at both", () => {
  const pair = new ChannelPair();
  const { a } = pair.open();
  a.close(0);
  equal(pair.a.channels.channelCount, 1);
  pair.settle();
  deepEqual([pair.a.association.resets, pair.z.association.resets], [[0], [0]]);
  deepEqual([pair.a.released, pair.z.released], [[0], [0]]);
  deepEqual([pair.a.channels.usedIdCount, pair.z.channels.usedIdCount], [0, 0]);
});

Deno.test("what the peer had sent is delivered before it learns of the close by its own reset", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open();
  z.sendText("under way", 0);
  z.sendText("as well", 0);
  a.close(0);
  pair.settle();
  // Nothing is told a channel that was closed here.
  deepEqual(linesOf(a), []);
  equal(pair.a.channels.droppedMessageCount, 2);
  equal(pair.a.channels.usedIdCount, 0);
});

Deno.test("both may close at once", () => {
  const pair = new ChannelPair();
  const { a, z } = pair.open();
  a.close(0);
  z.close(0);
  pair.settle();
  deepEqual([linesOf(a), linesOf(z)], [[], []]);
  deepEqual([pair.a.association.resets, pair.z.association.resets], [[0], [0]]);
  deepEqual([pair.a.channels.usedIdCount, pair.z.channels.usedIdCount], [0, 0]);
});

Deno.test("a channel may be closed before its open was answered, and within handleChannel", () => {
  const pair = new ChannelPair({}, (channel) => channel.close(0));
  const a = openLogged(pair.a);
  pair.settle();
  deepEqual(linesOf(a), ["closed"]);
  const other = openLogged(pair.a);
  other.close(0);
  pair.settle();
  deepEqual(linesOf(other), []);
  deepEqual([pair.a.channels.usedIdCount, pair.z.channels.usedIdCount], [0, 0]);
});

Deno.test("a reset of all streams closes all channels", () => {
  const pair = new ChannelPair();
  const channels = [pair.open(), pair.open(), pair.open()];
  pair.z.channels.handleIncomingReset(undefined, 0);
  deepEqual(channels.map(({ z }) => linesOf(z)), [["closed"], ["closed"], ["closed"]]);
  deepEqual(pair.z.association.resets, [0, 2, 4]);
});

Deno.test("resets of streams that nobody uses change nothing and are not answered", () => {
  const end = createEnd("client");
  const channel = openLogged(end);
  end.channels.handleIncomingReset([1, 2, 3, 65_535], 0);
  end.channels.handleOutgoingReset([0, 1, 2], 0);
  channel.sendText("goes on", 0);
  deepEqual(end.association.resets, []);
  deepEqual([linesOf(channel), end.channels.usedIdCount, channel.isClosed], [[], 1, false]);
});

Deno.test("an id is free only when both directions are reset, whichever is first", () => {
  for (const order of [["out", "in"], ["in", "out"]]) {
    const end = createEnd("client", { streamCount: 2 });
    openLogged(end).close(0);
    for (const direction of order) {
      throws(() => openLogged(end), /none is free, 1 of 100/);
      if (direction === "in") end.channels.handleIncomingReset([0], 0);
      else end.channels.handleOutgoingReset([0], 0);
    }
    equal(openLogged(end).id, 0);
    deepEqual(end.released, [0]);
  }
});

Deno.test("ids go round instead of being used again at once", () => {
  const pair = new ChannelPair({ streamCount: 7 });
  const ids = (end: ChannelPair["a"]) =>
    [1, 2, 3, 4, 5].map(() => {
      const channel = openLogged(end);
      channel.close(0);
      pair.settle();
      return channel.id;
    });
  deepEqual(ids(pair.a), [0, 2, 4, 6, 0]);
  deepEqual(ids(pair.z), [1, 3, 5, 1, 3]);
});

Deno.test("the ids end at 65534", () => {
  const end = createEnd("client", { maxChannelCount: 40_000 });
  for (let count = 0; count < 32_768; count++) equal(openLogged(end).id, 2 * count);
  throws(() => openLogged(end), /none is free/);
  const server = createEnd("server", { maxChannelCount: 40_000 });
  for (let count = 0; count < 32_767; count++) equal(openLogged(server).id, 2 * count + 1);
  throws(() => openLogged(server), /none is free/);
  throws(() => openLogged(createEnd("server", { streamCount: 1 })), /none is free/);
});

Deno.test("a peer that never answers closes is left with what channels there are", () => {
  const end = createEnd("client", { maxChannelCount: 3 });
  for (let count = 0; count < 3; count++) openLogged(end).close(0);
  end.channels.handleOutgoingReset([0, 2, 4], 0);
  throws(() => openLogged(end), /3 of 3 are open or closing/);
  end.channels.handleIncomingReset([2], 0);
  equal(openLogged(end).id, 6);
  throws(() => openLogged(end), /none is free/);
});

/**
 * An id that both ends have reset, and of which Z has not heard that its reset was performed: A may
 * use it again, and its open comes first.
 */
function reopened(): ChannelPair {
  const pair = new ChannelPair({ streamCount: 2, maxChannelCount: 1 });
  const { a } = pair.open();
  a.sendText("old", 0);
  a.close(0);
  // A's message, A's reset and its answer, then Z's reset.
  for (let count = 0; count < 3; count++) [...pair.a.association.steps()][0]?.();
  [...pair.z.association.steps()][0]?.();
  deepEqual([pair.a.channels.usedIdCount, pair.z.channels.usedIdCount], [0, 1]);
  const again = openLogged(pair.a, { label: "again" });
  equal(again.id, 0);
  again.sendText("new", 0);
  for (let count = 0; count < 2; count++) [...pair.a.association.steps()][0]?.();
  return pair;
}

Deno.test("an id may be used again before the answer to its last reset has come", () => {
  const pair = reopened();
  deepEqual(pair.z.accepted.map(({ label }) => label), ["nas:22", "again"]);
  deepEqual(pair.z.accepted.map(linesOf), [["text old", "closed"], ["text new"]]);
  deepEqual(pair.z.released, [0]);
  const [old, again] = pair.z.accepted;
  again?.sendText("answered", 0);
  // The user of the last use can do nothing to this one.
  old?.close(0);
  old?.sendText("by mistake", 0);
  pair.settle();
  deepEqual(linesOf(again), ["text new"]);
  deepEqual([again?.isClosed, pair.z.association.resets.length], [false, 1]);
});

Deno.test("the second use may end, too, before the answer to the first reset has come", () => {
  for (const closer of ["a", "z"] as const) {
    const pair = reopened();
    const [, again] = pair.z.accepted;
    if (closer === "z") again?.close(0);
    else pair.a.channels.handleIncomingReset(undefined, 0);
    pair.settle();
    deepEqual([pair.a.channels.usedIdCount, pair.z.channels.usedIdCount], [0, 0]);
    deepEqual(pair.z.association.resets, [0, 0]);
    deepEqual(pair.z.released, [0, 0]);
    equal(openLogged(pair.a).id, 0);
  }
});

Deno.test("a handler may open a channel when it is told of a close or a release", () => {
  const pair = new ChannelPair({ maxChannelCount: 2 });
  const { a, z } = pair.open();
  const reopen = new ChannelLog();
  reopen.handleClosed = () => openLogged(pair.z);
  z.handler = reopen;
  a.close(0);
  pair.settle();
  deepEqual(pair.a.accepted.map(({ id }) => id), [1]);
  deepEqual([pair.a.channels.channelCount, pair.z.channels.channelCount], [1, 1]);
});
