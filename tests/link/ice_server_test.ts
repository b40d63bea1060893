import { deepEqual, equal, match } from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { type IceServer, parseIceServer, publicIceServers } from "../../src/link/ice_server.ts";

function problemOf(url: string): string {
  try {
    parseIceServer(url);
  } catch (error) {
    if (error instanceof BadInput) return error.message;
    throw error;
  }
  throw new Error(`${url} was accepted`);
}

Deno.test("reads STUN and TURN URLs", () => {
  const user = { username: "me", password: "secret" };
  const urls: [url: string, server: IceServer][] = [
    ["stun:stun.example.org", { scheme: "stun", address: "stun.example.org" }],
    ["stun:stun.example.org:3478", { scheme: "stun", address: "stun.example.org:3478" }],
    ["STUN:192.0.2.1", { scheme: "stun", address: "192.0.2.1" }],
    ["turn:me:secret@turn.example.org", { scheme: "turn", address: "turn.example.org", ...user }],
    ["turns:me:secret@192.0.2.1:443?transport=tcp", {
      scheme: "turns",
      address: "192.0.2.1:443",
      transport: "tcp",
      ...user,
    }],
    ["turn:me:secret@turn.example.org?transport=udp", {
      scheme: "turn",
      address: "turn.example.org",
      transport: "udp",
      ...user,
    }],
    ["turn:1700000000%3Ame:a%40b%2Fc:d@turn.example.org", {
      scheme: "turn",
      address: "turn.example.org",
      username: "1700000000:me",
      password: "a@b/c:d",
    }],
  ];
  for (const [url, server] of urls) deepEqual(parseIceServer(url), server, url);
});

Deno.test("a transport in capitals is the same transport", () => {
  equal(parseIceServer("turn:me:secret@turn.example.org?transport=TCP").transport, "tcp");
});

Deno.test("refuses what is no STUN or TURN URL, with an example and without the secret", () => {
  const urls = [
    "",
    "none",
    "stun",
    "stun:",
    "http://stun.example.org",
    "stun://stun.example.org",
    "stun.example.org:3478",
    "stun:stun.example.org:",
    "stun:stun.example.org:port",
    "stun:stun.example.org:123456",
    "stun:stun.example.org/path",
    "stun:a b",
    "stun:2001:db8::1",
    "stun:stun.example.org?transport=sctp",
    "stun:me:secret@stun.example.org",
    "turn:turn.example.org",
    "turn:me@turn.example.org",
    "turn:me:@turn.example.org",
    "turn::secret@turn.example.org",
    "turn:me:secret@",
    "turn:me:secret@turn.example.org\nx",
  ];
  for (const url of urls) {
    const problem = problemOf(url);
    match(problem, /^--ice-server: .+\. Example: --ice-server stun:[^\n]+$/, url);
    equal(problem.includes("secret@turn.example.org") || problem.includes("me:secret"), false, url);
  }
});

Deno.test("refuses a port that is none", () => {
  for (const port of ["0", "65536", "99999"]) match(problemOf(`stun:192.0.2.1:${port}`), /Example/);
});

Deno.test("refuses a user or secret that is badly escaped", () => {
  for (const url of ["turn:a%zz:b@turn.example.org", "turn:a:%@turn.example.org"]) {
    match(problemOf(url), /^--ice-server: .*Example/, url);
  }
});

Deno.test("the servers asked by default are valid", () => {
  for (const { scheme, address } of publicIceServers) {
    deepEqual(parseIceServer(`${scheme}:${address}`), { scheme, address });
  }
});
