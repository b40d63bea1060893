import { deepEqual, equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  parseGreeting,
  parseRequest,
  parseUserAndPassword,
  replyCodes,
  writeReply,
} from "../../../src/forward/socks/socks5_message.ts";
import { parseSocksDatagram } from "../../../src/forward/socks/socks_datagram.ts";
import { parseSocksAddress, writeSocksAddress } from "../../../src/forward/socks/socks_address.ts";
import { canonicalAddress } from "../../../src/socket/endpoint.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

/** The message is read whole, with what follows left, and not before. */
function expectMessage<Message>(
  parse: (bytes: Uint8Array) => Message | undefined,
  text: string,
  expected: Message,
): void {
  for (let cut = 0; cut < text.length; cut++) {
    equal(parse(bytesOf(text.slice(0, cut))), undefined, `${cut} bytes`);
  }
  deepEqual(parse(bytesOf(text)), expected);
  deepEqual(parse(bytesOf(`${text}GET /`)), expected);
}

Deno.test("K1: a greeting has 0 to 255 methods", () => {
  for (const count of [0, 1, 2, 255]) {
    const methods = Array.from({ length: count }, (_, at) => at);
    const text = String.fromCharCode(5, count, ...methods);
    expectMessage(parseGreeting, text, { methods, length: 2 + count });
  }
});

Deno.test("K1: a user and a password have 1 to 255 bytes each", () => {
  for (const [user, password] of [["u", "p"], ["u".repeat(255), "\xff".repeat(255)]] as const) {
    const text = `\x01${String.fromCharCode(user.length)}${user}` +
      `${String.fromCharCode(password.length)}${password}`;
    expectMessage(parseUserAndPassword, text, {
      user: bytesOf(user),
      password: bytesOf(password),
      length: text.length,
    });
  }
  for (const text of ["\x01\x00", "\x01\x01u\x00", "\x05\x01u\x01p", "\x00"]) {
    equal(parseUserAndPassword(bytesOf(text)), "malformed");
  }
});

Deno.test("K2: a request is for IPv4, IPv6 or a name", () => {
  const requests: [address: string, host: string][] = [
    ["\x01\x0a\x00\x00\x05", "10.0.0.5"],
    [`\x04\x20\x01\x0d\xb8${"\x00".repeat(11)}\x05`, "2001:db8::5"],
    [`\x04${"\x00".repeat(10)}\xff\xff\x0a\x00\x00\x05`, "10.0.0.5"],
    ["\x03\x09NAS.local", "nas.local"],
    ["\x03\x0810.0.0.5", "10.0.0.5"],
    ["\x03\x03::1", "::1"],
    [`\x03\xfd${"a.".repeat(126)}b`, `${"a.".repeat(126)}b`],
  ];
  for (const [address, host] of requests) {
    const text = `\x05\x01\x00${address}\x01\xbb`;
    expectMessage(parseRequest, text, {
      kind: "connect",
      endpoint: { host, port: 443 },
      length: text.length,
    });
  }
  expectMessage(parseRequest, "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", {
    kind: "associate",
    endpoint: { host: "0.0.0.0", port: 0 },
    length: 10,
  });
});

Deno.test("K2: what cannot be done is answered with its reason", () => {
  const failures: [text: string, code: keyof typeof replyCodes][] = [
    ["\x05\x02\x00\x01\x0a\x00\x00\x05\x00\x50", "commandNotSupported"],
    ["\x05\x00\x00\x01\x0a\x00\x00\x05\x00\x50", "commandNotSupported"],
    ["\x05\x01\x00\x02\x0a\x00\x00\x05\x00\x50", "addressTypeNotSupported"],
    ["\x04\x01\x00\x01\x0a\x00\x00\x05\x00\x50", "generalFailure"],
    ["\x05\x01\x01\x01\x0a\x00\x00\x05\x00\x50", "generalFailure"],
    ["\x05\x01\x00\x01\x0a\x00\x00\x05\x00\x00", "generalFailure"],
    ["\x05\x01\x00\x03\x00\x00\x50", "generalFailure"],
    ["\x05\x01\x00\x03\x05127.1\x00\x50", "generalFailure"],
    ["\x05\x01\x00\x03\x03a\x00b\x00\x50", "generalFailure"],
    ["\x05\x01\x00\x03\x02\xff\xfe\x00\x50", "generalFailure"],
    [`\x05\x01\x00\x03\xff${"a".repeat(255)}\x00\x50`, "generalFailure"],
  ];
  for (const [text, code] of failures) {
    const request = parseRequest(bytesOf(text));
    equal(request?.kind === "failed" && request.code, replyCodes[code], JSON.stringify(text));
  }
});

Deno.test("a reply has the address that is bound", () => {
  deepEqual(writeReply(replyCodes.notAllowed), bytesOf("\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"));
  deepEqual(
    writeReply(replyCodes.succeeded, { address: "127.0.0.1", port: 8_080 }),
    bytesOf("\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"),
  );
  deepEqual(
    writeReply(replyCodes.succeeded, { address: "::1", port: 8_080 }),
    bytesOf(`\x05\x00\x00\x04${"\x00".repeat(15)}\x01\x1f\x90`),
  );
});

Deno.test("addresses that are written are read alike", () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => canonicalAddress(text) ?? "::");
  fc.assert(
    fc.property(address, fc.nat(65_535), (address, port) => {
      const bytes = writeSocksAddress({ address, port });
      deepEqual(parseSocksAddress(bytes, 0, bytes.length), {
        kind: "endpoint",
        endpoint: { host: address, port },
        length: bytes.length,
      });
    }),
    { seed: 3 },
  );
});

Deno.test("K2: fragments, and datagrams that are none, are dropped", () => {
  const good = "\x00\x00\x00\x01\x0a\x00\x00\x05\x00\x35";
  deepEqual(parseSocksDatagram(bytesOf(`..${good}`), 2, 12), {
    endpoint: { host: "10.0.0.5", port: 53 },
    length: 10,
  });
  for (
    const text of [
      "",
      good.slice(0, 9),
      `\x00\x00\x01${good.slice(3)}`,
      `\x00\x00\x80${good.slice(3)}`,
      `\x01${good.slice(1)}`,
      "\x00\x00\x00\x02\x0a\x00\x00\x05\x00\x35",
      "\x00\x00\x00\x01\x0a\x00\x00\x05\x00\x00",
      "\x00\x00\x00\x03\x00\x00\x35",
    ]
  ) {
    equal(parseSocksDatagram(bytesOf(text), 0, text.length), undefined, JSON.stringify(text));
  }
});
