import { equal, ok } from "node:assert/strict";
import { addressDefect, scopeOf } from "../../src/ice/address_policy.ts";
import type { Candidate } from "../../src/ice/candidate.ts";
import { canonicalAddress } from "../../src/ice/stun/address.ts";
import { shortTermKey } from "../../src/ice/stun/integrity.ts";
import { writeStunMessage } from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { addressOfA, createTwoPeers } from "./two_peers.ts";

const strict = { isLinkLocalAllowed: false, isLoopbackAllowed: false };

/** In no spelling may any of these be sent to. */
const refused = `
  0.0.0.0 0.1.2.3 0.255.255.255 127.0.0.1 127.0.0.53 127.255.255.254 169.254.0.1 169.254.169.254
  169.254.255.255 224.0.0.1 224.0.0.251 232.1.1.1 239.255.255.250 240.0.0.1 250.1.1.1
  255.255.255.255 :: ::1 ::0.0.0.1 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:7F00:0001
  0:0:0:0:0:ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe
  ::ffff:224.0.0.1 ::ffff:255.255.255.255 ::127.0.0.1 ::7f00:1 ::8.8.8.8 ::2 fe80::1 fe80::
  febf::1 fe9f:ffff::1 feaa::1 FE80::ABCD ff00:: ff02::1 ff02::fb ff05::2 ff0e::1 ffff::1
  fe80::1%eth0 127.1 127.0.1 0177.0.0.1 0x7f.0.0.1 0x7f000001 2130706433 017700000001 localhost
  4a7c3b1e-1111-4222-8333-abcdefabcdef.local printer.local example.org 1.2.3.4.5 256.1.1.1 1.2.3
  [::1] ::ffff:127.0.0.256`;

const accepted = `
  1.1.1.1 8.8.8.8 10.0.0.1 100.64.0.1 172.16.0.1 192.168.0.1 192.0.2.1 223.255.255.255 126.1.1.1
  128.0.0.1 169.253.0.1 169.255.0.1 2001:db8::1 fc00::1 fd12:3456::1 64:ff9b::7f00:1 fec0::1
  2606:4700::1111 ::ffff:10.0.0.1`;

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function candidateAt(address: string, port = 4_000): Candidate {
  return {
    foundation: "1",
    component: 1,
    transport: "udp",
    priority: 1,
    address,
    port,
    type: "host",
  };
}

Deno.test("addresses that nobody is to be made to send to are refused", () => {
  ok(words(refused).length >= 60);
  for (const text of words(refused)) {
    const defects = [text, canonicalAddress(text) ?? text].map((address) =>
      addressDefect({ address, port: 4_000 }, strict)
    );
    ok(defects.every((one) => one !== undefined), text);
  }
});

Deno.test("all other addresses are accepted", () => {
  for (const text of words(accepted)) {
    equal(addressDefect({ address: text, port: 4_000 }, strict), undefined, text);
  }
});

Deno.test("ports are 1 to 65535", () => {
  for (const port of [0, -1, 65_536, 1.5, NaN, Infinity]) {
    ok(addressDefect({ address: "8.8.8.8", port }, strict) !== undefined, String(port));
  }
});

Deno.test("priorities are 1 to 2^31 - 1", () => {
  const { world, a } = createTwoPeers();
  for (const priority of [0, -1, 2 ** 31, 1.5, NaN, Infinity]) {
    const defect = a.agent.addRemoteCandidate(
      { ...candidateAt("8.8.8.8"), priority },
      world.now,
    );
    equal(typeof defect, "string", String(priority));
  }
  equal(a.agent.addRemoteCandidate(candidateAt("8.8.8.8"), world.now), undefined);
});

Deno.test("link-local and loopback are accepted where they are allowed", () => {
  const lenient = { isLinkLocalAllowed: true, isLoopbackAllowed: true };
  for (const address of ["fe80::1", "169.254.1.1", "127.0.0.1", "::1"]) {
    equal(addressDefect({ address, port: 1 }, lenient), undefined, address);
  }
  ok(addressDefect({ address: "ff02::1", port: 1 }, lenient) !== undefined);
  equal(scopeOf("example.org"), undefined);
});

Deno.test("an agent sends nothing to addresses that are refused, and says why", () => {
  const { world, a, z } = createTwoPeers();
  const sentTo = new Set<string>();
  a.onSend = (_bytes, { address }) => sentTo.add(address);
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  // A peer may say 32 things at most; it is a new agent for each of these.
  for (const address of words(refused)) a.agent.addRemoteCandidate(candidateAt(address), world.now);
  world.runFor(5_000);
  equal(sentTo.size, 0, [...sentTo].join(" "));
  equal(typeof a.agent.addRemoteCandidate(candidateAt("ff02::1"), world.now), "string");
});

Deno.test("an agent sends nothing to its own socket, however that is spelt", () => {
  const ipv6 = "2001:db8::1";
  const { world, a, z } = createTwoPeers({ a: { addresses: [addressOfA, ipv6] } });
  let sentCount = 0;
  a.onSend = () => sentCount++;
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  for (const address of [addressOfA, `::ffff:${addressOfA}`]) {
    a.agent.addRemoteCandidate(candidateAt(address, 5_000), world.now);
  }
  for (const address of [ipv6, "2001:DB8:0:0:0::1", "2001:db8::0.0.0.1"]) {
    a.agent.addRemoteCandidate(candidateAt(address, 5_001), world.now);
  }
  world.runFor(5_000);
  equal(sentCount, 0);
});

Deno.test("loopback is told and tried only where the peer has an address of ours", () => {
  const { world, a, z } = createTwoPeers({ a: { addresses: [addressOfA, "127.0.0.1"] } });
  const sentTo = new Set<string>();
  a.onSend = (_bytes, { address }) => sentTo.add(address);
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  a.agent.addRemoteCandidate(candidateAt("127.0.0.1"), world.now);
  world.runFor(2_000);
  equal(sentTo.size, 0);
  equal(a.candidates().map(({ address }) => address).join(), addressOfA);
  a.agent.addRemoteCandidate(candidateAt(addressOfA), world.now);
  world.runFor(2_000);
  equal([...sentTo].join(), `${addressOfA},127.0.0.1`);
  equal(a.candidates().map(({ address }) => address).join(), `${addressOfA},127.0.0.1`);
  const [direct, loopback] = a.candidates();
  ok((direct?.priority ?? 0) > (loopback?.priority ?? 0));
});

Deno.test("an agent that has come from loopback to another address of ours is heard", () => {
  const { a, z, world } = createTwoPeers();
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  world.runFor(10);
  const { ufrag, pwd } = a.agent.localCredentials;
  const source = { address: "127.0.0.1", port: 4_000 };
  const check = writeStunMessage({
    messageClass: "request",
    method: methods.binding,
    transactionId: new Uint8Array(12),
    attributes: {
      username: `${ufrag}:${z.agent.localCredentials.ufrag}`,
      priority: 1,
      iceControlled: 1n,
    },
  }, { key: shortTermKey(pwd) });
  equal(a.agent.isFromPeer(1, source), false);
  a.receive(1, source, check);
  equal(a.agent.isFromPeer(1, source), true);
});

Deno.test("loopback is told where there is nothing else", () => {
  const { world, a } = createTwoPeers({ a: { addresses: ["127.0.0.1"] } });
  world.runFor(10);
  equal(a.candidates().length, 1);
});
