/** Two ends with data channels over a fake association, and what they were told. */
import {
  type DataChannelOptions,
  DataChannels,
  type DataChannelsConfig,
} from "../../src/datachannel/data_channels.ts";
import type { DataChannel, DataChannelHandler } from "../../src/datachannel/data_channel.ts";
import { FakeAssociation } from "./fake_association.ts";

/** Writes down what a channel tells. */
export class ChannelLog implements DataChannelHandler {
  readonly lines: string[] = [];

  handleBinary(bytes: Uint8Array, start: number, end: number): void {
    this.lines.push(`binary ${bytes.slice(start, end).toHex()}`);
  }

  handleText(text: string): void {
    this.lines.push(`text ${text}`);
  }

  handleWritable(): void {
    this.lines.push("writable");
  }

  handleClosed(): void {
    this.lines.push("closed");
  }
}

/** One end. */
export interface ChannelEnd {
  readonly association: FakeAssociation;
  readonly channels: DataChannels;
  /** Channels that the peer opened, in order. */
  readonly accepted: DataChannel[];
  /** Ids of channels that are no more, in order. */
  readonly released: number[];
}

/** An end whose peer is the test. */
export function createEnd(
  role: "client" | "server",
  config: Partial<DataChannelsConfig> = {},
  onChannel: (channel: DataChannel) => void = (channel) => channel.handler = new ChannelLog(),
): ChannelEnd {
  const association = new FakeAssociation();
  const accepted: DataChannel[] = [];
  const released: number[] = [];
  const channels = new DataChannels({
    association,
    handler: {
      handleChannel: (channel) => {
        accepted.push(channel);
        onChannel(channel);
      },
      handleReleased: ({ id }) => void released.push(id),
    },
    role,
    maxChannelCount: 100,
    peerMaxMessageLength: 262_144,
    ...config,
  });
  association.channels = channels;
  return { association, channels, accepted, released };
}

/** Two ends that talk to each other: A is DTLS's client. */
export class ChannelPair {
  readonly a: ChannelEnd;
  readonly z: ChannelEnd;

  constructor(
    config: Partial<DataChannelsConfig> = {},
    onChannel?: (channel: DataChannel) => void,
  ) {
    this.a = createEnd("client", config, onChannel);
    this.z = createEnd("server", config, onChannel);
    this.a.association.peer = this.z.association;
    this.z.association.peer = this.a.association;
  }

  /** All that could happen next. */
  steps(): (() => void)[] {
    return [...this.a.association.steps(), ...this.z.association.steps()];
  }

  /** Lets everything happen; first what was sent first. */
  settle(): void {
    for (let steps = this.steps(); steps.length > 0; steps = this.steps()) steps[0]?.();
  }

  /** A channel from A to Z, open at both. */
  open(options: Partial<DataChannelOptions> = {}): { a: DataChannel; z: DataChannel } {
    const a = openLogged(this.a, options);
    this.settle();
    const z = this.z.accepted.at(-1);
    if (z === undefined) throw new Error("Z was told of no channel");
    return { a, z };
  }
}

/** Opens a channel and writes down what it tells. */
export function openLogged(
  { channels }: ChannelEnd,
  options: Partial<DataChannelOptions> = {},
): DataChannel {
  const channel = channels.open({ label: "nas:22", protocol: "aetherport-tcp/1", ...options }, 0);
  channel.handler = new ChannelLog();
  return channel;
}

/** What a channel's log says. */
export function linesOf(channel: DataChannel | undefined): readonly string[] {
  return channel?.handler instanceof ChannelLog ? channel.handler.lines : [];
}

/** A text's bytes. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
