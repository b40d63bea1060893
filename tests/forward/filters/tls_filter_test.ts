/** TLS and SSH under a rule: what the first words say is judged, and all else passes as it is. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import net from "node:net";
import tls from "node:tls";
import { parseClientHello } from "../../../src/forward/filters/client_hello.ts";
import { sshFilter } from "../../../src/forward/filters/ssh_filter.ts";
import type { TlsRule } from "../../../src/access/content_rule.ts";
import { tlsFilter } from "../../../src/forward/filters/tls_filter.ts";
import { mutate, SeededRandom } from "../../fakes/mutator.ts";
import { fromLatin1, latin1 } from "../../../src/forward/filters/http/llhttp.ts";
import { FilterStage } from "./filter_stage.ts";

/** What node's TLS client says first. */
async function helloOf(options: tls.ConnectionOptions): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      resolve(Uint8Array.from(bytes));
      socket.destroy();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({ host: "127.0.0.1", port, ...options });
  client.on("error", () => {});
  const hello = await promise;
  client.destroy();
  await new Promise((closed) => server.close(closed));
  return hello;
}

const hello = await helloOf({ servername: "Shop.Example.org", ALPNProtocols: ["h2", "http/1.1"] });
const nameless = await helloOf({});

/** The same message in records of so many bytes. */
function inRecords(bytes: Uint8Array, length: number): Uint8Array {
  const message = bytes.subarray(5);
  const records: number[] = [];
  for (let at = 0; at < message.length; at += length) {
    const piece = message.subarray(at, at + length);
    records.push(22, 3, 1, piece.length >> 8, piece.length & 255, ...piece);
  }
  return Uint8Array.from(records);
}

Deno.test("reads what a client asks for, however it is cut into records", () => {
  const expected = { serverName: "shop.example.org", protocols: ["h2", "http/1.1"] };
  deepEqual(parseClientHello(hello), { ...expected, length: hello.length });
  for (const length of [1, 2, 3, 4, 5, 100, 16_384]) {
    const records = inRecords(hello, length);
    deepEqual(parseClientHello(records), { ...expected, length: records.length }, `${length}`);
  }
  for (let length = 0; length < hello.length; length++) {
    equal(parseClientHello(hello.subarray(0, length)), "more");
  }
  deepEqual(parseClientHello(nameless), {
    ...{ serverName: undefined, protocols: [], length: nameless.length },
  });
});

Deno.test("what is no ClientHello is none", () => {
  const others = [
    "GET / HTTP/1.1\r\n",
    "SSH-2.0-x\r\n",
    "\x16\x02\x00\x00\x05",
    "\x17\x03\x03\x00\x01",
  ];
  for (const text of [...others, "\x16\x03\x01\x00\x00", "\x16\x03\x01\x00\x04\x02\x00\x00\x00"]) {
    equal(parseClientHello(fromLatin1(text)), "none", JSON.stringify(text));
  }
});

Deno.test("5,000 changed hellos are read, waited for or refused", () => {
  const random = new SeededRandom(1);
  for (let count = 0; count < 5_000; count++) {
    const changed = mutate([latin1(hello), latin1(nameless)], random);
    parseClientHello(fromLatin1(changed));
  }
});

const cases: [name: string, rule: TlsRule, hello: Uint8Array, isAllowed: boolean][] = [
  ["any TLS", {}, hello, true],
  ["TLS without a name", {}, nameless, true],
  ["the right name", { sni: ["shop.example.org"] }, hello, true],
  ["a name by pattern", { sni: ["x", "*.example.org"] }, hello, true],
  ["another name", { sni: ["example.org"] }, hello, false],
  ["no name where one is asked for", { sni: ["*"] }, nameless, false],
  ["the right protocols", { alpn: ["h2", "http/1.1"] }, hello, true],
  ["one protocol too many", { alpn: ["http/1.1"] }, hello, false],
  ["no protocol where one is asked for", { alpn: ["h2"] }, nameless, false],
];
for (const [name, rule, bytes, isAllowed] of cases) {
  Deno.test(`${name} ${isAllowed ? "passes whole" : "is refused"}`, async () => {
    const stage = new FilterStage(tlsFilter(rule));
    await stage.connection.write(Uint8Array.from(bytes.subarray(0, 7)));
    equal(stage.told, "");
    const rest = stage.connection.write(Uint8Array.from(bytes.subarray(7)));
    if (isAllowed) {
      await rest;
      const more = stage.say("more");
      stage.answer(serverHello("an ordinary one"));
      await stage.hear();
      await more;
      equal(stage.told, `${latin1(bytes)}more`);
    } else {
      await rejects(rest, { name: "FilterError" });
      equal(stage.told, "");
    }
    equal(stage.judged[0]?.[0], isAllowed ? "+" : "-");
    stage.connection.close();
  });
}

