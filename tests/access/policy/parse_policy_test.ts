import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { parse } from "smol-toml";
import { parsePolicy } from "../../../src/access/policy/parse_policy.ts";
import { policySchema } from "../../../src/access/policy/schema.ts";
import { BadInput } from "../../../src/bad_input.ts";
import { examplePolicy } from "../../../src/cli/example_policy.ts";
import { policyOf } from "../../fakes/policies.ts";

const allow = '[[rule]]\naction = "allow"\n';

const faults: [text: string, line: number, key: string, expected: string][] = [
  ["x = ", 1, "column 5", "invalid value"],
  ["[[rule]\n", 1, "column 8", "expected end of table array"],
  ["rules = []\n", 1, "rules", "one of the keys revoked, rule"],
  ['\nrule = "x"\n', 2, "rule", "tables that begin with [[rule]]"],
  ['[[rule]]\nname = "x"\n', 1, "rule 1, action", 'the key "action"'],
  ['[[rule]]\naction = "accept"\n', 2, "rule 1, action", '"allow", "deny" or "limit", found'],
  [`${allow}tagret = 1\n`, 3, "rule 1, tagret", "one of the keys name, action"],
  [`${allow}\n${allow}name = 5\n`, 6, "rule 2, name", "a text, found 5"],
  [`${allow}name = "a"\n${allow}name = "a"\n`, 6, "rule 2, name", "a name of its own"],
  [`${allow}peer = "anna"\n`, 3, "rule 1, peer", "a table with name, label"],
  [`${allow}peer = { names = "anna" }\n`, 3, "rule 1, peer.names", "one of the keys name"],
  [`${allow}[rule.peer]\nname = [\n"a", 1]\n`, 4, "rule 1, peer.name", "a text, found 1"],
  [`${allow}peer.name = []\n`, 3, "rule 1, peer.name", "a list that is not empty"],
  [`${allow}peer.label.team = 1\n`, 3, "rule 1, peer.label.team", "a text, or a list of texts"],
  [`${allow}peer.key = "short"\n`, 3, "rule 1, peer.key", "a key id"],
  [`${allow}target.host = "10.0.0.1/8"\n`, 3, "rule 1, target.host", "without bits beyond"],
  [`${allow}target.host = "10.*"\n`, 3, "rule 1, target.host", "a pattern"],
  [`${allow}target.host = "127.1"\n`, 3, "rule 1, target.host", "an address"],
  [`${allow}target.host = "a b"\n`, 3, "rule 1, target.host", "a name"],
  [`${allow}target.port = 0\n`, 3, "rule 1, target.port", "a port (1 to 65535)"],
  [`${allow}target.port = "90-80"\n`, 3, "rule 1, target.port", "a range"],
  [`${allow}target.port = 80.5\n`, 3, "rule 1, target.port", "a port"],
  [`${allow}target.unix = "run/x"\n`, 3, "rule 1, target.unix", "begins with /"],
  [`${allow}target.unix = "/run//*"\n`, 3, "rule 1, target.unix", 'write "/run/*"'],
  [`${allow}target.exec = "rm -rf"\n`, 3, "rule 1, target.exec", "letters, digits"],
  [`${allow}target.listen = "example.org"\n`, 3, "rule 1, target.listen", "an address or a range"],
  [`${allow}network = "sctp"\n`, 3, "rule 1, network", '"tcp", "udp"'],
  [`${allow}time.days = "monday"\n`, 3, "rule 1, time.days", '"mon" to "sun"'],
  [`${allow}time.hours = "9-17"\n`, 3, "rule 1, time.hours", "hours such as"],
  [`${allow}time.hours = "09:00-24:30"\n`, 3, "rule 1, time.hours", "hours such as"],
  [`${allow}time.zone = "Berlin"\n`, 3, "rule 1, time.zone", "an IANA time zone"],
  [`${allow}time.until = "2026-11-27"\n`, 3, "rule 1, time.until", "without quotes"],
  [`${allow}time.from = 10:00:00\n`, 3, "rule 1, time.from", "a date, or a date and time"],
  [`${allow}time.until = 18:00:00\n`, 3, "rule 1, time.until", 'hours = "09:00-17:30"'],
  [
    `${allow}time.from = 2026-11-28\ntime.until = 2026-11-27\n`,
    ...[4, "rule 1, time.until", "a time after from"] as const,
  ],
  [`${allow}if = "peer.nmae == 'x'"\n`, 3, "rule 1, if", "column 6: No such key: nmae"],
  [`${allow}if = "peer.name =="\n`, 3, "rule 1, if", "column 13: Unexpected token: EOF"],
  [`${allow}if = "target.port"\n`, 3, "rule 1, if", "column 1: it is a int, not a truth value"],
  [`${allow}if = "target.port == '80'"\n`, 3, "rule 1, if", "column 1: no such overload"],
  [`${allow}if = '''\ntrue &&\n  x'''\n`, 3, "rule 1, if", "its line 2, column 3"],
  [`${allow}if = "peer.name.matches('(a+)+')"\n`, 3, "rule 1, if", "column 10: matches is not"],
  [
    `${allow}if = """peer.name. // x\n matches('(a+)+')"""\n`,
    ...[3, "rule 1, if", "column 10: matches is not"] as const,
  ],
  [
    `${allow}if = "{'a': [true ? peer.name.matches('a') : false]}.size() > 0"\n`,
    ...[3, "rule 1, if", "matches is not"] as const,
  ],
  [
    `${allow}if = "[1].all(a, [1].exists(b, [1].map(c, c) == [b]))"\n`,
    ...[3, "rule 1, if", "column 29: map is within 2 other macros"] as const,
  ],
  [
    `${allow}if = "cel.bind(a, 1, cel.bind(b, a, cel.bind(c, b, c > 0)))"\n`,
    ...[3, "rule 1, if", "bind is within 2 other macros"] as const,
  ],
  [`${allow}limit.connections = 0\n`, 3, "rule 1, limit.connections", "a whole number from 1"],
  [`${allow}limit.bytes = "10 gigs"\n`, 3, "rule 1, limit.bytes", '"10 MB"'],
  [`${allow}limit.idle = "forever"\n`, 3, "rule 1, limit.idle", '"15m"'],
  [`${allow}limit.duration = "30d"\n`, 3, "rule 1, limit.duration", "up to 24 days"],
  [
    `${allow}limit = { bytes-per-second = { in = 1 } }\n`,
    ...[3, "rule 1, limit.bytes-per-second.in", "one of the keys up, down"] as const,
  ],
  [`${allow}[rule.limit]\n`, 3, "rule 1, limit", "at least one limit"],
  ['[[rule]]\naction = "limit"\n', 1, "rule 1", "the key limit"],
  ['[[rule]]\naction = "deny"\nlimit.bytes = 1\n', 3, "rule 1, limit", "no limit in a rule"],
  ['[[rule]]\naction = "deny"\nhttp.methods = "GET"\n', 3, "rule 1, http", "only in a rule that"],
  ...[
    ['hosts = "app.test:8080"', "hosts", "without a port"],
    ['hosts = "bücher.example"', "hosts", "a host such as"],
    ['hosts = "."', "hosts", "a host such as"],
    ['paths = "/x?y=1"', "paths", "without its query"],
    ['paths = ["/", "x"]', "paths", "from its first slash on"],
    ['paths = "/ü"', "paths", "in ASCII"],
    ['paths = "/a%20b"', "paths", "decoded"],
    ['paths = "/a/../b"', "paths", "a path such as"],
    ['paths = "/a//b"', "paths", "a path such as"],
    ['methods = ["GET", "CONNECT"]', "methods", "and not CONNECT"],
    ['methods = "*"', "methods", "a method such as"],
    ['methods = "GET POST"', "methods", "a method such as"],
    ['headers = { "a b" = "*" }', "headers.a b", "a header field that a rule sees"],
    ['headers = { Host = "*" }', "headers.Host", "a header field that a rule sees"],
    ['headers = { keep-alive = "*" }', "headers.keep-alive", "a header field that a rule sees"],
    ['remove-headers = ["x:y"]', "remove-headers", "a header field that a rule sees"],
    ['remove-headers = "Transfer_Encoding"', "remove-headers", "a header field that a rule sees"],
    ['set-headers = { Content_Length = "0" }', "set-headers.Content_Length", "that a rule may set"],
    ['set-headers = { connection = "x" }', "set-headers.connection", "that a rule may set"],
    ["max-body = -1", "max-body", "bytes, at least 1"],
  ].map(([line, key, expected]): typeof faults[number] => [
    `${allow}[rule.http]\n${line}\n`,
    ...[4, `rule 1, http.${key}`, `${expected}`] as const,
  ]),
  [`${allow}tls.sni = "app.test:443"\n`, 3, "rule 1, tls.sni", "a name such as"],
  [`${allow}peer = { pasted = true, name = "a" }\n`, 3, "rule 1, peer.pasted", "it without what"],
  [
    `${allow}limit.bytes-per-second = {}\n`,
    3,
    "rule 1, limit.bytes-per-second",
    "up, down or both",
  ],
  [`${allow}target.listen = "*"\nprotocol = "ssh"\n`, 4, "rule 1, protocol", "about streams"],
  [`${allow}network = "udp"\nprotocol = "ssh"\n`, 4, "rule 1, protocol", "about streams"],
  [`${allow}target.exec = "x"\nnetwork = "tcp"\n`, 4, "rule 1, network", "about hosts"],
  ['[revoked]\nserial = "xyz"\n', 2, "revoked.serial", "a serial number in hexadecimal"],
  ['[revoked]\n\nkey = "xyz"\n', 3, "revoked.key", "a key id"],
];

