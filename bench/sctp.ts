/**
 * What SCTP costs without I/O: two associations in one process carry messages to one another, and
 * what each kind of packet costs the one that writes or takes it. Their clock is this program's, so
 * that no time passes but what is said to.
 */
import { createHmac, randomBytes } from "node:crypto";
import { BufferPool } from "../src/buffer_pool.ts";
import type { Instant } from "../src/sans_io.ts";
import {
  Association,
  type AssociationConfig,
  type AssociationHandler,
} from "../src/sctp/association.ts";
import { PayloadStore } from "../src/sctp/payload_store.ts";
import type { CongestionControl } from "../src/sctp/tx/congestion_control.ts";

const roundCount = 7;
/** Of what is measured in a round, in ms. */
const roundLength = 20;
/** User data of a batch, in bytes. */
const batchLength = 512 * 1024;
/** Bytes: room for several batches. */
const windowLength = 4 * 1024 * 1024;
/** Longer than an acknowledgement is delayed, and shorter than any timeout, in ms. */
const pause = 50;
/** Long enough to find what the path takes, in ms. */
const warmUp = 20_000;
/** A message that fills many packets, in bytes. */
const maxMessageLength = 262_144;
/** A message of which a packet of 1432 B holds one, in bytes. */
const packetMessageLength = 1_200;
const messageLengths = [100, packetMessageLength, 16_384, maxMessageLength];
/** Every so many packets, one comes late. */
const latePeriod = 100;
/** How many packets do not come, where a SACK tells of gaps. */
const gapCount = 5;

/** What the associations have agreed on. */
interface Setting {
  readonly name: string;
  readonly config: Partial<AssociationConfig>;
}

const settings: readonly Setting[] = [
  { name: "I-DATA, 1432 B", config: {} },
  { name: "DATA, 1432 B", config: { isInterleavingOffered: false } },
  { name: "CRC32c, 1432 B", config: { isZeroChecksumAcceptable: false } },
  { name: "I-DATA, 16340 B", config: { maxPacketLength: 16_340 } },
];

/** Packets, one after another. */
class Packets {
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(4 * batchLength);
  /** Where each begins, and at last where the next would. */
  readonly starts: number[] = [0];

  get count(): number {
    return this.starts.length - 1;
  }

  clear(): void {
    this.starts.length = 1;
  }

  /** Writes all packets that there are to be sent, or one at most. */
  write(association: Association, now: Instant, maxCount = Infinity): void {
    let at = this.starts.at(-1) ?? 0;
    for (let left = maxCount; left > 0; left--) {
      const length = association.writePacket(this.bytes, at, now);
      if (length === 0) return;
      at += length;
      this.starts.push(at);
    }
  }

  /** Delivers one packet. */
  deliver(index: number, association: Association, now: Instant): void {
    const { bytes, starts } = this;
    association.handlePacket(bytes, starts[index] ?? 0, starts[index + 1] ?? 0, now);
  }
}

const quietHandler: AssociationHandler = {
  handleUp: () => {},
  handleMessage: () => {},
  handleBufferedAmountLow: () => {},
  handleIncomingReset: () => {},
  handleOutgoingReset: () => {},
  handleClosed: (code, reason) => {
    throw new Error(`The association ended: ${code}, ${reason}`);
  },
};

/** Lets every batch through at once, whatever is lost. */
const openWindow: CongestionControl = {
  cwndBytes: windowLength,
  handleAcknowledgement: () => {},
  handleLoss: () => {},
  handleTimeout: () => {},
  handleIdle: () => {},
  handlePathChange: () => {},
  setPieceLength: () => {},
};

/** Two associations, up. */
class Pair {
  readonly sender: Association;
  readonly receiver: Association;
  readonly data = new Packets();
  readonly sacks = new Packets();
  now: Instant = 0;
  readonly #message = new Uint8Array(maxMessageLength);

  constructor(config: Partial<AssociationConfig>) {
    const key = randomBytes(32);
    const shared = {
      handler: quietHandler,
      random: (length: number) => Uint8Array.from(randomBytes(length)),
      mac: (bytes: Uint8Array) => Uint8Array.from(createHmac("sha256", key).update(bytes).digest()),
      store: new PayloadStore(new BufferPool()),
      receiveWindow: windowLength,
      ...config,
    };
    this.sender = new Association(shared);
    this.receiver = new Association(shared);
    this.sender.connect(this.now);
    for (let at = 0; at < warmUp; at += pause) this.settle();
  }

  /** Queues messages of that length: a batch, together. */
  queue(messageLength: number): void {
    const message = this.#message.subarray(0, messageLength);
    for (let length = 0; length < batchLength; length += messageLength) {
      this.sender.send(0, 0, message, undefined, this.now);
    }
  }

  /** Writes what is queued. */
  write(): void {
    this.data.clear();
    this.data.write(this.sender, this.now);
  }

  /** Carries packets both ways until nobody has any. */
  exchange(): void {
    const packets = this.data;
    do {
      for (
        const [from, to] of [[this.sender, this.receiver], [this.receiver, this.sender]] as const
      ) {
        packets.clear();
        packets.write(from, this.now, 10);
        for (let index = 0; index < packets.count; index++) packets.deliver(index, to, this.now);
      }
    } while (packets.count > 0);
  }

  /** Lets all that was begun come to its end. */
  settle(): void {
    this.exchange();
    this.now += pause;
    this.sender.handleTimeout(this.now);
    this.receiver.handleTimeout(this.now);
    this.exchange();
  }
}

