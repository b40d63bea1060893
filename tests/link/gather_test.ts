/** What a description waits for: this host's own candidates, and no server. */
import assert from "node:assert/strict";
import { BufferPool } from "../../src/buffer_pool.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import { hostAddresses } from "../../src/link/host_addresses.ts";
import type { Candidate } from "../../src/link/session_description.ts";
import { WebRtcLinkFactory } from "../../src/link/webrtc_link.ts";
import { FakeTime } from "../fakes/fake_time.ts";
import { FakeNetwork, FakePath } from "../fakes/path_pair.ts";
import { sampleDescription } from "../fakes/sample_description.ts";

/** A path whose servers answer when the test says so. */
class WaitingPath extends FakePath {
  readonly #found: Candidate[] = [];
  readonly #gathered = Promise.withResolvers<void>();
  #tell: (candidate: Candidate) => void = () => {};

  override candidates(): Candidate[] {
    return [...this.#found];
  }

  override gather(tell?: (candidate: Candidate) => void): Promise<void> {
    this.#tell = tell ?? this.#tell;
    for (const address of hostAddresses()) this.find({ address, type: "host" });
    return this.#gathered.promise;
  }

  find(part: Pick<Candidate, "address" | "type">): Candidate {
    const [candidate = assert.fail()] = sampleDescription.candidates;
    const found = { ...candidate, ...part };
    this.#found.push(found);
    this.#tell(found);
    return found;
  }

  end(): void {
    this.#gathered.resolve();
  }
}

Deno.test("a description holds the host's candidates, and what servers answer comes later", async () => {
  const path = new WaitingPath(new FakeNetwork(), "192.0.2.1");
  const told: (Candidate | undefined)[] = [];
  const factory = new WebRtcLinkFactory({
    iceServers: [],
    pool: new BufferPool(),
    chooseAead: () => Promise.resolve({ provider: nodeAead, reason: "a test" }),
    createPath: () => path,
  });
  await factory.choose();
  // No time passes.
  using time = new FakeTime();
  const offer = await factory.createOffer({ onCandidate: (candidate) => told.push(candidate) });
  assert.deepEqual(
    offer.description.candidates.map(({ address }) => address),
    hostAddresses(),
  );
  assert.equal(offer.description.hasAllCandidates, false);
  const reflexive = path.find({ address: "203.0.113.7", type: "srflx" });
  path.end();
  await time.pass(0);
  assert.deepEqual(told, [reflexive, undefined]);
  offer.withdraw();
});
