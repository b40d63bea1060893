import { deepEqual, equal, match, throws } from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import {
  endpointOf,
  type IceServer,
  parseIceServer,
  publicIceServers,
  readSecret,
  transportOf,
} from "../../src/link/ice_server.ts";

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

Deno.test("reads where a secret is that is not in the URL", () => {
  const user = { username: "me", address: "turn.example.org" };
  const urls: [url: string, server: IceServer][] = [
    ["turn:me@turn.example.org?secret-file=/run/secrets/turn", {
      scheme: "turn",
      ...user,
      secret: { type: "file", name: "/run/secrets/turn" },
    }],
    ["turn:me@turn.example.org?transport=tcp&secret-file=a%20b%26c", {
      scheme: "turn",
      ...user,
      transport: "tcp",
      secret: { type: "file", name: "a b&c" },
    }],
    ["turns:me@turn.example.org?Secret-Env=TURN_SECRET&transport=tcp", {
      scheme: "turns",
      ...user,
      transport: "tcp",
      secret: { type: "environment", name: "TURN_SECRET" },
    }],
  ];
  for (const [url, server] of urls) deepEqual(parseIceServer(url), server, url);
});

/** Where the secrets of these tests are. */
const reader = {
  readFile(path: string): string {
    if (path === "unreadable") throw new Error("permission denied");
    return path === "empty" ? "\n" : `${path}: s3cret \r\n`;
  },
  readVariable: (name: string) => name === "TURN_SECRET" ? "from the environment" : undefined,
};

Deno.test("reads the secret from there, without the end of its line", () => {
  const file = parseIceServer("turn:me@192.0.2.1?secret-file=one&transport=tcp");
  deepEqual(readSecret(file, reader), {
    scheme: "turn",
    address: "192.0.2.1",
    transport: "tcp",
    username: "me",
    password: "one: s3cret ",
  });
  const variable = parseIceServer("turn:me@192.0.2.1?secret-env=TURN_SECRET");
  equal(readSecret(variable, reader).password, "from the environment");
  for (const url of ["stun:192.0.2.1", "turn:me:secret@192.0.2.1"]) {
    deepEqual(readSecret(parseIceServer(url), reader), parseIceServer(url));
  }
});

Deno.test("refuses a secret that is not there", () => {
  const refused: [parameter: string, problem: RegExp][] = [
    ["secret-file=unreadable", /the file "unreadable" cannot be read: permission denied/],
    ["secret-file=empty", /the file "empty" holds no secret/],
    ["secret-env=NOT_SET", /the variable "NOT_SET" is not set/],
  ];
  for (const [parameter, problem] of refused) {
    const server = parseIceServer(`turn:me@192.0.2.1?${parameter}`);
    throws(() => readSecret(server, reader), (error) => {
      return error instanceof BadInput && problem.test(error.message);
    });
  }
});

Deno.test("tells where a server is, and what carries its messages", () => {
  const servers: [url: string, host: string, port: number, transport: string][] = [
    ["stun:Stun.Example.org.", "stun.example.org", 3478, "udp"],
    ["turn:a:b@192.0.2.1", "192.0.2.1", 3478, "udp"],
    ["turn:a:b@192.0.2.1:80?transport=tcp", "192.0.2.1", 80, "tcp"],
    ["turns:a:b@[2001:DB8::1]", "2001:db8::1", 5349, "tls"],
    ["turns:a:b@[2001:db8::1]:443?transport=tcp", "2001:db8::1", 443, "tls"],
  ];
  for (const [url, host, port, transport] of servers) {
    const server = parseIceServer(url);
    deepEqual(endpointOf(server), { host, port }, url);
    equal(transportOf(server), transport, url);
  }
  throws(() => endpointOf({ scheme: "turn", address: "127.1" }), BadInput);
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
    "stuns:stun.example.org",
    "stun:stun.example.org?secret-file=a",
    "stun:me@stun.example.org",
    "turn:turn.example.org?secret-file=a",
    "turn:me:secret@turn.example.org?secret-file=a",
    "turn:me@turn.example.org?secret-file=a&secret-env=B",
    "turn:me:secret@turn.example.org?transport=udp&transport=udp",
    "turn:me@turn.example.org?secret-file=",
    "turn:me@turn.example.org?secret-file",
    "turn:me:secret@turn.example.org?",
    "turn:me:secret@turn.example.org?unknown=1",
    "turns:me:secret@turn.example.org?transport=udp",
    `turn:${"m".repeat(509)}:secret@turn.example.org`,
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
