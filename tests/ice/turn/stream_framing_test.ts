import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { writeStunMessage } from "../../../src/ice/stun/message.ts";
import { methods } from "../../../src/ice/stun/message_header.ts";
import { StreamFraming } from "../../../src/ice/turn/stream_framing.ts";
import { channelData } from "./fake_turn_server.ts";

/** Four bytes a line, as it is over a stream. */
function padded(message: Uint8Array): Uint8Array {
  const whole = new Uint8Array((message.length + 3) & ~3);
  whole.set(message);
  return whole;
}

function stun(dataLength: number): Uint8Array {
  return writeStunMessage({
    messageClass: "indication",
    method: methods.data,
    transactionId: new Uint8Array(12).fill(dataLength),
    attributes: { data: new Uint8Array(dataLength).fill(0x4a) },
  });
}

const anyMessage = fc.oneof(
  fc.nat(300).map(stun),
  fc.tuple(fc.integer({ min: 0x4000, max: 0x4fff }), fc.uint8Array({ maxLength: 300 }))
    .map(([number, data]) => padded(channelData(number, data))),
);

/** What comes out of a stream in pieces, as copies; the bytes that were lent are overwritten. */
function frames(pieces: readonly Uint8Array[]): Uint8Array[] {
  const messages: Uint8Array[] = [];
  const framing = new StreamFraming((bytes, start, end) => {
    messages.push(bytes.slice(start, end));
    bytes.fill(0xdb, start, end);
  });
  for (const piece of pieces) {
    const lent = new Uint8Array(piece.length + 2).fill(0xdb);
    lent.set(piece, 1);
    ok(framing.handleBytes(lent, 1, lent.length - 1));
    lent.fill(0xdb);
  }
  return messages;
}

function join(messages: readonly Uint8Array[]): Uint8Array {
  const stream = new Uint8Array(messages.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const message of messages) {
    stream.set(message, at);
    at += message.length;
  }
  return stream;
}

Deno.test("gives the messages of a stream back, however it is cut", () => {
  fc.assert(fc.property(
    fc.array(anyMessage, { maxLength: 8 }),
    fc.array(fc.nat(400), { maxLength: 20 }),
    (messages, lengths) => {
      const stream = join(messages);
      const pieces: Uint8Array[] = [];
      let at = 0;
      for (const length of [...lengths, stream.length]) {
        pieces.push(stream.slice(at, at + length));
        at += length;
      }
      deepEqual(frames(pieces), messages);
    },
  ));
});

Deno.test("gives the messages of a stream back that comes byte by byte", () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 5 }), (messages) => {
      deepEqual(frames([...join(messages)].map((byte) => Uint8Array.of(byte))), messages);
    }),
    { numRuns: 30, examples: [[[channelData(0x4000, new Uint8Array(0)), stun(0)]]] },
  );
});

Deno.test("takes the longest messages there can be", () => {
  const longest = [
    padded(channelData(0x4000, new Uint8Array(0xffff).fill(1))),
    stun(65_000),
    padded(channelData(0x4001, new Uint8Array(0xfffd).fill(2))),
  ];
  const stream = join(longest);
  deepEqual(frames([stream]), longest);
  deepEqual(frames([stream.slice(0, 70_000), stream.slice(70_000)]), longest);
  deepEqual(frames([stream.slice(0, 1), stream.slice(1)]), longest);
});

Deno.test("a stream that is not TURN is broken, and stays so", () => {
  const openings = [
    "SSH-2.0-OpenSSH_9.2p1\r\n",
    "\x16\x03\x03\x00\x10 a TLS record",
    "\x00\x01\x00\x00 not the cookie",
    "\x00\x01\x00\x03\x21\x12\xa4\x42 a length that is not padded",
    "\x50\x00\x00\x00 a number of no channel",
    "\xff",
  ];
  for (const opening of openings) {
    const bytes = Uint8Array.from(opening, (character) => character.charCodeAt(0));
    for (const before of [new Uint8Array(0), stun(3)]) {
      const stream = join([before, bytes]);
      for (const size of [1, stream.length]) {
        let count = 0;
        const framing = new StreamFraming(() => count++);
        let isTurn = true;
        for (let at = 0; at < stream.length; at += size) {
          isTurn = framing.handleBytes(stream, at, Math.min(stream.length, at + size));
        }
        equal(isTurn, false, opening);
        equal(count, before.length > 0 ? 1 : 0);
        const message = stun(1);
        equal(framing.handleBytes(message, 0, message.length), false);
      }
    }
  }
});
