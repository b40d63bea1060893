/** Requests through the filter: what is judged is what arrives, and nothing else does. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { httpFilter } from "../../../../src/forward/filters/http/http_filter.ts";
import type { HttpRule } from "../../../../src/access/content_rule.ts";
import { latin1 } from "../../../../src/forward/filters/http/llhttp.ts";
import { vouchedPeer } from "../../../fakes/sample_specs.ts";
import { FilterStage } from "../filter_stage.ts";
import { smuggledRequests } from "./smuggled_requests.ts";

const everything: HttpRule = {};
const readOnly: HttpRule = { methods: ["GET", "HEAD"], paths: ["/public/**"] };
const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function stageOf(rule: HttpRule, changes = {}): FilterStage {
  return new FilterStage(httpFilter(rule), changes);
}

/** Runs a test and frees the connection. */
async function onStage(rule: HttpRule, test: (stage: FilterStage) => Promise<void>): Promise<void> {
  const stage = stageOf(rule);
  try {
    await test(stage);
  } finally {
    stage.connection.close();
  }
}

Deno.test("a request is written anew, with who asks", () =>
  onStage(everything, async (stage) => {
    await stage.say(
      "GET /a?b=c HTTP/1.1\r\nHost: Site.example:8080\r\nX-One:   1  \r\nConnection: X-Hop\r\n" +
        "X-Hop: 2\r\nAetherport-Peer: root\r\naetherport_peer_labels: a=b\r\n" +
        "X-Forwarded-For: 1.2.3.4\r\nKeep-Alive: 5\r\n\r\n",
    );
    deepEqual(stage.told.split("\r\n"), [
      "GET /a?b=c HTTP/1.1",
      "Host: site.example:8080",
      "X-One: 1",
      "X-Forwarded-For: 192.0.2.9",
      "X-Forwarded-Host: site.example:8080",
      "X-Forwarded-Proto: http",
      "Aetherport-Peer: web-1",
      "Aetherport-Peer-Labels: team=red",
      "",
      "",
    ]);
    deepEqual(stage.judged, ["+GET site.example:8080/a"]);
    stage.answer(fine);
    equal(await stage.hear(), fine);
  }));

Deno.test("a label's value is not taken for another label, nor for the end of a line", async () => {
  const labels = { team: "x, role=admin", site: "Zürich 100%", note: "a@b/c\r\nX: y" };
  const stage = stageOf(everything, { peer: vouchedPeer("web-1", labels) });
  await stage.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const [, told = ""] = /\r\nAetherport-Peer-Labels: (.*)\r\n/.exec(stage.told) ?? [];
  equal(
    told,
    "team=x%2C%20role%3Dadmin, site=Z%C3%BCrich%20100%25, note=a@b/c%0D%0AX:%20y",
  );
  const pairs = told.split(", ").map((label) => label.split("=").map(decodeURIComponent));
  deepEqual(Object.fromEntries(pairs), labels);
  stage.connection.close();
});

