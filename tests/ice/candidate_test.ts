import { equal, notEqual, ok, throws } from "node:assert/strict";
import { candidatePriority, Foundations } from "../../src/ice/candidate.ts";
import { IceAgent } from "../../src/ice/ice_agent.ts";
import { Role } from "../../src/ice/role.ts";
import { createTwoPeers } from "./two_peers.ts";

const zeros = (length: number) => new Uint8Array(length);
const ones = (length: number) => new Uint8Array(length).fill(255);

Deno.test("priorities are those of RFC 8445, section 5.1.2.1", () => {
  equal(candidatePriority("host", 65_535), 2_130_706_431);
  equal(candidatePriority("srflx", 65_535), 1_694_498_815);
  equal(candidatePriority("prflx", 65_535), 1_862_270_975);
  equal(candidatePriority("relay", 65_535), 16_777_215);
});

Deno.test("candidates share a foundation where type, base address and server are the same", () => {
  const foundations = new Foundations();
  const first = foundations.of("host", "10.0.0.1");
  equal(foundations.of("host", "10.0.0.1"), first);
  notEqual(foundations.of("host", "10.0.0.2"), first);
  notEqual(foundations.of("srflx", "10.0.0.1", "192.0.2.1"), first);
  const reflexive = foundations.of("srflx", "10.0.0.1", "192.0.2.1");
  notEqual(foundations.of("srflx", "10.0.0.1", "192.0.2.2"), reflexive);
});

Deno.test("role conflicts are judged as RFC 8445, section 7.3.1.1, has it", () => {
  const high = 2n ** 64n - 1n;
  equal(new Role("controlling", ones).judge({ iceControlling: high }), "reject");
  equal(new Role("controlling", zeros).judge({ iceControlling: 1n }), "switch");
  equal(new Role("controlled", ones).judge({ iceControlled: high }), "switch");
  equal(new Role("controlled", zeros).judge({ iceControlled: 1n }), "reject");
  equal(new Role("controlling", zeros).judge({ iceControlled: high }), "none");
  equal(new Role("controlled", zeros).judge({ iceControlling: high }), "none");
  equal(new Role("controlled", zeros).judge({}), "none");
});

Deno.test("a base that is there already, or is no address of a host, is a mistake", () => {
  const { world, a } = createTwoPeers();
  const base = { port: 1, type: "host" } as const;
  throws(() => a.agent.addBase({ ...base, baseId: 1, address: "10.0.0.1" }, world.now), RangeError);
  for (const address of ["0.0.0.0", "::", "224.0.0.1", "example.org", ""]) {
    throws(() => a.agent.addBase({ ...base, baseId: 9, address }, world.now), RangeError, address);
  }
});

Deno.test("pacing below 5 ms is a mistake", () => {
  for (const pacing of [4.9, 0, -1, NaN]) {
    throws(() => new IceAgent({ role: "controlled", random: zeros, pacing }, 0), RangeError);
  }
});

Deno.test("candidates of the peer with an impossible priority are refused", () => {
  const { world, a } = createTwoPeers();
  for (const priority of [0, -1, 2 ** 31, 1.5, NaN]) {
    const refusal = a.agent.addRemoteCandidate({
      foundation: "1",
      component: 1,
      transport: "udp",
      priority,
      address: "10.0.0.1",
      port: 1,
      type: "host",
    }, world.now);
    ok(refusal?.includes("priority"), String(priority));
  }
});
