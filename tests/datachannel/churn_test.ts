/**
 * Two ends open, use and close channels at random over few ids, while streams and the answers to
 * resets overtake each other. Whatever the order, a channel hears its own peer only, and nothing is
 * left behind.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { DataChannel } from "../../src/datachannel/data_channel.ts";
import { Random } from "../sim/random.ts";
import { forSeeds } from "../sim/seeds.ts";
import { ChannelLog, ChannelPair } from "./channel_pair.ts";

/** One end of a channel, and what it knows of its peer's. */
class Tracked extends ChannelLog {
  readonly channel: DataChannel;
  sentCount = 0;
  receivedCount = 0;
  isClosedHere = false;
  closedCount = 0;

  constructor(channel: DataChannel) {
    super();
    this.channel = channel;
    channel.handler = this;
  }

  override handleText(text: string): void {
    equal(text, `${this.channel.label} ${this.receivedCount++}`);
    ok(!this.channel.isClosed, "a message after the end");
  }

  override handleClosed(): void {
    this.closedCount++;
    ok(this.closedCount === 1 && !this.isClosedHere, "closed twice");
  }

  send(): void {
    if (this.channel.isClosed) return;
    this.channel.sendText(`${this.channel.label} ${this.sentCount++}`, 0);
  }

  close(): void {
    if (!this.channel.isClosed) this.isClosedHere = true;
    this.channel.close(0);
  }
}

/** Both ends' channels by label. */
type Registry = Map<string, Tracked[]>;

function register(registry: Registry, channel: DataChannel): void {
  const ends = registry.get(channel.label);
  if (ends === undefined) registry.set(channel.label, [new Tracked(channel)]);
  else ends.push(new Tracked(channel));
}

function tryToOpen(pair: ChannelPair, registry: Registry, random: Random): void {
  const { channels } = random.pick([pair.a, pair.z]);
  try {
    register(registry, channels.open({ label: `channel ${registry.size}`, protocol: "" }, 0));
  } catch (error) {
    ok(error instanceof Error && /none is free/.test(error.message));
  }
}

function act(pair: ChannelPair, registry: Registry, random: Random): void {
  const ends = [...registry.values()].slice(-12).flat();
  const one = ends[random.below(Math.max(1, ends.length))];
  const steps = pair.steps();
  const choice = random.below(16);
  if (choice === 0) tryToOpen(pair, registry, random);
  else if (choice < 4) one?.send();
  else if (choice === 4) one?.close();
  else steps[random.below(Math.max(1, steps.length))]?.();
}

function checkEnd(pair: ChannelPair, registry: Registry): void {
  const open = [...registry.values()].filter((ends) =>
    ends.some(({ channel }) => !channel.isClosed)
  );
  for (const { channels } of [pair.a, pair.z]) {
    deepEqual([channels.channelCount, channels.usedIdCount], [open.length, open.length]);
  }
  for (const [one, other] of registry.values()) {
    if (one === undefined || other === undefined) {
      // It was refused, as the other end had no room.
      ok(one?.closedCount === 1 || one?.isClosedHere);
      continue;
    }
    equal(one.channel.isClosed, other.channel.isClosed);
    for (const [sender, receiver] of [[one, other], [other, one]] as const) {
      if (!receiver.isClosedHere) equal(receiver.receivedCount, sender.sentCount);
    }
  }
}

for (const [streamCount, maxChannelCount] of [[2, 2], [4, 3], [8, 100]] as const) {
  Deno.test(`churn over ${streamCount} ids, at most ${maxChannelCount} at once, leaves nothing`, () => {
    forSeeds(100, (seed) => {
      const random = new Random(seed);
      const registry: Registry = new Map();
      const config = { streamCount, maxChannelCount };
      const pair = new ChannelPair(config, (channel) => register(registry, channel));
      for (let turn = 0; turn < 1_000; turn++) act(pair, registry, random);
      pair.settle();
      checkEnd(pair, registry);
      for (const ends of registry.values()) for (const end of ends) end.close();
      pair.settle();
      checkEnd(pair, registry);
      ok(registry.size > 8, `${registry.size} channels`);
    });
  });
}
