/** Each message: its bytes, there and back, and every truncation. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { parseAlert, writeAlert } from "../../src/dtls/alert.ts";
import { parseCertificate, writeCertificate } from "../../src/dtls/certificate.ts";
import {
  parseCertificateRequest,
  writeCertificateRequest,
} from "../../src/dtls/certificate_request.ts";
import {
  parseCertificateVerify,
  writeCertificateVerify,
} from "../../src/dtls/certificate_verify.ts";
import { parseClientHello, writeClientHello } from "../../src/dtls/client_hello.ts";
import {
  parseClientKeyExchange,
  writeClientKeyExchange,
} from "../../src/dtls/client_key_exchange.ts";
import { parseUint16Vector, writeUint16Vector } from "../../src/dtls/extension.ts";
import { parseFinished, writeFinished } from "../../src/dtls/finished.ts";
import {
  parseHandshakeFragments,
  writeHandshakeFragment,
  writeHandshakeMessage,
} from "../../src/dtls/handshake_header.ts";
import {
  parseHelloVerifyRequest,
  writeHelloVerifyRequest,
} from "../../src/dtls/hello_verify_request.ts";
import { parseServerHello, writeServerHello } from "../../src/dtls/server_hello.ts";
import { isServerHelloDone, writeServerHelloDone } from "../../src/dtls/server_hello_done.ts";
import {
  parseServerKeyExchange,
  writeServerEcdhParams,
  writeServerKeyExchange,
} from "../../src/dtls/server_key_exchange.ts";
import { bytesOf } from "./pair.ts";

const random = Uint8Array.from({ length: 32 }, (_, index) => index);
const extensions = new Map([[23, new Uint8Array(0)], [0xff01, Uint8Array.of(0)]]);
const randomHex = random.toHex();
const extensionsHex = "0009" + "00170000" + "ff01000100";
const certificates = [bytesOf("leaf"), bytesOf("authority")];
const params = writeServerEcdhParams(29, random);
const signature = bytesOf("a signature");

interface Example {
  readonly name: string;
  readonly hex: string;
  readonly value: unknown;
  parse(bytes: Uint8Array): unknown;
  write(): Uint8Array;
  /** Lengths at which what is there is a message of its own. */
  readonly wholeAt?: readonly number[];
}

const clientHello = {
  version: 0xfefd,
  random,
  sessionId: Uint8Array.of(1, 2),
  cookie: Uint8Array.of(3),
  cipherSuites: [0xc02b, 0xcca9],
  compressionMethods: [0],
  extensions,
};
const serverHello = {
  version: 0xfefd,
  random,
  sessionId: new Uint8Array(0),
  cipherSuite: 0xc02c,
  compressionMethod: 0,
  extensions,
};
const verifyRequest = { version: 0xfeff, cookie: bytesOf("cookie") };
const keyExchange = { group: 29, publicKey: random, params, signatureScheme: 0x0403, signature };
const request = {
  certificateTypes: [64, 1],
  signatureSchemes: [0x0403, 0x0804],
  authorities: Uint8Array.of(0, 1, 7),
};
const verify = { signatureScheme: 0x0403, signature };

const examples: readonly Example[] = [
  {
    name: "ClientHello",
    hex: "fefd" + randomHex + "020102" + "0103" + "0004c02bcca9" + "0100" + extensionsHex,
    value: clientHello,
    parse: parseClientHello,
    write: () => writeClientHello(clientHello),
    wholeAt: [47],
  },
  {
    name: "ServerHello",
    hex: "fefd" + randomHex + "00" + "c02c" + "00" + extensionsHex,
    value: serverHello,
    parse: parseServerHello,
    write: () => writeServerHello(serverHello),
    wholeAt: [38],
  },
  {
    name: "HelloVerifyRequest",
    hex: "feff06" + bytesOf("cookie").toHex(),
    value: verifyRequest,
    parse: parseHelloVerifyRequest,
    write: () => writeHelloVerifyRequest(verifyRequest),
  },
  {
    name: "Certificate",
    hex: "000013" + "000004" + bytesOf("leaf").toHex() + "000009" + bytesOf("authority").toHex(),
    value: { chain: certificates },
    parse: parseCertificate,
    write: () => writeCertificate({ chain: certificates }),
  },
  {
    name: "ServerKeyExchange",
    hex: "03001d20" + randomHex + "0403000b" + signature.toHex(),
    value: keyExchange,
    parse: parseServerKeyExchange,
    write: () => writeServerKeyExchange(keyExchange),
  },
  {
    name: "CertificateRequest",
    hex: "024001" + "000404030804" + "0003000107",
    value: request,
    parse: parseCertificateRequest,
    write: () => writeCertificateRequest(request),
  },
  {
    name: "ClientKeyExchange",
    hex: "20" + randomHex,
    value: { publicKey: random },
    parse: parseClientKeyExchange,
    write: () => writeClientKeyExchange({ publicKey: random }),
  },
  {
    name: "CertificateVerify",
    hex: "0403000b" + signature.toHex(),
    value: verify,
    parse: parseCertificateVerify,
    write: () => writeCertificateVerify(verify),
  },
  {
    name: "Finished",
    hex: random.slice(0, 12).toHex(),
    value: random.slice(0, 12),
    parse: parseFinished,
    write: () => writeFinished(random.slice(0, 12)),
  },
  {
    name: "alert",
    hex: "0228",
    value: { isFatal: true, description: "handshake_failure" },
    parse: parseAlert,
    write: () => writeAlert("handshake_failure"),
  },
  {
    name: "list of groups",
    hex: "0004001d0017",
    value: [29, 23],
    parse: parseUint16Vector,
    write: () => writeUint16Vector([29, 23]),
  },
];