/** How often something was done, and for how long, in ms. */
interface Cost {
  readonly count: number;
  readonly duration: number;
}

function costOf(count: number, run: () => void): Cost {
  const begun = performance.now();
  run();
  return { count, duration: performance.now() - begun };
}

/** Writes packets of data. */
function writeData(pair: Pair, messageLength: number): Cost {
  pair.queue(messageLength);
  const { duration } = costOf(0, () => pair.write());
  return { count: pair.data.count, duration };
}

/** Takes packets of data, of which some may come late. */
function takeData(pair: Pair, messageLength: number, isSomeLate: boolean): Cost {
  const { data, receiver, now } = pair;
  pair.queue(messageLength);
  pair.write();
  const order = Array.from({ length: data.count }, (_, index) => index);
  const isLate = (index: number) => isSomeLate && index % latePeriod === 0;
  const arrivals = [...order.filter((one) => !isLate(one)), ...order.filter(isLate)];
  return costOf(data.count, () => {
    for (const index of arrivals) data.deliver(index, receiver, now);
  });
}

/** Takes SACKs, each of two packets more. */
function takeSacks(pair: Pair, hasGaps: boolean): Cost {
  const { data, sacks, sender, receiver, now } = pair;
  pair.queue(maxMessageLength);
  pair.write();
  // Of the first packets, every other one does not come.
  const firstCount = hasGaps ? 2 * gapCount : 0;
  for (let index = 1; index < firstCount; index += 2) data.deliver(index, receiver, now);
  sacks.clear();
  sacks.write(receiver, now);
  for (let index = 0; index < sacks.count; index++) sacks.deliver(index, sender, now);
  sacks.clear();
  for (let index = firstCount; index + 1 < data.count; index += 2) {
    data.deliver(index, receiver, now);
    data.deliver(index + 1, receiver, now);
    sacks.write(receiver, now);
  }
  return costOf(sacks.count, () => {
    for (let index = 0; index < sacks.count; index++) sacks.deliver(index, sender, now);
  });
}

/** The least that can be done with a packet: what all else is to be compared with. */
function copyPackets(pair: Pair): Cost {
  const { data } = pair;
  const to = new Uint8Array(data.bytes.length);
  pair.queue(maxMessageLength);
  pair.write();
  return costOf(data.count, () => {
    for (let index = 0; index < data.count; index++) {
      const start = data.starts[index] ?? 0;
      to.set(data.bytes.subarray(start, data.starts[index + 1]), start);
    }
  });
}

/** Asks what time is waited for, and comes too early, with much under way. */
function askTimers(pair: Pair): Cost {
  const count = 10_000;
  pair.queue(maxMessageLength);
  pair.write();
  return costOf(count, () => {
    for (let left = count; left > 0; left--) {
      if ((pair.sender.nextTimeout() ?? 0) < pair.now) throw new Error("a timer is overdue");
      pair.sender.handleTimeout(pair.now);
    }
  });
}

const packetCosts: Readonly<Record<string, (pair: Pair) => Cost>> = {
  "a copy of the packet": copyPackets,
  "write: 256 KiB messages": (pair) => writeData(pair, maxMessageLength),
  "write: 1200 B messages": (pair) => writeData(pair, packetMessageLength),
  "take: 256 KiB messages": (pair) => takeData(pair, maxMessageLength, false),
  "take: 256 KiB messages, 1 % late": (pair) => takeData(pair, maxMessageLength, true),
  "take: 1200 B messages": (pair) => takeData(pair, packetMessageLength, false),
  "take: 1200 B messages, 1 % late": (pair) => takeData(pair, packetMessageLength, true),
  "take: a SACK of 2 packets": (pair) => takeSacks(pair, false),
  "take: a SACK of 2 packets, 5 gaps": (pair) => takeSacks(pair, true),
  "nextTimeout, handleTimeout": askTimers,
};

/** Carries so many bytes from one to the other, with the congestion control that there is. */
function transfer(pair: Pair, messageLength: number): Cost {
  return costOf(batchLength, () => {
    pair.queue(messageLength);
    pair.exchange();
  });
}

/** One round: the cost of one, in ns. */
function time(pair: Pair, measure: (pair: Pair) => Cost): number {
  let [count, duration] = [0, 0];
  while (duration < roundLength) {
    const cost = measure(pair);
    pair.settle();
    count += cost.count;
    duration += cost.duration;
  }
  return duration / count * 1e6;
}

/** Medians in ns, by setting, of rounds that alternate, so that all meet the same noise. */
function timeAll(
  measure: (pair: Pair) => Cost,
  shared: Partial<AssociationConfig>,
): readonly number[] {
  const pairs = settings.map(({ config }) => new Pair({ ...shared, ...config }));
  for (const pair of pairs) time(pair, measure);
  const rounds = Array.from({ length: roundCount }, () => pairs.map((one) => time(one, measure)));
  return pairs.map((_, at) => median(rounds.map((one) => one[at] ?? NaN)));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? NaN;
}

function row(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(18)).join("")}`;
}

const names = row("", settings.map(({ name }) => name));
console.log("MB/s from one to the other, both in this process");
console.log(names);
for (const length of messageLengths) {
  const costs = timeAll((pair) => transfer(pair, length), {});
  console.log(row(`messages of ${length} B`, costs.map((ns) => Math.round(1e3 / ns).toString())));
}
console.log("ns a packet");
console.log(names);
for (const [name, measure] of Object.entries(packetCosts)) {
  const costs = timeAll(measure, { congestionControl: () => openWindow });
  console.log(row(name, costs.map((ns) => Math.round(ns).toString())));
}
