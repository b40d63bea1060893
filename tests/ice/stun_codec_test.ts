import { deepEqual, equal, ok } from "node:assert/strict";
import { canonicalAddress, parseAddress } from "../../src/ice/stun/address.ts";
import type { StunAttributes } from "../../src/ice/stun/attributes.ts";
import { fingerprintOf } from "../../src/ice/stun/fingerprint.ts";
import { shortTermKey, verifyIntegrity } from "../../src/ice/stun/integrity.ts";
import {
  maxMessageLength,
  parseStunMessage,
  type StunContent,
  writeStunMessage,
} from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { canonicalAddress as endpointAddress } from "../../src/socket/endpoint.ts";
import { Random } from "../sim/random.ts";

const key = shortTermKey("a password of the test");
const transactionId = Uint8Array.from({ length: 12 }, (_, n) => n + 1);

const ipv4 = { address: "203.0.113.7", port: 40_001 };
const ipv6 = { address: "2001:db8::7", port: 1 };

/** One of each attribute. */
const samples: readonly StunAttributes[] = [
  { username: "left:right" },
  { username: "マトリックス" },
  { realm: "example.org" },
  { nonce: "obMatJos2AAAB" },
  { mappedAddress: ipv4 },
  { mappedAddress: ipv6 },
  { xorMappedAddress: ipv4 },
  { xorMappedAddress: ipv6 },
  { alternateServer: ipv6 },
  { errorCode: { code: 487, reason: "Role Conflict" } },
  { errorCode: { code: 300, reason: "" } },
  { unknownAttributes: [0x7fff, 0x0030, 0x0031] },
  { priority: 2 ** 32 - 1 },
  { useCandidate: true },
  { iceControlled: 2n ** 64n - 1n },
  { iceControlling: 1n },
  { channelNumber: 0x4fff },
  { lifetimeSeconds: 600 },
  { xorPeerAddresses: [ipv4, ipv6] },
  { xorRelayedAddress: ipv6 },
  { requestedAddressFamily: "ipv6" },
  { evenPort: true },
  { evenPort: false },
  { requestedTransport: 17 },
  { dontFragment: true },
  { reservationToken: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  { data: Uint8Array.of(1, 2, 3, 4, 5) },
];

function contentOf(attributes: StunAttributes): StunContent {
  return { messageClass: "request", method: methods.allocate, transactionId, attributes };
}

/** A message of these attributes, as they lie on the wire. */
function messageOf(...attributes: readonly (readonly [number, ...number[]])[]): Uint8Array {
  const body = attributes.flatMap(([type, ...value]) => [
    type >> 8,
    type & 255,
    value.length >> 8,
    value.length & 255,
    ...value,
    ...new Array<number>((4 - value.length % 4) % 4).fill(0),
  ]);
  const header = writeStunMessage(contentOf({}), { hasFingerprint: false });
  header[2] = body.length >> 8;
  header[3] = body.length;
  return Uint8Array.of(...header, ...body);
}

function parse(bytes: Uint8Array) {
  return parseStunMessage(bytes, 0, bytes.length);
}

Deno.test("every attribute is read as it was written", () => {
  for (const attributes of samples) {
    const message = parse(writeStunMessage(contentOf(attributes), { key }));
    deepEqual(message?.attributes, attributes);
    deepEqual(message?.transactionId, transactionId);
    ok(message !== undefined && verifyIntegrity(message, key));
  }
});

Deno.test("every class and method is read as it was written", () => {
  for (const messageClass of ["request", "indication", "success", "error"] as const) {
    for (const method of [...Object.values(methods), 0xfff, 0x080, 0x010]) {
      const message = parse(writeStunMessage({ ...contentOf({}), messageClass, method }));
      equal(message?.messageClass, messageClass);
      equal(message?.method, method);
    }
  }
});

Deno.test("a message is read in the middle of a buffer", () => {
  const bytes = writeStunMessage(contentOf({ username: "a:b", xorMappedAddress: ipv6 }), { key });
  const buffer = new Uint8Array(bytes.length + 20).fill(255);
  buffer.set(bytes, 7);
  const message = parseStunMessage(buffer, 7, 7 + bytes.length);
  equal(message?.attributes.username, "a:b");
  ok(message !== undefined && verifyIntegrity(message, key));
});

Deno.test("refuses every truncation", () => {
  for (const attributes of samples) {
    const bytes = writeStunMessage(contentOf(attributes), { key });
    for (let end = 0; end < bytes.length; end++) {
      equal(parseStunMessage(bytes, 0, end), undefined);
      const relabelled = bytes.slice(0, end);
      if (end < 20) continue;
      relabelled[2] = (end - 20) >> 8;
      relabelled[3] = end - 20;
      const message = parse(relabelled);
      // What is cut between two attributes is a message still, but no verified one.
      ok(message === undefined || !verifyIntegrity(message, key) || end === bytes.length - 8);
    }
  }
});

Deno.test("refuses every attribute that is a byte too short or too long", () => {
  const lengths = [[0x0001, 8], [0x0020, 8], [0x0024, 4], [0x0025, 0], [0x8029, 8], [0x802a, 8]];
  const more = [[0x000c, 4], [0x000d, 4], [0x0017, 4], [0x0018, 1], [0x0019, 4], [0x001a, 0]];
  for (const [type = 0, length = 0] of [...lengths, ...more, [0x0022, 8], [0x0008, 20]]) {
    const value = (count: number) => new Array<number>(count).fill(1);
    ok(parse(messageOf([type, ...value(length)])) !== undefined, `${type} as it should be`);
    equal(parse(messageOf([type, ...value(length + 1)])), undefined, `${type} too long`);
    if (length > 0) equal(parse(messageOf([type, ...value(length - 1)])), undefined, `${type}`);
  }
});

Deno.test("refuses what is too long or has too many attributes", () => {
  const fits = messageOf([0x8000, ...new Array<number>(maxMessageLength - 24).fill(0)]);
  equal(fits.length, maxMessageLength);
  ok(parse(fits) !== undefined);
  equal(parse(messageOf([0x8000, ...new Array<number>(maxMessageLength - 20).fill(0)])), undefined);
  const attribute = [0x8000] as const;
  ok(parse(messageOf(...new Array<typeof attribute>(64).fill(attribute))) !== undefined);
  equal(parse(messageOf(...new Array<typeof attribute>(65).fill(attribute))), undefined);
});

Deno.test("refuses texts of more than 763 bytes, and what is no text", () => {
  for (const type of [0x0006, 0x0014, 0x0015]) {
    ok(parse(messageOf([type, ...new Array<number>(763).fill(97)])) !== undefined);
    equal(parse(messageOf([type, ...new Array<number>(764).fill(97)])), undefined);
    equal(parse(messageOf([type, 97, 0xff])), undefined);
  }
  ok(parse(messageOf([0x0009, 0, 0, 4, 0, ...new Array<number>(763).fill(97)])) !== undefined);
  equal(parse(messageOf([0x0009, 0, 0, 4, 0, ...new Array<number>(764).fill(97)])), undefined);
});

Deno.test("refuses codes that no error has, and lists of half a type", () => {
  for (const [hundreds = 0, rest = 0] of [[2, 0], [7, 0], [4, 100], [0, 0]]) {
    equal(parse(messageOf([0x0009, 0, 0, hundreds, rest])), undefined, `${hundreds} ${rest}`);
  }
  equal(parse(messageOf([0x0009, 0, 0, 4])), undefined);
  equal(parse(messageOf([0x000a, 0, 1, 2])), undefined);
});

Deno.test("refuses addresses of no family, or without one", () => {
  for (const type of [0x0001, 0x0020, 0x0012, 0x0016, 0x8023]) {
    ok(parse(messageOf([type, 0, 1, 1, 1, 1, 1, 1, 1])) !== undefined);
    for (const family of [0, 3, 255]) {
      equal(parse(messageOf([type, 0, family, 1, 1, 1, 1, 1, 1])), undefined);
    }
    for (const length of [0, 1, 3]) {
      equal(parse(messageOf([type, ...new Array<number>(length).fill(1)])), undefined);
    }
  }
});

Deno.test("names the unknown attributes that ought to be understood, and no others", () => {
  const message = parse(messageOf([0x7777, 1], [0x8777, 1], [0x0002, 1, 2]));
  deepEqual(message?.unknownRequired, [0x7777, 0x0002]);
});

Deno.test("of two attributes of one type the first counts", () => {
  const message = parse(messageOf([0x0024, 0, 0, 0, 1], [0x0024, 0, 0, 0, 2]));
  equal(message?.attributes.priority, 1);
});

Deno.test("what follows MESSAGE-INTEGRITY is ignored", () => {
  const signed = writeStunMessage(contentOf({ username: "a:b" }), { key, hasFingerprint: false });
  const [useCandidate, unknown] = [messageOf([0x0025]), messageOf([0x7777, 1, 2, 3, 4])];
  const bytes = Uint8Array.of(...signed, ...useCandidate.slice(20), ...unknown.slice(20));
  bytes[3] = bytes.length - 20;
  const message = parse(bytes);
  deepEqual(message?.attributes, { username: "a:b" });
  deepEqual(message?.unknownRequired, []);
  ok(message !== undefined && verifyIntegrity(message, key));
});

Deno.test("what follows MESSAGE-INTEGRITY-SHA256 is ignored, and so is MESSAGE-INTEGRITY", () => {
  const sha256 = [0x001c, ...new Array<number>(32).fill(7)] as const;
  const sha1 = [0x0008, ...new Array<number>(20).fill(7)] as const;
  const message = parse(messageOf([0x0006, 97], [...sha256], [...sha1], [0x0025]));
  deepEqual(message?.attributes, { username: "a" });
  equal(message?.signed, undefined);
});

Deno.test("refuses a wrong FINGERPRINT, and anything behind it", () => {
  const bytes = writeStunMessage(contentOf({ username: "a:b" }));
  for (let bit = 0; bit < 32; bit++) {
    const spoilt = bytes.slice();
    const at = bytes.length - 1 - (bit >> 3);
    spoilt[at] = (spoilt[at] ?? 0) ^ (1 << (bit & 7));
    equal(parse(spoilt), undefined);
  }
  const longer = Uint8Array.of(...bytes, 0x80, 0, 0, 0);
  longer[3] = longer.length - 20;
  equal(parse(longer), undefined);
  const end = bytes.length - 8;
  new DataView(longer.buffer).setUint32(end + 4, fingerprintOf(longer, 0, end));
  ok(parse(longer.slice(0, end)) === undefined && parse(longer) === undefined);
});

Deno.test("refuses what reaches beyond its end, whatever lies there", () => {
  for (const length of [5, 8, 9, 0xffff]) {
    const lying = messageOf([0x0013, 1, 2, 3, 4]);
    lying[22] = length >> 8;
    lying[23] = length;
    const buffer = Uint8Array.of(...lying, ...new Array<number>(100).fill(0x80));
    equal(parseStunMessage(buffer, 0, lying.length), undefined, `${length} bytes of 4`);
  }
});

Deno.test("refuses MESSAGE-INTEGRITY-SHA256 of a length that it cannot have", () => {
  for (let length = 0; length <= 40; length++) {
    const message = parse(messageOf([0x001c, ...new Array<number>(length).fill(7)]));
    const isLength = length >= 16 && length <= 32 && length % 4 === 0;
    equal(message !== undefined, isLength, `${length} bytes`);
  }
});

Deno.test("no bit of a message can be changed without the key", () => {
  const bytes = writeStunMessage(contentOf({ username: "a:b", priority: 7 }), {
    key,
    hasFingerprint: false,
  });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const spoilt = bytes.slice();
    spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const message = parse(spoilt);
    ok(message === undefined || !verifyIntegrity(message, key), `bit ${bit}`);
  }
});

