/** The parsers of what clients of a proxy send; bytes are written as characters up to 255. */
import { Buffer } from "node:buffer";
import { deepEqual } from "node:assert/strict";
import { maxHttpRequestLength, parseConnectRequest } from "../../src/forward/socks/http_connect.ts";
import {
  parseGreeting,
  parseRequest,
  parseUserAndPassword,
} from "../../src/forward/socks/socks5_message.ts";
import { parseSocksDatagram } from "../../src/forward/socks/socks_datagram.ts";
import type { FuzzTarget } from "./fuzz_targets.ts";

type Parse = (
  bytes: Uint8Array,
) => Readonly<{ length: number; endpoint?: unknown }> | string | undefined;

const greetings = ["\x05\x01\x00", "\x05\x02\x00\x02", "\x05\x00", "\x05\x03\x00\x01\x02"];
const passwords = ["\x01\x02me\x06secret", "\x01\x01u\x01p"];
const addresses = [
  "\x01\x0a\x00\x00\x05\x00\x50",
  "\x03\x09nas.local\x01\xbb",
  `\x04\x20\x01\x0d\xb8${"\x00".repeat(11)}\x01\x1f\x90`,
  "\x03\x09127.0.0.1\x00\x16",
];
const requests = addresses.flatMap((
  address,
) => [`\x05\x01\x00${address}`, `\x05\x03\x00${address}`]);

/** All of them. */
export const socksFuzzTargets: readonly FuzzTarget[] = [
  {
    name: "SOCKS5 dialogues",
    samples: requests.flatMap((request, at) => [
      `${greetings[at % 4]}${request}early`,
      `${greetings[at % 4]}${passwords[at % 2]}${request}`,
    ]),
    read: (text) => {
      const bytes = toBytes(text);
      const at = lengthOf(readAlike(parseGreeting, bytes));
      const password = readAlike(parseUserAndPassword, bytes.subarray(at));
      readAlike(parseRequest, bytes.subarray(at + lengthOf(password)));
    },
  },
  {
    name: "SOCKS5 requests",
    samples: requests,
    read: (text) => {
      const request = readAlike(parseRequest, toBytes(text));
      if (typeof request === "object" && request.endpoint !== undefined) requireHost(request);
    },
  },
  {
    name: "SOCKS5 datagrams",
    samples: addresses.map((address) => `\x00\x00\x00${address}payload`),
    read: (text) => {
      const bytes = toBytes(`..${text}..`);
      const header = parseSocksDatagram(bytes, 2, bytes.length - 2);
      if (header === undefined) return;
      if (header.length > bytes.length - 4) throw new Error("it reads beyond the datagram");
      requireHost(header);
    },
  },
  {
    name: "HTTP CONNECT requests",
    samples: [
      "CONNECT nas.local:443 HTTP/1.1\r\nHost: nas.local:443\r\nUser-Agent: x/1\r\n\r\n\x16\x03",
      "CONNECT [2001:db8::1]:80 HTTP/1.0\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n",
      "GET http://nas.local/ HTTP/1.1\r\nHost: nas.local\r\nContent-Length: 0\r\n\r\n",
    ],
    read: (text) => {
      const request = readAlike(parseConnectRequest, toBytes(text));
      if (typeof request === "object" && request.endpoint !== undefined) requireHost(request);
    },
  },
];

function toBytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

function lengthOf(message: ReturnType<Parse>): number {
  return typeof message === "object" ? message.length : 0;
}

/** What is read is within the bytes, and the same however they are split. */
function readAlike(parse: Parse, bytes: Uint8Array): ReturnType<Parse> {
  const whole = parse(bytes);
  if (lengthOf(whole) > bytes.length) throw new Error("it reads beyond its bytes");
  if (whole === undefined && bytes.length > maxHttpRequestLength) throw new Error("it never ends");
  for (const part of [0.3, 0.6, 0.9]) {
    const early = parse(bytes.subarray(0, Math.floor(part * bytes.length)));
    if (early !== undefined) deepEqual(early, whole);
  }
  return whole;
}

/** Hosts are canonical: nothing that a log or a label would not bear. */
function requireHost({ endpoint }: { readonly endpoint?: unknown }): void {
  const { host, port } = endpoint as { readonly host: string; readonly port: number };
  if (!/^[a-z0-9._:-]{1,253}$/.test(host)) throw new Error(`host ${JSON.stringify(host)}`);
  if (!(port >= 0 && port <= 65_535)) throw new Error(`port ${port}`);
}
