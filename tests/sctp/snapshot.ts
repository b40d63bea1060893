/**
 * What can be seen of an association from outside, to compare: whether something has changed it.
 *
 * @module
 */
import type { SctpEndpoint } from "./sctp_endpoint.ts";

/** State, figures and what is held; not the count of dropped packets. */
export function snapshotOf({ association, store }: SctpEndpoint): Record<string, unknown> {
  const { state, figures, heldLength, maxPacketLength, srtt } = association;
  return {
    state,
    ...figures,
    nextTimeout: association.nextTimeout(),
    heldLength,
    storeLength: store.heldLength,
    maxPacketLength,
    srtt,
  };
}
