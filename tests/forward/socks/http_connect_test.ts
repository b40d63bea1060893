import { deepEqual, equal, match } from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  failure,
  parseConnectRequest,
  writeHttpFailure,
} from "../../../src/forward/socks/http_connect.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

Deno.test("a CONNECT is read once its headers have ended, and what follows is left", () => {
  const request = "CONNECT NAS.local:443 HTTP/1.1\r\nHost: nas.local\r\nX:\t y \r\n\r\n";
  for (let cut = 0; cut < request.length; cut++) {
    equal(parseConnectRequest(bytesOf(request.slice(0, cut))), undefined);
  }
  deepEqual(parseConnectRequest(bytesOf(`${request}\x16\x03\r\n\r\n`)), {
    kind: "connect",
    endpoint: { host: "nas.local", port: 443 },
    credentials: undefined,
    length: request.length,
  });
});

Deno.test("credentials are of the Basic kind", () => {
  const read = (value: string) => {
    const text = `CONNECT a:1 HTTP/1.0\r\nproxy-authorization: ${value}\r\n\r\n`;
    const request = parseConnectRequest(bytesOf(text));
    return request?.kind === "connect" ? request.credentials?.toString() : request?.status;
  };
  equal(read("Basic bWU6c2VjcmV0"), "me:secret");
  equal(read("basic bTp6"), "m:z");
  equal(read("Bearer bWU6c2VjcmV0"), undefined);
  equal(read("Basic b*"), undefined);
});

Deno.test("what is no CONNECT, or might be read in two ways, is refused", () => {
  const refused: [text: string, status: number][] = [
    ["GET http://a/ HTTP/1.1\r\n\r\n", 405],
    ["CONNECTED a:1 HTTP/1.1\r\n\r\n", 405],
    ["POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", 405],
    ["CONNECT a:1 HTTP/2.0\r\n\r\n", 400],
    ["CONNECT  a:1 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT a:1\r\n\r\n", 400],
    ["CONNECT a HTTP/1.1\r\n\r\n", 400],
    ["CONNECT a:0 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT a:65536 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT 127.1:80 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT me@a:80 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nHost : a\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nX: a\r\n folded\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nX: a\nY: b\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\nHost: a\n\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nHost: a\n\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nX: a\rb\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nX: \0\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nno header\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nContent-Length: 4\r\n\r\n", 400],
    ["CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    [`CONNECT a:1 HTTP/1.1\r\nX: ${"x".repeat(8_192)}`, 431],
    [`CONNECT a:1 HTTP/1.1\r\nX: ${"x".repeat(8_192)}\r\n\r\n`, 431],
  ];
  for (const [text, status] of refused) {
    const request = parseConnectRequest(bytesOf(text));
    equal(request?.kind === "failed" && request.status, status, JSON.stringify(text.slice(0, 60)));
  }
});

Deno.test("headers that are hard to match take no time to speak of", () => {
  const blanks = " ".repeat(8_000);
  for (const line of [`X:${blanks}\x01`, `X:${blanks}y${blanks}`.slice(0, 8_000), blanks]) {
    const text = `CONNECT a:1 HTTP/1.1\r\n${line}\r\n\r\n`;
    for (let turn = 0; turn < 1_000; turn++) parseConnectRequest(bytesOf(text));
  }
});

Deno.test("a failure says why in one line, and ends the connection", () => {
  const text = Buffer.from(writeHttpFailure(failure(403, "no --allow names it"))).toString();
  match(text, /^HTTP\/1\.1 403 Forbidden\r\n/);
  match(text, /\r\nContent-Length: 20\r\nConnection: close\r\n\r\nno --allow names it\n$/);
  const unauthorized = Buffer.from(writeHttpFailure(failure(407, "x"))).toString();
  match(unauthorized, /\r\nProxy-Authenticate: Basic /);
});
