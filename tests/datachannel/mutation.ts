/** Messages of the Data Channel Establishment Protocol, spoilt. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  maxLabelLength,
  maxProtocolLength,
  parseDataChannelOpen,
  writeDataChannelAck,
  writeDataChannelOpen,
} from "../../src/datachannel/dcep.ts";
import { Random } from "../sim/random.ts";
import { bytesOf, ChannelLog, createEnd, linesOf, openLogged } from "./channel_pair.ts";

const samples: readonly [Uint8Array, ...Uint8Array[]] = [
  writeDataChannelOpen({
    label: "nas:22",
    protocol: "aetherport-tcp/1",
    isOrdered: true,
    priority: 256,
  }),
  writeDataChannelOpen({ label: "é€😀", protocol: "", isOrdered: false, lifetime: 9, priority: 0 }),
  writeDataChannelOpen({
    label: "",
    protocol: "a",
    isOrdered: false,
    maxRetransmissions: 0,
    priority: 1,
  }),
  writeDataChannelOpen({ label: "l".repeat(1_024), protocol: "", isOrdered: true, priority: 7 }),
  writeDataChannelAck(),
];

const interesting = [0, 1, 2, 3, 4, 12, 127, 128, 129, 130, 192, 237, 255] as const;

/** Spoils a message: bits, bytes, lengths, ends. */
function mutate(random: Random): Uint8Array {
  let bytes: Uint8Array = random.pick(samples).slice();
  for (let rounds = 1 + random.below(4); rounds > 0; rounds--) {
    // Most of what matters is in the header.
    const at = random.below(random.chance(0.7) ? Math.min(14, bytes.length) : bytes.length);
    switch (random.below(4)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        bytes[at] = random.pick(interesting);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      default:
        bytes = Uint8Array.of(...bytes.slice(0, at), random.below(256), ...bytes.slice(at));
    }
  }
  return bytes;
}

/** Reads spoilt opens: none throws, and what is read is what was written. */
export function tryOpens(count: number, seed: number): void {
  const random = new Random(seed);
  let readCount = 0;
  for (let done = 0; done < count; done++) {
    const bytes = mutate(random);
    const open = parseDataChannelOpen(bytes, 0, bytes.length);
    if (open === undefined) continue;
    readCount++;
    ok(bytesOf(open.label).length <= maxLabelLength);
    ok(bytesOf(open.protocol).length <= maxProtocolLength);
    const written = writeDataChannelOpen(open);
    // The parameter of a reliable channel means nothing, and is written as 0.
    if (((bytes[1] ?? 0) & 0x7f) === 0) bytes.fill(0, 4, 8);
    deepEqual(written, bytes);
  }
  ok(readCount > count / 20, `${readCount} of ${count} were read`);
}

const ppids = [50, 50, 50, 51, 52, 53, 54, 56, 57, 0, 0xffff_ffff] as const;

/** Gives spoilt messages to an end with channels, which must stay usable and small. */
export function tryMessages(count: number, seed: number): void {
  const random = new Random(seed);
  const end = createEnd("server", { maxChannelCount: 50 });
  const { association, channels } = end;
  // One that is not touched: the flood is on other streams.
  const mine = openLogged(end);
  equal(mine.id, 1);
  for (let done = 0; done < count; done++) {
    const streamId = random.pick([0, 2, 4, 3, 65_535, 2 * random.below(4_000)]);
    if (random.chance(0.05)) channels.handleIncomingReset([streamId], 0);
    else association.receive({ streamId, ppid: random.pick(ppids), bytes: mutate(random) });
    if (random.chance(0.2)) { for (const step of association.steps()) step(); }
    ok(channels.channelCount <= 50);
    ok(channels.usedIdCount <= 50 + 1_024);
  }
  ok(end.accepted.length > 50);
  ok(channels.refusalCount > 1_024);
  association.receive({ streamId: 1, ppid: 50, bytes: writeDataChannelAck() });
  association.receive({ streamId: 1, ppid: 51, bytes: bytesOf("still here") });
  deepEqual(linesOf(mine), ["text still here"]);
  for (const channel of end.accepted) {
    ok(channel.handler instanceof ChannelLog);
    ok(linesOf(channel).filter((line) => line === "closed").length <= 1);
  }
}
