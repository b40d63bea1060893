import { deepEqual, equal, notEqual } from "node:assert/strict";
import { Nat, type NatAddress, natKinds, type NatOptions } from "./nat.ts";
import { NatNetwork } from "./nat_network.ts";
import { Random } from "./random.ts";

const inner: NatAddress = { address: "10.0.0.1", port: 5_000 };
const one: NatAddress = { address: "192.0.2.1", port: 1 };
const sameAddress: NatAddress = { address: "192.0.2.1", port: 2 };
const other: NatAddress = { address: "192.0.2.2", port: 1 };

function createNat(options: Partial<NatOptions> = {}): Nat {
  return new Nat({ publicAddress: "198.51.100.1", ...natKinds["full cone"], ...options });
}

Deno.test("a mapping depends on what it is said to depend on", () => {
  const expected = [
    ["endpoint-independent", true, true],
    ["address-dependent", true, false],
    ["address-and-port-dependent", false, false],
  ] as const;
  for (const [mapping, isKeptForPort, isKeptForAddress] of expected) {
    const nat = createNat({ mapping });
    const { port } = nat.translateOut(inner, one, 0);
    equal(nat.translateOut(inner, one, 1).port, port);
    equal(nat.translateOut(inner, sameAddress, 2).port === port, isKeptForPort, mapping);
    equal(nat.translateOut(inner, other, 3).port === port, isKeptForAddress, mapping);
    notEqual(nat.translateOut({ ...inner, port: 5_001 }, one, 4).port, port);
  }
});

Deno.test("a filter lets in whom it is said to let in", () => {
  const expected = [
    ["endpoint-independent", true, true],
    ["address-dependent", true, false],
    ["address-and-port-dependent", false, false],
  ] as const;
  for (const [filtering, isPortIn, isAddressIn] of expected) {
    const nat = createNat({ filtering });
    const { port } = nat.translateOut(inner, one, 0);
    deepEqual(nat.translateIn(one, port, 1), inner);
    equal(nat.translateIn(sameAddress, port, 1) !== undefined, isPortIn, filtering);
    equal(nat.translateIn(other, port, 1) !== undefined, isAddressIn, filtering);
    equal(nat.translateIn(one, port + 1, 1), undefined);
  }
});

Deno.test("a mapping lives on what is sent from within only", () => {
  const nat = createNat({ lifetimeMs: 1_000 });
  const { port } = nat.translateOut(inner, one, 0);
  for (let now = 100; now <= 1_000; now += 100) deepEqual(nat.translateIn(one, port, now), inner);
  equal(nat.translateIn(one, port, 1_001), undefined);
  notEqual(nat.translateOut(inner, one, 1_002).port, port);
});

/** What becomes of one datagram between two hosts. */
function arrives(isHairpinning: boolean, sendTo: "private" | "public"): boolean {
  const network = new NatNetwork({ random: new Random(1) });
  const nat = createNat({ isHairpinning });
  const [a, z] = ["10.0.0.1", "10.0.0.2"].map((address) => network.addHost(address, nat));
  if (a === undefined || z === undefined) throw new Error("two hosts");
  let hasArrived = false;
  z.handlers.set(5_000, () => hasArrived = true);
  const own = { address: z.address, port: 5_000 };
  const mapped = nat.translateOut(own, one, 0);
  const destination = sendTo === "private" ? own : mapped;
  network.send(a, { source: inner, destination, bytes: new Uint8Array(1) });
  for (let event = network.clock.advance(); event; event = network.clock.advance()) event();
  return hasArrived;
}

Deno.test("hosts on one LAN reach each other there, and by a hairpin where there is one", () => {
  equal(arrives(false, "private"), true);
  equal(arrives(true, "private"), true);
  equal(arrives(true, "public"), true);
  equal(arrives(false, "public"), false);
});
