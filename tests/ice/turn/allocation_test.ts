import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { StunMessage } from "../../../src/ice/stun/message.ts";
import { methods } from "../../../src/ice/stun/message_header.ts";
import { allocate, ofType, turnPair } from "./client_endpoint.ts";
import { mapped, type Refusal, relayed, relayed6 } from "./fake_turn_server.ts";

const peer = { address: "198.51.100.9", port: 4_000 };
const hello = new TextEncoder().encode("hello");

function refuseOnce(
  method: number,
  refusal: Refusal,
): (request: StunMessage) => Refusal | undefined {
  let isRefused = false;
  return (request) => {
    if (request.method !== method || isRefused) return undefined;
    isRefused = true;
    return refusal;
  };
}

Deno.test("an allocation takes a challenge and two round trips", () => {
  const pair = allocate(turnPair());
  equal(pair.now, 80);
  deepEqual(ofType(pair.events.a, "allocated"), [
    { type: "allocated", relayed, mapped, lifetimeSeconds: 600 },
  ]);
  deepEqual(pair.z.requests.map(({ attributes }) => attributes.nonce), [undefined, "20"]);
  ok(pair.a.client.isAllocated);
});

Deno.test("a server that asks nobody who it is serves too", () => {
  const pair = allocate(turnPair({ server: { isAuthenticating: false } }));
  equal(pair.now, 40);
  pair.runFor(900_000);
  ok(pair.z.hasAllocation(pair.now));
});

Deno.test("a wrong secret fails after the second 401, and says what to check", () => {
  const pair = turnPair({ client: { password: "wrong" } });
  pair.run({ until: () => pair.events.a.length > 0 });
  equal(pair.z.requests.length, 2);
  const [failed] = ofType(pair.events.a, "failed");
  equal(failed?.code, 401);
  match(failed?.reason ?? "", /refuses the user or the secret.*\(401 /);
  pair.runUntilIdle();
  ok(pair.a.client.hasEnded);
});

const failures: [code: number, words: RegExp][] = [
  [300, /another one/],
  [400, /bad/],
  [403, /forbids/],
  [420, /does not understand/],
  [437, /another allocation/],
  [441, /takes the user or the secret for others/],
  [442, /no UDP: take another/],
  [486, /raise its user quota/],
  [500, /failed/],
  [508, /no port or memory left/],
  [699, /refuses/],
];
for (const [code, words] of failures) {
  Deno.test(`an allocation that is refused with ${code} fails with words`, () => {
    const pair = turnPair({ server: { refuse: () => ({ code }) } });
    pair.runUntilIdle();
    const [failed] = ofType(pair.events.a, "failed");
    equal(pair.events.a.length, 1);
    equal(failed?.code, code);
    match(failed?.reason ?? "", words);
    match(failed?.reason ?? "", new RegExp(`\\(${code} "as the \\[31m test wants it"\\)$`));
    equal(pair.a.client.nextTimeout(), undefined);
  });
}

Deno.test("a nonce that is stale at once is asked for again, for as often as makes sense", () => {
  const pair = turnPair({ server: { refuse: refuseOnce(methods.allocate, { code: 438 }) } });
  allocate(pair);
  equal(pair.z.requests.length, 3);
  const never = turnPair({ server: { refuse: () => ({ code: 438 }) } });
  never.runUntilIdle();
  equal(ofType(never.events.a, "failed")[0]?.code, 438);
  equal(never.z.requests.length, 8);
});

Deno.test("300 names another server, signed or before anything is signed", () => {
  const server = { address: "192.0.2.99", port: 3_478 };
  const refusal = { code: 300, attributes: { alternateServer: server } };
  for (const isAuthenticating of [true, false]) {
    const pair = turnPair({
      server: { isAuthenticating, refuse: () => ({ ...refusal, isSigned: isAuthenticating }) },
    });
    pair.runUntilIdle();
    deepEqual(pair.events.a, [{ type: "alternate", server }]);
    ok(pair.a.client.hasEnded);
  }
});

Deno.test("IPv6 is taken where a server has no IPv4", () => {
  const pair = allocate(turnPair({ server: { hasIpv4: false } }));
  deepEqual(ofType(pair.events.a, "allocated")[0]?.relayed, relayed6);
});

Deno.test("a family that is asked for is had, or nothing", () => {
  const pair = allocate(turnPair({ client: { family: "ipv6" } }));
  deepEqual(ofType(pair.events.a, "allocated")[0]?.relayed, relayed6);
  const refused = turnPair({ client: { family: "ipv4" }, server: { hasIpv4: false } });
  refused.runUntilIdle();
  equal(ofType(refused.events.a, "failed")[0]?.code, 440);
});

Deno.test("requests go seven times in 39.5 s over UDP, and once over a stream", () => {
  const times = [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500];
  for (const isStream of [false, true]) {
    const pair = turnPair({ client: { isStream }, verdict: () => "drop" });
    const sent = pair.recordSent();
    pair.runUntilIdle();
    deepEqual(sent.map(({ at }) => at), isStream ? [0] : times);
    equal(pair.now, 39_500);
    deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), ["timeout"]);
  }
});