/** What a server says first: its random is 32 bytes. */
function serverHello(random: string): string {
  const body = `\x03\x03${random.padEnd(32)}\x00\x13\x01\x00`;
  return `\x16\x03\x03\x00${String.fromCharCode(body.length + 4)}\x02\x00\x00${
    String.fromCharCode(body.length)
  }${body}`;
}

/** RFC 8446 section 4.1.3: it asks for another hello. */
const retryRequest = serverHello(latin1(
  new Uint8Array(await crypto.subtle.digest("SHA-256", fromLatin1("HelloRetryRequest"))),
));
const changeCipherSpec = "\x14\x03\x03\x00\x01\x01";
const earlyData = "\x17\x03\x03\x00\x05early";

Deno.test("a hello that the server asks for again is judged too, whatever comes before it", async () => {
  const other = latin1(await helloOf({ servername: "private.example.org" }));
  for (const between of ["", changeCipherSpec, earlyData, changeCipherSpec + earlyData]) {
    for (const isAtOnce of [true, false]) {
      const stage = new FilterStage(tlsFilter({ sni: ["shop.example.org"] }));
      const second = between + other;
      if (!isAtOnce) await stage.say(latin1(hello));
      const saying = stage.say(isAtOnce ? latin1(hello) + second : second);
      stage.answer(retryRequest);
      equal(await stage.hear(), retryRequest);
      await rejects(saying, /this server name is not allowed/);
      equal(stage.told, latin1(hello));
      deepEqual(stage.judged, ["+TLS shop.example.org", "-TLS private.example.org"]);
      stage.connection.close();
    }
  }
});

Deno.test("a client that is asked again and asks for the same passes, and all that follows", async () => {
  const stage = new FilterStage(tlsFilter({ sni: ["shop.example.org"] }));
  const said = [latin1(hello), changeCipherSpec, latin1(hello), "all that follows"];
  const saying = stage.say(said.join(""));
  stage.answer(retryRequest.slice(0, 20));
  await stage.hear();
  equal(stage.told, latin1(hello));
  stage.answer(retryRequest.slice(20));
  await stage.hear();
  await saying;
  equal(stage.told, said.join(""));
  stage.connection.close();
});

Deno.test("a second hello within the record of the first is refused", async () => {
  const stage = new FilterStage(tlsFilter({}));
  const message = latin1(hello.subarray(5));
  const length = 2 * message.length;
  const record = `\x16\x03\x01${
    String.fromCharCode(length >> 8, length & 255)
  }${message}${message}`;
  await rejects(stage.say(record), { name: "FilterError" });
  equal(stage.told, "");
  stage.connection.close();
});

Deno.test("a client whose target ends without a word is let go", async () => {
  const stage = new FilterStage(tlsFilter({}));
  await stage.say(latin1(hello));
  const more = stage.say("more");
  stage.target.supplyEnd();
  equal(await stage.hear(), null);
  await more;
  stage.connection.close();
});

Deno.test("a hello in very many pieces is not waited for", async () => {
  const stage = new FilterStage(tlsFilter({}));
  const pieces = [...inRecords(hello, 1)].map((byte) => Uint8Array.of(byte));
  await rejects(async () => {
    for (const piece of pieces) await stage.connection.write(piece);
  }, { name: "FilterError" });
  stage.connection.close();
});

Deno.test("SSH passes, and nothing else where SSH is to", async () => {
  for (const text of ["SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-x"]) {
    const stage = new FilterStage(sshFilter);
    for (const character of text) await stage.say(character);
    equal(stage.told, text);
    stage.connection.close();
  }
  for (const text of ["GET / HTTP/1.1\r\n", "SSH-1.99-x\r\n", "\x16\x03\x01"]) {
    const stage = new FilterStage(sshFilter);
    await rejects(stage.say(text), /only SSH passes here \(rule the rule\)/);
    equal(stage.told, "");
    stage.connection.close();
  }
});

Deno.test("a target that speaks first is heard meanwhile", async () => {
  const stage = new FilterStage(sshFilter);
  stage.answer("SSH-2.0-server\r\n");
  equal(await stage.hear(), "SSH-2.0-server\r\n");
  await stage.say("SSH-");
  await rejects(stage.connection.endWrite(), { name: "FilterError" });
  stage.connection.close();
  ok(stage.judged.length === 0);
});
