/**
 * Acknowledgements as a path of some kind would bring them, for congestion controls on their own.
 *
 * @module
 */
import type { Acknowledgement, DeliverySample } from "../../../src/sctp/tx/congestion_control.ts";

/** What an acknowledgement says where a test does not care. */
export function acknowledgementOf(
  { sample, ...changes }: Partial<Omit<Acknowledgement, "sample">> & {
    readonly sample?: Partial<DeliverySample>;
  },
): Acknowledgement {
  return {
    ackedLength: 0,
    peakFlightLength: Infinity,
    flightLength: 0,
    isAdvanced: true,
    isRecovering: false,
    rtt: -1,
    srtt: 100,
    deliveredLength: 0,
    lostLength: 0,
    now: 0,
    ...changes,
    sample: {
      priorDelivered: 0,
      flightLength: 0,
      rate: 0,
      isAppLimited: false,
      isAmbiguous: false,
      ...sample,
    },
  };
}