Deno.test("what is wrong is told in one line: file, line, key, and what was expected", async () => {
  for (const [text, line, key, expected] of faults) {
    await rejects(policyOf(text), (error) => {
      ok(error instanceof BadInput, text);
      const start = `policy.toml, line ${line}${key.startsWith("column") ? "," : ":"} ${key}: `;
      ok(error.message.startsWith(start), `${text} | ${error.message} | ${start}`);
      ok(error.message.includes(expected), `${text} | ${error.message}`);
      ok(!error.message.includes("\n"), error.message);
      return true;
    });
  }
});

/** The keys of a table's schema, with those of the tables in it, as `rule.peer.name`. */
function keysOf(schema: unknown, path: readonly string[] = []): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { entries, wrapped, item, options } = schema as Partial<Record<string, unknown>>;
  const tables = Object.entries(entries ?? {}).flatMap(([key, value]) => {
    const inner = [...path, key];
    return [inner.join("."), ...keysOf(value, inner)];
  });
  const others = [wrapped, item, ...Array.isArray(options) ? options : []];
  return [...tables, ...others.flatMap((other) => keysOf(other, path))];
}

/** The keys that a document has, with those of the tables in it. */
function keysIn(value: unknown, path: readonly string[] = []): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => keysIn(one, path));
  if (typeof value !== "object" || value === null || value instanceof Date) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    const inner = [...path, key];
    return [inner.join("."), ...keysIn(one, inner)];
  });
}