Deno.test("a lifetime is refreshed at its half, whatever it is", () => {
  for (const lifetimeSeconds of [10, 600, 3_600]) {
    const pair = allocate(turnPair({ server: { lifetimeSeconds } }));
    const before = pair.z.requests.length;
    pair.runFor(lifetimeSeconds * 500 + 100);
    deepEqual(pair.z.requests.slice(before).map(({ method }) => method), [methods.refresh]);
    pair.runFor(lifetimeSeconds * 2_000);
    ok(pair.z.hasAllocation(pair.now));
    equal(pair.z.allocationCount, 1);
  }
});

Deno.test("a lifetime that is longer than timers go, and none at all", () => {
  const long = allocate(turnPair({ server: { lifetimeSeconds: 2 ** 32 - 1 } }));
  equal(ofType(long.events.a, "allocated")[0]?.lifetimeSeconds, 3_600);
  const none = turnPair({ server: { lifetimeSeconds: 0 } });
  none.runUntilIdle();
  equal(ofType(none.events.a, "failed")[0]?.code, "malformed");
});

Deno.test("an allocation outlives a server that is away for half its lifetime", () => {
  const pair = allocate(turnPair());
  pair.runFor(299_000);
  pair.cut();
  pair.runFor(200_000);
  pair.heal();
  pair.runFor(1_000_000);
  ok(pair.z.hasAllocation(pair.now));
  deepEqual(ofType(pair.events.a, "failed"), []);
});

Deno.test("an allocation ends with its lifetime when the server does not come back", () => {
  const pair = allocate(turnPair());
  pair.cut();
  pair.runFor(600_000);
  deepEqual(ofType(pair.events.a, "failed").map(({ code }) => code), ["timeout"]);
  equal(pair.a.client.isAllocated, false);
  equal(pair.a.send(peer, hello, pair.now), false);
});

Deno.test("a server that has forgotten the allocation ends it with the next request", () => {
  const pair = allocate(turnPair());
  pair.z.forget();
  pair.call("a", (client, now) => client.client.permit(peer, now));
  pair.runFor(1_000);
  const [failed] = ofType(pair.events.a, "failed");
  equal(failed?.code, 437);
  match(failed?.reason ?? "", /does not know the allocation any more/);
});

Deno.test("close gives the allocation back, over a stale nonce too", () => {
  const pair = allocate(turnPair({ server: { nonceLifetime: 1_000 } }));
  pair.runFor(5_000);
  pair.call("a", (client, now) => client.client.close(now));
  equal(pair.a.client.hasEnded, false);
  const duration = pair.runUntilIdle();
  equal(duration, 80);
  deepEqual([pair.z.releasedCount, pair.z.staleCount], [1, 1]);
  ok(pair.a.client.hasEnded);
});

Deno.test("close waits a second for a server that is dead, and for none before it was asked", () => {
  const pair = allocate(turnPair());
  pair.cut();
  pair.call("a", (client, now) => client.client.close(now));
  equal(pair.runUntilIdle(), 1_000);
  ok(pair.a.client.hasEnded);
  const fresh = turnPair();
  fresh.call("a", (client, now) => client.client.close(now));
  ok(fresh.a.client.hasEnded);
});

Deno.test("what may have been allocated when it is closed is given back", () => {
  const pair = turnPair();
  pair.runFor(50); // The request that is signed is under way.
  pair.call("a", (client, now) => client.client.close(now));
  pair.runUntilIdle();
  deepEqual([pair.z.allocationCount, pair.z.releasedCount], [1, 1]);
});

Deno.test("over UDP the way to the server is kept open, and over a stream nothing is said", () => {
  for (const isStream of [false, true]) {
    const pair = allocate(turnPair({ client: { isStream } }));
    const sent = pair.recordSent();
    pair.runFor(100_000);
    const binding = sent.filter(({ bytes }) => bytes[0] === 0 && bytes[1] === 0x11);
    equal(binding.length, isStream ? 0 : 6);
    equal(sent.length, binding.length);
  }
});
