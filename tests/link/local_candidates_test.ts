import { deepEqual, equal, ok } from "node:assert/strict";
import { candidatesToGive, hostAddresses } from "../../src/link/local_candidates.ts";
import type { Candidate } from "../../src/link/session_description.ts";

function candidate(address: string, type: Candidate["type"] = "host"): Candidate {
  return { foundation: "x", priority: 1, address, port: 1000, type };
}

const loopback = [candidate("127.0.0.1"), candidate("::1")];
const elsewhere = [
  candidate("192.168.1.5"),
  candidate("2001:db8::5"),
  candidate("198.51.100.4", "srflx"),
  candidate("203.0.113.9", "relay"),
];

function addressesOf(candidates: readonly Candidate[]): string[] {
  return candidates.map(({ address }) => address);
}

Deno.test("gives no loopback address where there is another", () => {
  deepEqual(
    addressesOf(candidatesToGive([...loopback, ...elsewhere], [])),
    addressesOf(elsewhere),
  );
});

Deno.test("gives loopback addresses where there is no other", () => {
  deepEqual(addressesOf(candidatesToGive(loopback, [])), ["127.0.0.1", "::1"]);
  deepEqual(candidatesToGive([], []), []);
});

Deno.test("gives loopback addresses to a peer that may be on this host", () => {
  const all = [...elsewhere, ...loopback];
  for (const address of ["192.168.1.5", "127.0.0.1", "::1"]) {
    deepEqual(addressesOf(candidatesToGive(all, [candidate(address)])), addressesOf(all), address);
  }
  deepEqual(
    addressesOf(candidatesToGive(all, [candidate("192.168.1.6"), candidate("127.0.0.2")])),
    addressesOf(elsewhere),
  );
});

Deno.test("loopback is preferred least, and types are preferred in ICE's order", () => {
  const all = [...loopback, ...elsewhere, candidate("198.51.100.7", "prflx")];
  const given = candidatesToGive(all, [candidate("127.0.0.1")]);
  const byPriority = given.toSorted((one, other) => other.priority - one.priority);
  deepEqual(
    byPriority.map(({ address, type }) => address.includes("127.") ? "loopback" : type).slice(0, 5),
    ["host", "host", "prflx", "srflx", "relay"],
  );
  deepEqual(addressesOf(byPriority.slice(5)).toSorted((one, other) => one < other ? -1 : 1), [
    "127.0.0.1",
    "::1",
  ]);
});

Deno.test("no two candidates have the same priority or foundation", () => {
  const many = Array.from({ length: 20 }, (_, at) => candidate(`10.0.0.${at + 1}`));
  const loopbacks = Array.from({ length: 5 }, (_, at) => candidate(`127.0.0.${at + 1}`));
  const lists = [loopback, [...elsewhere, ...loopback], [...many, ...loopbacks], loopbacks];
  for (const gathered of lists) {
    const given = candidatesToGive(gathered, loopback);
    equal(new Set(given.map(({ foundation }) => foundation)).size, given.length);
    equal(new Set(given.map(({ priority }) => priority)).size, given.length);
    ok(given.every(({ priority }) => priority >= 1 && priority < 2 ** 31));
  }
});

Deno.test("gathers on all addresses of this host once, loopback last, none link-local", () => {
  const addresses = hostAddresses();
  const isLocal = addresses.map((address) => address === "::1" || address.startsWith("127."));
  ok(isLocal.includes(true));
  equal(isLocal.lastIndexOf(false) < isLocal.indexOf(true), true);
  equal(new Set(addresses).size, addresses.length);
  ok(!addresses.some((address) => /^(169\.254\.|fe80:)|%/.test(address)));
});