for (const { name, hex, value, parse, write, wholeAt = [] } of examples) {
  const bytes = Uint8Array.fromHex(hex);

  Deno.test(`${name} is written as the RFC has it, and read back`, () => {
    equal(write().toHex(), hex);
    deepEqual(parse(bytes), value);
  });

  Deno.test(`${name} is malformed where a byte is missing or too many`, () => {
    for (let length = 0; length < bytes.length; length++) {
      equal(parse(bytes.slice(0, length)) !== undefined, wholeAt.includes(length), `${length}`);
    }
    equal(parse(Uint8Array.of(...bytes, 0)), undefined);
  });
}

Deno.test("ServerHelloDone is empty, and nothing else is one", () => {
  equal(writeServerHelloDone().length, 0);
  ok(isServerHelloDone(new Uint8Array(0)));
  ok(!isServerHelloDone(new Uint8Array(1)));
});

Deno.test("D20: cookies of 0 and of 255 bytes are read", () => {
  for (const length of [0, 255]) {
    const bytes = Uint8Array.of(0xfe, 0xff, length, ...new Uint8Array(length));
    equal(parseHelloVerifyRequest(bytes)?.cookie.length, length);
  }
});

Deno.test("D23: hellos with an extension twice are malformed", () => {
  const twice = "0008" + "00170000" + "00170000";
  const hello = Uint8Array.fromHex("fefd" + randomHex + "0000" + "0002c02b" + "0100" + twice);
  equal(parseClientHello(hello), undefined);
  equal(parseServerHello(Uint8Array.fromHex("fefd" + randomHex + "00c02c00" + twice)), undefined);
});

Deno.test("D22: lists that are empty or of odd length are malformed", () => {
  const start = "fefd" + randomHex + "0000";
  equal(parseClientHello(Uint8Array.fromHex(start + "0000" + "0100")), undefined);
  equal(parseClientHello(Uint8Array.fromHex(start + "0003c02b00" + "0100")), undefined);
  equal(parseClientHello(Uint8Array.fromHex(start + "0002c02b" + "00")), undefined);
  equal(parseUint16Vector(Uint8Array.fromHex("0000")), undefined);
  equal(parseUint16Vector(Uint8Array.fromHex("0003001d00")), undefined);
  equal(parseCertificateRequest(Uint8Array.fromHex("00000204030000")), undefined);
  equal(parseCertificateRequest(Uint8Array.fromHex("014000000000")), undefined);
});

Deno.test("session ids beyond 32 bytes are malformed", () => {
  const id = "21" + "00".repeat(33);
  equal(
    parseClientHello(Uint8Array.fromHex("fefd" + randomHex + id + "00" + "0002c02b" + "0100")),
    undefined,
  );
  equal(parseServerHello(Uint8Array.fromHex("fefd" + randomHex + id + "c02c00")), undefined);
});

Deno.test("D22: more than 8 certificates, an empty one or more than 16 KB are malformed", () => {
  const chainOf = (count: number, length: number) =>
    writeCertificate({ chain: Array.from({ length: count }, () => new Uint8Array(length)) });
  equal(parseCertificate(chainOf(8, 10))?.chain.length, 8);
  equal(parseCertificate(chainOf(9, 10)), undefined);
  equal(parseCertificate(chainOf(1, 0)), undefined);
  equal(parseCertificate(chainOf(1, 16_384)), undefined);
  deepEqual(parseCertificate(chainOf(0, 0)), { chain: [] });
});

Deno.test("curve types other than named_curve are malformed", () => {
  for (const type of [0, 1, 2, 4]) {
    const body = Uint8Array.fromHex("03001d20" + randomHex + "0403000b" + signature.toHex());
    body[0] = type;
    equal(parseServerKeyExchange(body), undefined);
  }
});

Deno.test("alerts of another level are malformed, of an unknown description are not", () => {
  equal(parseAlert(Uint8Array.of(3, 40)), undefined);
  deepEqual(parseAlert(Uint8Array.of(1, 199)), { isFatal: false, description: "alert 199" });
});

Deno.test("a handshake header is written as the RFC has it, and several are read", () => {
  const first = writeHandshakeMessage({
    type: "ServerHelloDone",
    sequence: 5,
    body: new Uint8Array(0),
  });
  equal(first.toHex(), "0e" + "000000" + "0005" + "000000" + "000000");
  const fragment = {
    type: "Certificate",
    length: 300,
    sequence: 2,
    offset: 258,
    body: bytesOf("abc"),
  } as const;
  const second = writeHandshakeFragment(fragment);
  equal(second.toHex(), "0b" + "00012c" + "0002" + "000102" + "000003" + "616263");
  const both = parseHandshakeFragments(Uint8Array.of(...first, ...second));
  equal(both?.length, 2);
  deepEqual(both?.[1], fragment);
});

Deno.test("D17: a fragment that reaches beyond its message, or the record, is malformed", () => {
  const good = "0b" + "000010" + "0002" + "00000d" + "000003" + "616263";
  ok(parseHandshakeFragments(Uint8Array.fromHex(good)));
  const beyond = "0b" + "000010" + "0002" + "00000e" + "000003" + "616263";
  equal(parseHandshakeFragments(Uint8Array.fromHex(beyond)), undefined);
  for (let length = 0; length < good.length / 2; length++) {
    equal(parseHandshakeFragments(Uint8Array.fromHex(good).slice(0, length)), undefined);
  }
});
