/**
 * Data channels over an association as a core of the simulated network, joined as a link joins them:
 * every call of the association goes straight to the channels.
 *
 * @module
 */
import { DataChannels, type DataChannelsConfig } from "../../src/datachannel/data_channels.ts";
import type { Instant, SansIo, Transmit } from "../../src/sans_io.ts";
import type { AssociationConfig } from "../../src/sctp/association.ts";
import { SctpEndpoint } from "../sctp/sctp_endpoint.ts";

export interface ChannelEndpointOptions {
  readonly seed: number;
  readonly channels: Omit<DataChannelsConfig, "association">;
  readonly association?: Partial<AssociationConfig>;
}

/** One end, to be put into a `Pair`. */
export class ChannelEndpoint implements SansIo<never> {
  readonly sctp: SctpEndpoint;
  readonly channels: DataChannels;
  /** Of the call that is under way. */
  now: Instant = 0;
  isUp = false;
  /** Why the association ended. */
  end: string | undefined;

  constructor({ seed, channels, association }: ChannelEndpointOptions) {
    this.sctp = new SctpEndpoint(seed, {
      handler: {
        handleUp: () => this.isUp = true,
        handleMessage: (streamId, ppid, bytes, start, end) =>
          this.channels.handleMessage(streamId, ppid, bytes, start, end, this.now),
        handleBufferedAmountLow: (streamId) => this.channels.handleBufferedAmountLow(streamId),
        handleIncomingReset: (streamIds) => this.channels.handleIncomingReset(streamIds, this.now),
        handleOutgoingReset: (streamIds) => this.channels.handleOutgoingReset(streamIds, this.now),
        handleClosed: (code, reason) => {
          this.end = `${code}: ${reason}`;
          this.channels.handleAssociationClosed();
        },
      },
      ...association,
    });
    this.channels = new DataChannels({ ...channels, association: this.sctp.association });
  }

  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.now = now;
    this.sctp.handleDatagram(bytes, now);
  }

  handleTimeout(now: Instant): void {
    this.now = now;
    this.sctp.handleTimeout(now);
  }

  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
    this.now = now;
    return this.sctp.pollTransmit(out, now);
  }

  pollEvent(): undefined {
    return undefined;
  }

  nextTimeout(): Instant | undefined {
    return this.sctp.nextTimeout();
  }
}
