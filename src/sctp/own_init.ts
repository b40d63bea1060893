/** What an end says of itself in its INIT and INIT ACK, made before there is an association. */
import type { OfferedCapabilities } from "./capabilities.ts";
import { offer } from "./capabilities.ts";
import type { InitFields } from "./packet/init_chunk.ts";
import { readUint32 } from "../network_order.ts";

/** RFC 8831 section 6.2: all streams there can be. */
const streamCount = 65_535;
/**
 * What is under way on a path of 500 Mbit/s and 150 ms, as much again that waits for a lost packet, and
 * again for one that was lost twice.
 */
const defaultReceiveWindow = 33_554_432;

/** What an INIT is made with. */
export interface OwnInitOptions extends Partial<OfferedCapabilities> {
  /** Unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** What may be held of the peer's data, and be unread, in bytes. */
  readonly receiveWindow?: number | undefined;
  /** For tests: random otherwise. */
  readonly initialTsn?: number | undefined;
}

/** What may be chosen, as it was chosen: all of it by default. */
export function offered(
  { isInterleavingOffered = true, isZeroChecksumAcceptable = true }: Partial<OfferedCapabilities>,
): OfferedCapabilities {
  return { isInterleavingOffered, isZeroChecksumAcceptable };
}

/** An INIT for one association, whether it is sent or told in a session description. */
export function createOwnInit(options: OwnInitOptions): InitFields {
  const { random, receiveWindow = defaultReceiveWindow, initialTsn } = options;
  return {
    initiateTag: createTag(random),
    advertisedReceiverWindowCredit: receiveWindow,
    outboundStreams: streamCount,
    inboundStreams: streamCount,
    initialTsn: initialTsn ?? readUint32(random(4), 0),
    ...offer(offered(options)),
    stateCookie: undefined,
    unrecognized: [],
  };
}

/** A verification tag: any number but 0 (RFC 9260, section 5.3.1). */
export function createTag(random: (length: number) => Uint8Array): number {
  return readUint32(random(4), 0) || 1;
}
