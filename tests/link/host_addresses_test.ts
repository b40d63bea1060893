import { equal, ok } from "node:assert/strict";
import { hostAddresses } from "../../src/link/host_addresses.ts";

Deno.test("gathers on all addresses of this host once, loopback last, none link-local", () => {
  const addresses = hostAddresses();
  const isLocal = addresses.map((address) => address === "::1" || address.startsWith("127."));
  ok(isLocal.includes(true));
  equal(isLocal.lastIndexOf(false) < isLocal.indexOf(true), true);
  equal(new Set(addresses).size, addresses.length);
  ok(!addresses.some((address) => /^(169\.254\.|fe80:)|%/.test(address)));
});
