/**
 * Links whose other end is all another implementation's, through a TURN server: we tell that end of a
 * relayed address and of nothing else.
 */
import assert from "node:assert/strict";
import { isIPv4 } from "node:net";
import type { RTCDataChannel } from "werift";
import { hostAddresses } from "../../src/link/host_addresses.ts";
import type { SessionDescription } from "../../src/link/session_description.ts";
import { WeriftPeer } from "../fakes/werift_peer.ts";
import { Coturn, coturnUser, isCoturnInstalled } from "../peers/coturn.ts";
import type { Interlocutor } from "../peers/webrtc_peer.ts";
import {
  assertCarries,
  describeRole,
  hasImplementation,
  type Implementation,
  implementations,
  type LinkStage,
  type Offerer,
  offerers,
  withLink,
} from "./interop_stage.ts";
import { createFactory, nothingLeft } from "./link_stage.ts";

/** werift, that speaks as webrtc_peer.ts says without being a process. */
class Werift implements Interlocutor {
  readonly #peer = new WeriftPeer();
  #printed = "";
  #wake = Promise.withResolvers<void>();

  get printed(): string {
    return this.#printed;
  }

  async write(text: string): Promise<void> {
    const { command, label = "", protocol = "", sdp = "" }: Readonly<Record<string, string>> = JSON
      .parse(text);
    if (command === "accept") return await this.#peer.accept(sdp);
    const described = command === "offer"
      ? await this.#peer.offer({ label, protocol })
      : await this.#peer.answer(sdp);
    void Promise.resolve(described.channel).then((channel) => this.#echo(channel));
    this.#tell("described", { sdp: described.sdp });
  }

  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#printed);
      if (found !== null) return found;
      await this.#wake.promise;
    }
  }

  async stop(): Promise<void> {
    await this.#peer.close();
  }

  async #echo(channel: RTCDataChannel): Promise<void> {
    channel.onMessage.subscribe((message) => channel.send(message));
    if (channel.readyState !== "open") {
      await channel.stateChanged.watch((state) => state === "open");
    }
    this.#tell("open", { label: channel.label, protocol: channel.protocol });
  }

  #tell(event: string, fields: Readonly<Record<string, string>>): void {
    this.#printed += `${JSON.stringify({ event, ...fields })}\n`;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}

const project = new URL("../../", import.meta.url).href;

/** Whether something was thrown without any part of ours in it. */
function isForeign(thrown: unknown): boolean {
  const { stack = "" } = thrown instanceof Error ? thrown : {};
  return stack.includes("/werift/") || !stack.includes(project);
}

// werift throws at chunks that it does not know, and after its end: we look at what becomes of links.
globalThis.addEventListener("unhandledrejection", (event) => {
  if (isForeign(event.reason)) event.preventDefault();
});
globalThis.addEventListener("error", (event) => {
  if (isForeign(event.error)) event.preventDefault();
});

const werift: Implementation = {
  ...{ name: "werift", program: Deno.execPath(), probe: ["--version"] },
  start: () => new Werift(),
};

/** An address of this host that all reach: some implementations do not use loopback. */
const address = hostAddresses().find(isIPv4) ?? "127.0.0.1";

const hasCoturn = await isCoturnInstalled("a link through a relay with other implementations");

/** Runs a test with a link that is relayed on our side. */
async function withRelayedLink(
  implementation: Implementation,
  offerer: Offerer,
  use: (stage: LinkStage) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const coturn = await Coturn.start({ place: { address } });
  stack.defer(() => coturn.stop());
  const server = { scheme: "turn", address: `${address}:${coturn.port}`, ...coturnUser } as const;
  const factory = createFactory({ iceServers: [server], isRelayOnly: true });
  await withLink(implementation, { offerer, factory, ours: relayedAlone }, use);
}

/**
 * Tries again where werift is the other end: its DTLS gets lost where a flight is sent twice, as it is
 * where this host is slow.
 */
async function withAttempts(implementation: Implementation, attempt: () => Promise<void>) {
  for (let left = implementation === werift ? 2 : 0; left > 0; left--) {
    try {
      return await attempt();
    } catch (error) {
      console.warn(`${implementation.name} is tried again: ${error}`);
    }
  }
  await attempt();
}

/** Our description, which names no way around the relay. */
function relayedAlone(description: SessionDescription): SessionDescription {
  assert.deepEqual(description.candidates.map(({ type }) => type), ["relay"]);
  return description;
}

for (const implementation of [...implementations, werift]) {
  const isThere = hasCoturn && await hasImplementation(implementation);
  // werift leaves timers of its own behind.
  const sanitizers = implementation === werift
    ? { sanitizeOps: false, sanitizeResources: false }
    : nothingLeft;
  for (const offerer of offerers) {
    Deno.test(
      `${describeRole(implementation, offerer)} through our relay alone, and 10 MB go each way`,
      { ...sanitizers, ignore: !isThere },
      () =>
        withAttempts(
          implementation,
          () =>
            withRelayedLink(implementation, offerer, async (stage) => {
              await assertCarries(stage, offerer);
              assert.equal(stage.log.path?.isRelayed, true);
            }),
        ),
    );
  }
}