for (
  const [client, field] of [
    ["[2001:db8::1]:5", "X-Forwarded-For: 2001:db8::1"],
    [undefined, undefined],
    ["a.example:5", undefined],
    ["192.0.2.1:5\r\nX: y", undefined],
  ] as const
) {
  Deno.test(`of the client ${JSON.stringify(client)} the target is told ${field}`, async () => {
    const stage = stageOf(everything, { client: Promise.resolve(client) });
    await stage.say("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
    const told = stage.told.split("\r\n").filter((line) => /^x(-forwarded-for)?:/i.test(line));
    deepEqual(told, field === undefined ? [] : [field]);
    stage.connection.close();
  });
}

Deno.test("of a field's value blanks go, and no byte of a letter", () =>
  onStage(everything, async (stage) => {
    await stage.say("GET / HTTP/1.1\r\nHost: a\r\nX-One: \t \xa0voil\xc3\xa0\t \r\n\r\n");
    match(stage.told, /\r\nX-One: \xa0voil\xc3\xa0\r\n/);
  }));

Deno.test("fields are set and left out as the rule says", () =>
  onStage(
    { setHeaders: { "X-One": "ours", Authorization: "Bearer x" }, removeHeaders: ["cookie"] },
    async (stage) => {
      await stage.say("GET / HTTP/1.1\r\nHost: a\r\nx-one: theirs\r\nCookie: secret\r\n\r\n");
      match(stage.told, /\r\nX-One: ours\r\nAuthorization: Bearer x\r\n/);
      ok(!/theirs|secret/.test(stage.told));
    },
  ));

Deno.test("a request that is refused is answered here, and the connection goes on", () =>
  onStage(readOnly, async (stage) => {
    await stage.say("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    match(
      await stage.hear() ?? "",
      /^HTTP\/1\.1 403 Forbidden\r\n.*POST is not allowed \(rule the/s,
    );
    const saying = stage.say(
      "GET /private HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n" +
        "GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    match(await stage.hear() ?? "", /\{"error":"forbidden","reason":"this path is not allowed/);
    await saying;
    match(stage.told, /^GET \/public\/a HTTP\/1\.1\r\nHost: a\r\n/);
    stage.answer(fine);
    equal(await stage.hear(), fine);
    deepEqual(stage.judged, ["-POST a/public/x", "-GET a/private", "+GET a/public/a"]);
  }));

const refusals: Readonly<Record<string, [request: string, summary: string, reason: RegExp]>> = {
  "a method": [
    "PUT /public/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT a/public/a",
    /^PUT is not allowed$/,
  ],
  "a path": ["GET /x?y=z HTTP/1.1\r\nHost: a\r\n\r\n", "GET a/x", /^this path is not allowed$/],
  "a request without a host": ["GET /x?y=z HTTP/1.1\r\n\r\n", "GET /x", /^there is no Host field$/],
  "a malformed field": [
    "GET http://me:word@a/x?y HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET a/x",
    /^no valid HTTP\/1\.1: Invalid header token$/,
  ],
  "what is no HTTP": ["\x16\x03\x01\x02", "no HTTP", /^no valid HTTP\/1\.1: Invalid method/],
  "a part of a line": ["\r\nGET /a\xe9 H\r\n", "GET /a?", /^no valid HTTP\/1\.1: /],
};
for (const [name, [request, summary, reason]] of Object.entries(refusals)) {
  Deno.test(`of ${name} that is refused the audit has the request and the reason`, () =>
    onStage(readOnly, async (stage) => {
      await stage.say(request);
      deepEqual(stage.judged, [`-${summary}`]);
      match(stage.refusals.join(), reason);
      ok((await stage.hear())?.includes(`${stage.refusals[0]} (rule the rule)`));
    }));
}

Deno.test("a client that ends within a request is told of as that", () =>
  onStage(everything, async (stage) => {
    await stage.say("GET /");
    await rejects(stage.connection.endWrite(), /the client ended its side within a request/);
  }));

Deno.test("a refusal waits until the client has the whole answer before it, and no more is read", () =>
  onStage(readOnly, async (stage) => {
    const refused = "GET /private HTTP/1.1\r\nHost: a\r\n\r\n";
    const saying = stage.say(
      `GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n${refused.repeat(1_000)}`,
    );
    const answer = `HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n${"x".repeat(2_000)}`;
    stage.answer(answer);
    const buffer = new Uint8Array(100);
    let heard = "";
    while (heard.length < answer.length) {
      heard += latin1(buffer.subarray(0, await stage.connection.read(buffer) ?? 0));
    }
    equal(heard.slice(0, answer.length), answer);
    ok(stage.judged.length <= 2);
    for (let count = 0; count < 1_000; count++) {
      match(await stage.hear() ?? "", /^HTTP\/1\.1 403 .*<\/p>\n$/s);
      ok(stage.judged.length <= count + 3);
    }
    await saying;
  }));

Deno.test("what a target leaves unread of a GET's body is no other request", () =>
  onStage(readOnly, async (stage) => {
    const inner = "GET /private HTTP/1.1\r\nX: ";
    const saying = stage.say(
      `GET /public/a HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length}\r\n\r\n${inner}` +
        "GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    stage.answer(fine);
    equal(await stage.hear(), fine);
    await saying;
    equal(await stage.hear(), null);
    equal(stage.told.split("GET /public/a").length, 2);
    match(stage.told, /\r\nConnection: close\r\n/);
  }));

Deno.test("a DELETE that says it has no body keeps its connection", () =>
  onStage(everything, async (stage) => {
    for (let count = 0; count < 2; count++) {
      await stage.say("DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
      stage.answer(fine);
      equal(await stage.hear(), fine);
    }
  }));

Deno.test("a second answer while a body is still sent is nobody's", () =>
  onStage(everything, async (stage) => {
    await stage.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    stage.answer(fine);
    equal(await stage.hear(), fine);
    stage.answer(fine);
    await rejects(stage.hear(), /the target answers what nobody has asked/);
  }));

Deno.test("a defect within a body whose answer has begun breaks the stream off", () =>
  onStage(everything, async (stage) => {
    await stage.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx");
    stage.answer("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf");
    match(await stage.hear() ?? "", /half$/);
    await rejects(stage.say("no chunk"), { name: "FilterError" });
  }));

Deno.test("bodies that are too long leave the parsers of others as they were", async () => {
  const chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n";
  for (let count = 0; count < 5_000; count++) {
    const stage = stageOf({ maxBodyLength: 3 });
    await stage.say(chunked.slice(0, -9));
    stage.answer("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    match(await stage.hear() ?? "", /200/);
    await rejects(stage.say(chunked.slice(-9)), /a body may have 3 bytes at most/);
    stage.connection.close();
  }
  for (const line of ["PRI * HTTP/2.0", "GET / HTTP/1.1\nHost: a", "X"]) {
    const stage = stageOf(everything);
    await stage.say(`${line}\r\n\r\n`);
    stage.connection.close();
  }
  await onStage(everything, async (stage) => {
    await stage.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    deepEqual(stage.judged, ["+POST a/"]);
  });
});

Deno.test("names in other spellings, and trailers, are no way around what a rule sets and removes", () =>
  onStage(
    { setHeaders: { "X-Key": "ours" }, removeHeaders: ["X-Remote-User"] },
    async (stage) => {
      const fields = [
        ...["X_Key", "x_remote-user", "X_Forwarded_For", "Forwarded", "Transfer_Encoding"],
        ...["X.Key", "x~remote.user", "X!Forwarded'For", "Transfer.Encoding"],
        ...["Aetherport.Peer.Labels", "Aetherport|Peer", "X-Real.IP"],
      ].map((name) => `${name}: theirs\r\n`);
      const trailers = [
        "X-Key",
        "X-Remote-User",
        "X-Forwarded-Host",
        "X_Forwarded_Proto",
        "Aetherport_Peer",
        ...["Aetherport.Peer.Labels", "X.Key", "X`Remote^User", "X-Real-IP"],
      ]
        .map((name) => `${name}: theirs\r\n`);
      await stage.say(
        `POST / HTTP/1.1\r\nHost: a\r\n${fields.join("")}Transfer-Encoding: chunked\r\n\r\n` +
          `0\r\n${trailers.join("")}X-Sum: 1\r\n\r\n`,
      );
      ok(!stage.told.includes("theirs"), stage.told);
      match(stage.told, /\r\n0\r\nX-Sum: 1\r\n\r\n$/);
    },
  ));

Deno.test("no field takes the place of a method or a path that a rule judges by", async () => {
  const fields = ["X-HTTP-Method-Override: PUT", "X_Method_Override: PUT", "X-Original-URL: /b"];
  const text = `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n${fields.join("\r\n")}\r\n\r\n`;
  await onStage({ methods: ["POST"], paths: ["/a"] }, async (stage) => {
    await stage.say(text);
    match(stage.told, /^POST \/a /);
    ok(!/PUT|\/b/.test(stage.told), stage.told);
  });
  await onStage(everything, async (stage) => {
    await stage.say(text);
    match(stage.told, /X-HTTP-Method-Override: PUT\r\n/);
  });
});

Deno.test("a field that a rule asks for is not told otherwise by another spelling", () =>
  onStage({ headers: { "X-Tier": ["free"] } }, async (stage) => {
    for (
      const fields of [
        "X-Tier: free\r\nX_Tier: paid",
        "X-Tier: free\r\nX.Tier: free",
        "X_Tier: free",
      ]
    ) {
      await stage.say(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`);
      match(await stage.hear() ?? "", /^HTTP\/1\.1 403 /);
    }
    equal(stage.told, "");
    await stage.say("GET / HTTP/1.1\r\nHost: a\r\nx-tier: free\r\n\r\n");
    match(stage.told, /\r\nx-tier: free\r\n/);
  }));

Deno.test("what a client says of who asks never passes, and is no field that a rule asks for", async () => {
  const names = [
    ...["Forwarded", "X-Forwarded", "X-Forwarded-User", "X-Forwarded-Port", "X-Forwarded-Prefix"],
    ...["X-Forwarded-Scheme", "X-Real-IP", "Aetherport-Tier"],
  ];
  const asking = `GET / HTTP/1.1\r\nHost: a\r\n${
    names.map((name) => `${name}: theirs\r\n`).join("")
  }\r\n`;
  await onStage({ setHeaders: { "X-Forwarded-User": "ours" } }, async (stage) => {
    await stage.say(asking);
    ok(!stage.told.includes("theirs"), stage.told);
    match(stage.told, /\r\nX-Forwarded-User: ours\r\n/);
  });
  for (const name of names) {
    await onStage({ headers: { [name]: ["theirs"] } }, async (stage) => {
      await stage.say(asking);
      match(await stage.hear() ?? "", /^HTTP\/1\.1 403 /, name);
    });
  }
});

Deno.test("an answer to a refused HEAD has no body", () =>
  onStage(readOnly, async (stage) => {
    await stage.say("HEAD /private HTTP/1.1\r\nHost: a\r\n\r\n");
    match(await stage.hear() ?? "", /\r\n\r\n$/);
  }));

Deno.test("pipelined requests reach the target one after the other", () =>
  onStage(everything, async (stage) => {
    const saying = stage.say(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    stage.answer("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    match(await stage.hear() ?? "", /103/);
    ok(!stage.told.includes("/2"));
    stage.answer(fine);
    equal(await stage.hear(), fine);
    await saying;
    ok(stage.told.includes("GET /2 HTTP/1.1"));
    stage.answer("HTTP/1.1 204 No Content\r\n\r\n");
    match(await stage.hear() ?? "", /204/);
  }));

Deno.test("a chunked body is chunked anew, and its trailers pass but for what they must not say", () =>
  onStage(everything, async (stage) => {
    await stage.say(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
        "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 9\r\nAuthorization: y\r\nAetherport-Peer: x\r\n\r\n",
    );
    const [head = "", ...body] = stage.told.split("\r\n\r\n");
    match(head, /\r\nTransfer-Encoding: chunked$/);
    equal(body.join("\r\n\r\n"), "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 9\r\n\r\n");
  }));

Deno.test("a body in pieces is handed on as it comes", () =>
  onStage(everything, async (stage) => {
    await stage.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    ok(stage.told.endsWith("\r\n\r\nabc"));
    await stage.say("def");
    ok(stage.told.endsWith("\r\n\r\nabcdef"));
    stage.answer(fine);
    equal(await stage.hear(), fine);
  }));

Deno.test("a target may answer before it has the whole body", () =>
  onStage(everything, async (stage) => {
    await stage.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    stage.answer(fine);
    equal(await stage.hear(), fine);
    await stage.say("defGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    ok(stage.told.includes("GET /next HTTP/1.1"));
  }));

Deno.test("Expect: 100-continue passes, and a refusal of it ends the connection", async () => {
  const asking = (path: string) =>
    `PUT ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n`;
  await onStage(everything, async (stage) => {
    await stage.say(asking("/"));
    stage.answer("HTTP/1.1 100 Continue\r\n\r\n");
    match(await stage.hear() ?? "", /100/);
    await stage.say("abc");
    stage.answer(fine);
    equal(await stage.hear(), fine);
  });
  await onStage(readOnly, async (stage) => {
    await stage.say(asking("/private"));
    match(await stage.hear() ?? "", /^HTTP\/1\.1 403 .*Connection: close/s);
    equal(await stage.hear(), null);
    equal(stage.told, "");
  });
});

Deno.test("after WebSocket is agreed on all bytes pass", () =>
  onStage(everything, async (stage) => {
    await stage.say(
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Key: x\r\n\r\n",
    );
    match(stage.told, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
    stage.answer(
      "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a",
    );
    ok((await stage.hear())?.endsWith("\x81\x01a"));
    await stage.say("\x00\xffGET / HTTP/1.1\r\n");
    ok(stage.told.endsWith("\x00\xffGET / HTTP/1.1\r\n"));
    stage.answer("\x01\x02");
    equal(await stage.hear(), "\x01\x02");
  }));

Deno.test("a client of HTTP/2 is told in its own frames that only HTTP/1.1 passes", () =>
  onStage(everything, async (stage) => {
    await stage.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    const reason = "HTTP/2 does not pass here, HTTP/1.1 does";
    const debug = `${reason} (rule the rule)`;
    const settings = "\0\0\0\x04\0\0\0\0\0";
    const goAway = `\0\0${String.fromCharCode(8 + debug.length)}\x07\0\0\0\0\0`;
    equal(await stage.hear(), `${settings}${goAway}\0\0\0\0\0\0\0\x0d${debug}`);
    equal(await stage.hear(), null);
    deepEqual([stage.judged, stage.refusals], [["-PRI *"], [reason]]);
  }));

const badRequests: Readonly<Record<string, [fields: string, status: number]>> = {
  "a field too many": ["X: y\r\n".repeat(129), 431],
  "a head of 17 KB": [`X: ${"x".repeat(17_000)}\r\n`, 431],
  "a field without a name": [": y\r\n", 400],
  "two hosts": ["Host: b\r\n", 400],
};
for (const [name, [fields, status]] of Object.entries(badRequests)) {
  Deno.test(`a client that sends ${name} is told ${status} in the way that it asks for`, async () => {
    const head = (method: string) =>
      `${method} / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n${fields}\r\n`;
    await onStage(everything, async (stage) => {
      await stage.say(head("GET"));
      match(await stage.hear() ?? "", new RegExp(`^HTTP/1.1 ${status} .*\\{"error":"`, "s"));
    });
    await onStage(everything, async (stage) => {
      await stage.say(head("HEAD"));
      match(await stage.hear() ?? "", new RegExp(`^HTTP/1.1 ${status} .*\r\n\r\n$`, "s"));
    });
  });
}

Deno.test("other upgrades are left out, and a refused WebSocket is HTTP still", () =>
  onStage(everything, async (stage) => {
    await stage.say(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
        "HTTP2-Settings: x\r\n\r\n",
    );
    ok(!/upgrade|h2c|http2/i.test(stage.told));
    stage.answer(fine);
    equal(await stage.hear(), fine);
    await stage.say(
      "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    stage.answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    match(await stage.hear() ?? "", /404/);
    await stage.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    ok(stage.told.includes("GET /next"));
  }));

for (const [name, text] of Object.entries(smuggledRequests)) {
  Deno.test(`${name}: nothing reaches the target, and the connection ends`, () =>
    onStage(everything, async (stage) => {
      await stage.say(text).catch(() => {});
      const complete = stage.told.split("\r\n\r\n0\r\n\r\n");
      ok(!stage.told.includes("GET") && complete.length === 1, stage.told);
      match(await stage.hear() ?? "", /^HTTP\/1\.1 (4\d\d|50[15]) |HTTP\/2 does not pass here/);
      equal(await stage.hear(), null);
    }));
}

for (
  const path of [
    ...[
      "/public/../private",
      "/public/%2e%2e/private",
      "/public/%c0%ae%c0%ae/private",
      "/public/%E0%80%AE%E0%80%AE/private",
      "/public/..;/x",
      "/public/.",
      "/public/a%2fb",
    ],
    ...["/public/a%5cb", "/public/a\\b", "/public/%252e%252e/", "/public/%zz", "/public/%00"],
  ]
) {
  Deno.test(`a path that may be read in two ways matches no pattern: ${path}`, () =>
    onStage(readOnly, async (stage) => {
      await stage.say(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      match(await stage.hear() ?? "", /^HTTP\/1\.1 40[03] /);
      equal(stage.told, "");
    }));
}

Deno.test("hosts, fields and lengths are matched", async () => {
  const rule: HttpRule = {
    hosts: ["*.example.org"],
    headers: { "X-Key": ["k-*"] },
    maxBodyLength: 3,
  };
  const outcomes: [head: string, status: number][] = [
    ["GET / HTTP/1.1\r\nHost: a.example.org\r\nX-Key: k-1", 200],
    ["GET / HTTP/1.1\r\nHost: A.Example.org:81\r\nX-Key: k-1", 200],
    ["GET / HTTP/1.1\r\nHost: a.example.org.\r\nX-Key: k-1", 200],
    ["GET / HTTP/1.1\r\nHost: a.example.org.:81\r\nX-Key: k-1", 200],
    ["GET / HTTP/1.1\r\nHost: a.example.org..\r\nX-Key: k-1", 403],
    ["GET / HTTP/1.1\r\nHost: a.b.example.org\r\nX-Key: k-1", 403],
    ["GET / HTTP/1.1\r\nHost: example.org\r\nX-Key: k-1", 403],
    ["GET / HTTP/1.1\r\nHost: a.example.org\r\nX-Key: j-1", 403],
    ["GET / HTTP/1.1\r\nHost: a.example.org", 403],
    ["GET / HTTP/1.1\r\nHost: a.example.org\r\nX-Key: k-1\r\nX-Key: j", 403],
    ["PUT / HTTP/1.1\r\nHost: a.example.org\r\nX-Key: k-1\r\nContent-Length: 4", 413],
  ];
  for (const [head, status] of outcomes) {
    await onStage(rule, async (stage) => {
      await stage.say(`${head}\r\n\r\n`);
      if (status === 200) return ok(stage.told.length > 0, head);
      if (status === 413) await stage.say("abcd");
      match(await stage.hear() ?? "", new RegExp(`^HTTP/1.1 ${status} `), head);
      equal(stage.told, "");
    });
  }
});

Deno.test("a client whose chunked body grows too long is told so, and the target alone is reset", () =>
  onStage({ maxBodyLength: 3 }, async (stage) => {
    await stage.say("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    stage.answer("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200");
    equal(await stage.hear(), "HTTP/1.1 103 Early Hints\r\n\r\n");
    await stage.say("3\r\nbcd\r\n0\r\n\r\n");
    match(
      await stage.hear() ?? "",
      /^HTTP\/1\.1 413 Content Too Large\r\n.*may have 3 bytes at most \(rule the rule\)/s,
    );
    equal(await stage.hear(), null);
    await stage.say("more");
    await stage.connection.endWrite();
    await stage.connection.probe();
    ok(stage.told.endsWith("1\r\na\r\n"));
    equal(stage.target.ended, "reset");
    deepEqual(stage.judged, ["+PUT a/", "-PUT a/"]);
    deepEqual(stage.broken, []);
  }));

Deno.test("a refused answer is told of while the target takes nothing of the request", () =>
  onStage(everything, async (stage) => {
    stage.target.isStalled = true;
    const saying = stage.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    stage.answer("no answer");
    match(await stage.hear() ?? "", /^HTTP\/1\.1 502 /);
    await saying;
    equal(await stage.hear(), null);
  }));

const strangeAnswers: Readonly<Record<string, [answer: string, reason: RegExp]>> = {
  "an answer that is none": ["hello\r\n\r\n", /what is no valid HTTP\/1\.1: /],
  "an upgrade that nobody asked for": [
    "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    /a change to a protocol that nobody has asked for/,
  ],
  "an answer with two lengths": [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    /what is no valid HTTP\/1\.1: /,
  ],
  "an answer of another protocol": ["RTSP/1.0 200 OK\r\n\r\n", /what is no valid HTTP\/1\.1: /],
  "many fields": [
    `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(513)}\r\n`,
    /more than 512 header fields/,
  ],
  "a long field": [
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}\r\n\r\n`,
    /a head of more than 64 KB/,
  ],
  "many blanks": [`HTTP/1.1 200 OK\r\nX: ${" ".repeat(70_000)}\r\n\r\n`, /more than 64 KB/],
  "a long status line": [`HTTP/1.1 200 ${"x".repeat(70_000)}\r\n\r\n`, /more than 64 KB/],
};
for (const [name, [answer, reason]] of Object.entries(strangeAnswers)) {
  Deno.test(`of ${name} the client hears nothing but that it is refused`, () =>
    onStage(everything, async (stage) => {
      await stage.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      stage.answer(answer);
      const told = await stage.hear() ?? "";
      match(told, /^HTTP\/1\.1 502 Bad Gateway\r\n.*Connection: close\r\n/s);
      match(told, reason);
      equal(await stage.hear(), null);
      await stage.connection.endWrite();
      equal(stage.target.ended, "reset");
      match(stage.refusals.join(), reason);
    }));
}

Deno.test("an answer that ends within its head is refused", () =>
  onStage(everything, async (stage) => {
    await stage.say("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    stage.answer("HTTP/1.1 200 OK\r\nContent-Le");
    stage.target.supplyEnd();
    match(
      await stage.hear() ?? "",
      /^HTTP\/1\.1 502 .*\{"error":"bad gateway","reason":"the target/s,
    );
    equal(await stage.hear(), null);
  }));

Deno.test("a head that comes in pieces passes as a whole", () =>
  onStage(everything, async (stage) => {
    await stage.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const fields = `Set-Cookie: ${"x".repeat(200)}\r\n`.repeat(140);
    const answer = `HTTP/1.1 200 OK\r\n${fields}Content-Length: 5000\r\n\r\n${"y".repeat(5_000)}`;
    const hearing = stage.hear();
    stage.answer(answer.slice(0, 10));
    await Promise.resolve();
    stage.answer(answer.slice(10));
    let heard = await hearing ?? "";
    while (heard.length < answer.length) heard += await stage.hear();
    equal(heard, answer);
    await stage.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    stage.answer(fine);
    equal(await stage.hear(), fine);
  }));

Deno.test("a second answer at once breaks the stream off", () =>
  onStage(everything, async (stage) => {
    await stage.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    stage.answer(fine + fine);
    await rejects(stage.hear(), /the target answers what nobody has asked/);
  }));

Deno.test("an answer without a length lasts until the target ends it", () =>
  onStage(everything, async (stage) => {
    await stage.say("GET / HTTP/1.0\r\n\r\n");
    stage.answer("HTTP/1.0 200 OK\r\n\r\nabc");
    match(await stage.hear() ?? "", /abc$/);
    stage.answer("def");
    equal(await stage.hear(), "def");
    stage.target.supplyEnd();
    equal(await stage.hear(), null);
  }));

Deno.test("all memory comes back", async () => {
  const stage = stageOf(everything);
  await stage.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  stage.answer(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${"x".repeat(200_000)}`);
  let length = 0;
  while (length < 200_000) length += (await stage.hear())?.length ?? 0;
  stage.connection.close();
  equal(stage.pool.lentCount, 0);
});
