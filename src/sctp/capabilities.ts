/** The extensions of SCTP that both ends have, as their INIT and INIT ACK say. */
import { chunkTypes } from "./packet/chunk_type.ts";
import { dtlsErrorDetectionMethod, type InitFields } from "./packet/init_chunk.ts";

/** What is agreed on. */
export interface Capabilities {
  /** I-DATA in the place of DATA (RFC 8260). */
  readonly isInterleaved: boolean;
  /** FORWARD TSN (RFC 3758). */
  readonly isPartialReliability: boolean;
  /** RE-CONFIG (RFC 6525). */
  readonly isStreamReset: boolean;
  /** Packets to the peer carry no checksum (RFC 9653). */
  readonly isZeroChecksum: boolean;
}

/** What this end offers, where it may be chosen. */
export interface OfferedCapabilities {
  readonly isInterleavingOffered: boolean;
  /** Only over a lower layer that detects errors, such as DTLS. */
  readonly isZeroChecksumAcceptable: boolean;
}

/** What an INIT or INIT ACK of ours says of it. */
export function offer(
  { isInterleavingOffered, isZeroChecksumAcceptable }: OfferedCapabilities,
): Pick<InitFields, "supportedExtensions" | "isForwardTsnSupported" | "zeroChecksumMethod"> {
  const { reConfig, forwardTsn, iData, iForwardTsn } = chunkTypes;
  return {
    supportedExtensions: [
      reConfig,
      forwardTsn,
      ...(isInterleavingOffered ? [iData, iForwardTsn] : []),
    ],
    isForwardTsnSupported: true,
    zeroChecksumMethod: isZeroChecksumAcceptable ? dtlsErrorDetectionMethod : undefined,
  };
}

/** What is agreed on, given what the peer's INIT or INIT ACK says. */
export function agree(own: OfferedCapabilities, peer: InitFields): Capabilities {
  const extensions = peer.supportedExtensions;
  return {
    // RFC 8260 section 2.2.1: both have to list I-DATA; I-FORWARD-TSN goes with it.
    isInterleaved: own.isInterleavingOffered && extensions.includes(chunkTypes.iData),
    isPartialReliability: peer.isForwardTsnSupported || extensions.includes(chunkTypes.forwardTsn),
    isStreamReset: extensions.includes(chunkTypes.reConfig),
    isZeroChecksum: own.isZeroChecksumAcceptable &&
      peer.zeroChecksumMethod === dtlsErrorDetectionMethod,
  };
}