Deno.test("a message without MESSAGE-INTEGRITY is not verified, whatever the key", () => {
  const message = parse(writeStunMessage(contentOf({ username: "a:b" })));
  ok(message !== undefined && !verifyIntegrity(message, key));
  ok(!verifyIntegrity(message, new Uint8Array(0)));
});

Deno.test("refuses the most significant bits, another cookie, and odd lengths", () => {
  const bytes = writeStunMessage(contentOf({ priority: 1 }), { hasFingerprint: false });
  ok(parse(bytes) !== undefined);
  for (const [at, value] of [[0, 0x40], [0, 0x80], [4, 0x20], [7, 0x43], [3, 9], [3, 7]]) {
    const spoilt = bytes.slice();
    spoilt[at ?? 0] = value ?? 0;
    equal(parse(spoilt), undefined, `byte ${at} as ${value}`);
  }
});

Deno.test("IPv4-mapped addresses are IPv4 addresses", () => {
  const mapped = [...new Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1];
  const message = parse(messageOf([0x0001, 0, 2, 0x12, 0x34, ...mapped]));
  deepEqual(message?.attributes.mappedAddress, { address: "127.0.0.1", port: 0x1234 });
  equal(parseAddress("::ffff:127.0.0.1")?.length, 4);
});

Deno.test("addresses are spelt as endpoints are", () => {
  const random = new Random("addresses");
  const group = () => random.chance(0.6) ? 0 : random.below(65_536);
  for (let count = 0; count < 5_000; count++) {
    const groups = Array.from({ length: 8 }, group);
    const text = groups.map((one) => one.toString(16)).join(":");
    equal(canonicalAddress(text), endpointAddress(text));
    const canonical = canonicalAddress(text) ?? "";
    equal(canonicalAddress(canonical), canonical);
  }
});

Deno.test("odd spellings of addresses are read as endpoints read them, or not at all", () => {
  const spellings = `1.2.3.4 01.2.3.4 1.2.3 1.2.3.256 1.2.3.4.5 0x7f.1 2130706433 :: ::1 1::
    1::2::3 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7 ::ffff:1.2.3.4 ::FFFF:102:304
    ::1.2.3.4 1.2.3.4:: 1:2:3:4:5:6:1.2.3.4 1:2:3:4:5:6:7:1.2.3.4 fe80::1%eth0 12345:: ::g
    ::1.2.3 ::1.2.3.04 ABCD::EF : ::: 1:2 [::1] 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 localhost`;
  for (const text of spellings.split(/\s+/)) {
    equal(canonicalAddress(text), endpointAddress(text), text);
  }
});
