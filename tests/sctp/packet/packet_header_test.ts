import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  hasValidChecksum,
  hasZeroChecksum,
  packetHeaderLength,
  parsePacketHeader,
  writeChecksum,
  writePacketHeader,
} from "../../../src/sctp/packet/packet_header.ts";
import { hex, parseAmid } from "./amid.ts";
import { slowCrc32c } from "./slow_crc32c.ts";

const seed = 18;
const header = { sourcePort: 5000, destinationPort: 5001, verificationTag: 0xdeadbeef };
const uint16 = fc.nat(0xffff);
const uint32 = fc.nat(0xffffffff);

/** COOKIE ACK from port 5000 to port 5000, with the checksum in the order of the wire. */
function cookieAckPacket(): Uint8Array {
  const packet = hex("1388 1388 12345678 00000000", "0b000004");
  const crc = slowCrc32c(packet);
  packet.set([crc & 0xff, (crc >>> 8) & 0xff, (crc >>> 16) & 0xff, crc >>> 24], 8);
  return packet;
}

Deno.test("a header is written as RFC 9260 section 3.1 has it, with a checksum of zero", () => {
  const out = new Uint8Array(16).fill(0xee);
  writePacketHeader(out, 2, header);
  equal(out.toHex(), "eeee" + "13881389" + "deadbeef" + "00000000" + "eeee");
  ok(hasZeroChecksum(out, 2));
});

Deno.test("a header is read back", () => {
  fc.assert(
    fc.property(uint16, uint16, uint32, (sourcePort, destinationPort, verificationTag) => {
      const written = { sourcePort, destinationPort, verificationTag };
      const bytes = new Uint8Array(packetHeaderLength);
      writePacketHeader(bytes, 0, written);
      const into = { sourcePort: 0, destinationPort: 0, verificationTag: 0 };
      ok(parseAmid(bytes, (...range) => parsePacketHeader(...range, into)));
      deepEqual(into, written);
    }),
    { seed },
  );
});

Deno.test("a packet shorter than a header has none, and changes nothing", () => {
  const into = { ...header };
  for (let length = 0; length < packetHeaderLength; length++) {
    ok(!parseAmid(new Uint8Array(length), (...range) => parsePacketHeader(...range, into)));
  }
  deepEqual(into, header);
});

Deno.test("S17: the lowest byte of the CRC32c is sent first", () => {
  const packet = cookieAckPacket();
  ok(hasValidChecksum(packet, 0, packet.length));
  const written = packet.slice();
  written.set([9, 9, 9, 9], 8);
  writeChecksum(written, 0, written.length);
  equal(written.toHex(), packet.toHex());
});

Deno.test("S17: a packet with any one bit changed has no valid checksum", () => {
  const packet = cookieAckPacket();
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const changed = packet.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    ok(!hasValidChecksum(changed, 0, changed.length), `${bit}`);
  }
});

Deno.test("S17: what is written is valid, wherever it stands, and checking changes no byte", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 300 }), (bytes) => {
      const packet = bytes.slice();
      writeChecksum(packet, 0, packet.length);
      const before = packet.toHex();
      ok(parseAmid(packet, hasValidChecksum));
      ok(hasValidChecksum(packet, 0, packet.length));
      equal(packet.toHex(), before);
    }),
    { seed },
  );
});

Deno.test("S17: a checksum of zero is told from others, and is not valid by itself", () => {
  const packet = cookieAckPacket();
  ok(!hasZeroChecksum(packet, 0));
  packet.fill(0, 8, 12);
  ok(hasZeroChecksum(packet, 0));
  ok(!hasValidChecksum(packet, 0, packet.length));
});