Deno.test("the example is a good policy, and uses every key", async () => {
  const { rules } = await policyOf(examplePolicy);
  equal(rules.length, 9);
  const keys = new Set(keysOf(policySchema));
  ok(keys.has("rule.limit.bytes-per-second.up") && keys.has("rule.http.max-body"));
  const used = new Set(keysIn(parse(examplePolicy)));
  deepEqual([...keys].filter((key) => !used.has(key)), []);
});

Deno.test("filters of HTTP and TLS are read as data", async () => {
  const { rules: [rule, tls, ssh] } = await policyOf(`
    [[rule]]
    action = "allow"
    protocol = "http"
    [rule.http]
    methods = ["GET", "HEAD"]
    hosts = "app.internal"
    paths = ["/", "/static/*"]
    headers = { accept = ["text/html", "*"] }
    max-body = "1 MB"
    set-headers = { X-From = "outside" }
    remove-headers = "cookie"
    [[rule]]
    action = "allow"
    [rule.tls]
    sni = "app.internal"
    alpn = "h2"
    [[rule]]
    action = "allow"
    protocol = "ssh"`);
  deepEqual([rule, tls, ssh].map((one) => one?.content), [
    {
      protocol: "http",
      http: {
        methods: ["GET", "HEAD"],
        hosts: ["app.internal"],
        paths: ["/", "/static/*"],
        headers: { accept: ["*", "text/html"] },
        maxBodyLength: 1_000_000,
        setHeaders: { "X-From": "outside" },
        removeHeaders: ["cookie"],
      },
    },
    { protocol: "tls", tls: { sni: ["app.internal"], alpn: ["h2"] } },
    { protocol: "ssh" },
  ]);
});

