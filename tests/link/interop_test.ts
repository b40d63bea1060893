/**
 * Links whose other end is all another implementation's: its ICE, DTLS, SCTP and data channels, joined
 * by pasted texts.
 */
import assert from "node:assert/strict";
import type { SessionDescription } from "../../src/link/session_description.ts";
import { beforeDeadline, tailOf } from "../peers/deadline.ts";
import {
  assertCarries,
  describeRole,
  hasImplementation,
  type Implementation,
  implementations,
  type LinkStage,
  type LinkStageOptions,
  offerers,
  withLink,
} from "./interop_stage.ts";
import { nothingLeft } from "./link_stage.ts";

const strangerFingerprint = Array(32).fill("00").join(":");

const misnamed = (description: SessionDescription) => ({
  ...description,
  fingerprint: strangerFingerprint,
});

/** How both ends of a link stand, for an error. */
function describeStage({ peer, log }: LinkStage): string {
  const { link: { state }, path, reason, channels } = log;
  const received = channels.map(({ channel: { label }, receivedLength, texts, isClosed }) => ({
    ...{ label, receivedLength, texts, isClosed },
  }));
  const ours = JSON.stringify({ state, path, reason, received });
  return `not in time: our end is at ${ours}, and the peer told: ${tailOf(peer.printed)}`;
}

/** Runs a test with a peer, and a link to it that begins to connect; but not forever. */
function onLink(
  implementation: Implementation,
  options: LinkStageOptions,
  use: (stage: LinkStage) => Promise<void>,
): Promise<void> {
  return withLink(
    implementation,
    options,
    (stage) => beforeDeadline(use(stage), () => describeStage(stage)),
  );
}

for (const implementation of implementations) {
  const options = { ...nothingLeft, ignore: !(await hasImplementation(implementation)) };
  for (const offerer of offerers) {
    const role = describeRole(implementation, offerer);

    Deno.test(
      `${role}, and 10 MB go each way`,
      options,
      () => onLink(implementation, { offerer }, (stage) => assertCarries(stage, offerer)),
    );

    Deno.test(
      `${role}, and we refuse a certificate that its text does not name`,
      options,
      () =>
        onLink(implementation, { offerer, theirs: misnamed }, async ({ peer, log }) => {
          const reason = await log.closed;
          assert.equal(reason, "the other end's certificate is not the one its text names");
          assert.equal(log.path, undefined);
          assert.ok(!peer.hasOpened);
        }),
    );

    Deno.test(
      `${role}, and it refuses a certificate that our text does not name`,
      options,
      () =>
        onLink(implementation, { offerer, ours: misnamed }, async ({ peer, log }) => {
          // Not all of them tell us.
          await Promise.any([log.closed, peer.ended()]);
          assert.equal(log.channels.length, 0);
          assert.ok(!peer.hasOpened);
        }),
    );
  }
}