Deno.test("rules about content that mean the same are the same", async () => {
  const { rules: [one, other, tls, otherTls] } = await policyOf(`
    [[rule]]
    action = "allow"
    http = { methods = ["GET", "HEAD"], hosts = ["a.example", "b.example"], paths = ["/a", "/b"] }
    [[rule]]
    action = "allow"
    http = { paths = ["/b", "/a"], hosts = ["B.example.", "a.example"], methods = ["head", "GET"] }
    [[rule]]
    action = "allow"
    tls = { sni = ["a.example", "b.example"], alpn = ["h2", "http/1.1"] }
    [[rule]]
    action = "allow"
    tls = { sni = ["b.example", "A.example."], alpn = ["http/1.1", "h2"] }`);
  deepEqual(one?.content, other?.content);
  deepEqual(tls?.content, otherTls?.content);
});

Deno.test("what rules about content may name is read", async () => {
  const { rules: [rule] } = await policyOf(`
    [[rule]]
    action = "allow"
    [rule.http]
    methods = ["m-search"]
    hosts = ["*.example.org", "[::1]", "*"]
    paths = ["**", "/a b/*", "/~x/(1)/**"]
    headers = { X_Api-Key = "*" }
    max-body = 0`);
  deepEqual(rule?.content, {
    protocol: "http",
    http: {
      methods: ["M-SEARCH"],
      hosts: ["*", "*.example.org", "[::1]"],
      paths: ["**", "/a b/*", "/~x/(1)/**"],
      headers: { "X_Api-Key": ["*"] },
      maxBodyLength: 0,
    },
  });
});

Deno.test("no text does anything but parse or be refused in one line", async () => {
  const line = fc.constantFrom(
    ...[
      "[[rule]]",
      'action = "allow"',
      "[rule.peer]",
      'name = "x"',
      "name = 1",
      "[revoked]",
      '"""',
    ],
    ...["target = { host = '*' }", "[rule.limit]", "bytes = 1", 'if = "1"', "[[rule.peer]]", "= 1"],
    ...["'''", "peer.label.x = 'y'", "[rule]", "rule = 1", "time = 2026-01-01", "[[rule.x.y]]"],
  );
  const property = fc.asyncProperty(fc.array(fc.oneof(line, fc.string())), async (lines) => {
    try {
      await parsePolicy({ text: lines.join("\n"), file: "f" });
    } catch (error) {
      ok(error instanceof BadInput, `${error}`);
      ok(!error.message.includes("\n"), error.message);
    }
  });
  await fc.assert(property, { seed: 2, numRuns: 2_000 });
});
