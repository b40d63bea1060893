import { equal } from "node:assert/strict";
import fc from "fast-check";
import { type Trial, tryOut } from "../../../src/access/policy/trial.ts";
import { policyOf } from "../../fakes/policies.ts";

const key = "b".repeat(51) + "a";

/** What decides, where the only rule has this body; else "none". */
async function ruleFor(body: string, trial: Trial, at = "2026-11-23T12:00:00Z"): Promise<string> {
  const policy = await policyOf(`[[rule]]\nname = "it"\n${body}\n`);
  const now = Date.parse(at);
  const { isAllowed, rule = "none" } = tryOut(policy, trial, { now, ownAddresses: ["10.9.9.9"] });
  return isAllowed ? "allow" : rule === "it" ? "deny" : "none";
}

const web = { target: "web.example.org:443", address: "203.0.113.7" };
const anna = { peer: "anna-laptop", label: { team: "data" }, ca: "our-ca", key, serial: "0A1B" };

const allowTable: [body: string, trial: Trial, expected: "allow" | "none"][] = [
  // peers
  ['peer.name = "anna-*"', { ...web, ...anna }, "allow"],
  ['peer.name = "anna"', { ...web, ...anna }, "none"],
  ['peer.name = ["bob", "*-laptop"]', { ...web, ...anna }, "allow"],
  ['peer.name = "*"', { ...web, key }, "none"],
  ['peer.name = "*"', web, "none"],
  ['peer.label.team = "data"', { ...web, ...anna }, "allow"],
  ['peer.label.team = ["ops", "data"]', { ...web, ...anna }, "allow"],
  ['peer.label = { team = "data", site = "berlin" }', { ...web, ...anna }, "none"],
  ['peer.label.team = "ops"', { ...web, ...anna }, "none"],
  ['peer.ca = "our-ca"', { ...web, ...anna }, "allow"],
  ['peer.ca = "other-ca"', { ...web, ...anna }, "none"],
  ['peer.ca = "C0:FF:EE"', { ...web, peer: "x", ca: "c0ffee" }, "allow"],
  [`peer.key = "${key}"`, { ...web, key }, "allow"],
  [`peer.key = "${key}"`, { ...web, key: "a".repeat(52) }, "none"],
  ["peer.pasted = true", web, "allow"],
  ["peer.pasted = true", { ...web, ...anna }, "none"],
  ["peer.pasted = false", { ...web, ...anna }, "allow"],
  ['peer = { name = "anna-*", ca = "other-ca" }', { ...web, ...anna }, "none"],
  // hosts and ports
  ["", web, "allow"],
  ['target.host = "*"', web, "allow"],
  ['target.host = "web.example.org"', web, "allow"],
  ['target.host = "WEB.example.ORG."', web, "allow"],
  ['target.host = "*.example.org"', web, "allow"],
  ['target.host = "*.Example.org."', web, "allow"],
  [
    'target.host = "*.example.org"',
    { target: "a.b.example.org:443", address: "203.0.113.7" },
    "allow",
  ],
  ['target.host = "*.example.org"', { target: "example.org:443", address: "203.0.113.7" }, "none"],
  ['target.host = "*.example.org"', { target: "203.0.113.7:443" }, "none"],
  ['target.host = "web.example.org"', { target: "203.0.113.7:443" }, "none"],
  ['target.host = ["*cafe*", "*.*"]', { target: "[2001:db8::cafe]:443" }, "none"],
  ['target.host = "*.*"', { target: "203.0.113.7:443" }, "none"],
  ['target.host = "203.0.113.7"', web, "allow"],
  ['target.host = "203.0.113.0/24"', web, "allow"],
  ['target.host = "203.0.113.8/29"', web, "none"],
  ['target.host = "2001:db8::/32"', { target: "[2001:db8:1::1]:443" }, "allow"],
  ['target.host = "[2001:db8:1::1]"', { target: "[2001:db8:1:0::1]:443" }, "allow"],
  ['target.host = "::/0"', { target: "203.0.113.7:443" }, "none"],
  ['target.host = "203.0.113.0/24"', { target: "web.example.org:443" }, "none"],
  ["target.port = 443", web, "allow"],
  ["target.port = 80", web, "none"],
  ['target.port = [22, "400-500"]', web, "allow"],
  ['target.port = "443"', web, "allow"],
  ['target = { host = "*.org", port = 80 }', web, "none"],
  // networks
  ['network = "tcp"', web, "allow"],
  ['network = "udp"', web, "none"],
  ['network = ["tcp", "udp"]', { target: "dns.example:53/udp", address: "203.0.113.1" }, "allow"],
  // what is not a host is allowed by name only
  ["", { target: "unix:/run/app.sock" }, "none"],
  ['target.host = "*"', { target: "exec:backup" }, "none"],
  ['target.unix = "/run/app.sock"', { target: "unix:/run/app.sock" }, "allow"],
  ['target.unix = "/run/*"', { target: "unix:/run/app/x.sock" }, "allow"],
  ['target.unix = "/run/app.sock"', web, "none"],
  ['target.exec = ["backup", "log-*"]', { target: "exec:log-day" }, "allow"],
  ['target.exec = "backup"', { target: "exec:restore" }, "none"],
  ['target.listen = "127.0.0.1"', { target: "listen:localhost:8080" }, "allow"],
  ['target.listen = "127.0.0.1"', { target: "listen:0.0.0.0:8080" }, "none"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:10.0.0.1:8080" }, "allow"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:localhost:8080" }, "none"],
  ['target.listen = "127.0.0.0/8"', { target: "listen:127.0.0.2:8080" }, "allow"],
  ['target.listen = "127.0.0.0/8"', { target: "listen:localhost:8080" }, "none"],
  ['target.listen = ["127.0.0.0/8", "::1/128"]', { target: "listen:localhost:8080" }, "allow"],
  ['target.listen = "0.0.0.0/0"', { target: "listen:web.example.org:8080" }, "none"],
  ['target.listen = "0.0.0.0"', { target: "listen:0.0.0.0:8080" }, "allow"],
  ['target.listen = "0.0.0.0"', { target: "listen:127.0.0.1:8080" }, "none"],
  ['target = { listen = "*", port = "8000-9000" }', { target: "listen:[::]:8080" }, "allow"],
  ['target = { listen = "*", port = "8000-9000" }', { target: "listen:[::]:80" }, "none"],
  ["", { target: "listen:127.0.0.1:80" }, "none"],
  ["target.bench = true", { target: "bench" }, "allow"],
  ["", { target: "bench" }, "none"],
  // guarded addresses are reached by what names them
  ['target.host = "localhost"', { target: "127.0.0.1:80" }, "allow"],
  ['target.host = "127.0.0.1"', { target: "localhost:80" }, "allow"],
  ['target.host = "127.0.0.0/8"', { target: "127.9.0.1:80" }, "allow"],
  ['target.host = "0.0.0.0/0"', { target: "127.0.0.1:80" }, "none"],
  ['target.host = "web.example.org"', { ...web, address: "127.0.0.1" }, "none"],
  ['target.host = "169.254.0.0/16"', { target: "169.254.9.9:80" }, "allow"],
  ['target.host = "169.254.0.0/16"', { target: "169.254.169.254:80" }, "none"],
  ['target.host = "169.254.169.254"', { target: "169.254.169.254:80" }, "allow"],
  ['target.host = "10.0.0.0/8"', { target: "10.9.9.9:80" }, "none"],
  ['target.host = "10.9.9.9"', { target: "10.9.9.9:80" }, "allow"],
  // expressions
  ['if = \'peer.labels["team"] == "data" && target.port > 400\'', { ...web, ...anna }, "allow"],
  ['if = \'peer.labels["team"] == "data"\'', { ...web, peer: "x" }, "none"],
  ["if = 'target.host == peer.name + \".example.org\"'", { ...web, peer: "web" }, "allow"],
  ["if = 'target.address.startsWith(\"203.\")'", web, "allow"],
  ["if = '\"our-ca\" in peer.cas'", { ...web, ...anna }, "allow"],
  ["if = 'peer.pasted'", { ...web, ...anna }, "none"],
  ["if = '\".matches(\" != peer.name'", { ...web, ...anna }, "allow"],
  ["if = '[1, 2].filter(a, a > 1).map(a, a + 1).exists(a, a == 3)'", web, "allow"],
  ["if = '[1].exists(a, [2].exists(b, a < b))'", web, "allow"],
  ["if = 'time.day == \"mon\" && time.hour < 13'", web, "allow"],
  ["time.zone = 'Asia/Tokyo'\nif = 'time.hour == 21'", web, "allow"],
];

Deno.test("each matcher means what it names, and no more", async () => {
  for (const [body, trial, expected] of allowTable) {
    const found = await ruleFor(`action = "allow"\n${body}`, trial);
    equal(found, expected, `${body} | ${JSON.stringify(trial)}`);
  }
});

const denyTable: [body: string, trial: Trial, expected: "deny" | "none"][] = [
  ["", { target: "exec:backup" }, "deny"],
  ["", { target: "bench" }, "deny"],
  ['target.host = "*"', { target: "127.0.0.1:80" }, "deny"],
  ['target.host = "0.0.0.0/0"', { target: "127.0.0.1:80" }, "deny"],
  ['target.host = "10.0.0.0/8"', { target: "[64:ff9b::a00:5]:80" }, "deny"],
  ['target.host = "10.0.0.0/8"', { target: "[2002:a00:5::1]:80" }, "deny"],
  ['target.host = "10.0.0.0/8"', { ...web, address: "10.0.0.5" }, "deny"],
  ['target.host = "web.example.org"', { ...web, address: "10.0.0.5" }, "deny"],
  // A listener is denied with each address at which it may be reached.
  ['target.listen = "127.0.0.0/8"', { target: "listen:localhost:80" }, "deny"],
  ['target.listen = "::/0"', { target: "listen:localhost:80" }, "deny"],
  ['target.listen = "localhost"', { target: "listen:localhost:80" }, "deny"],
  ['target.listen = "*"', { target: "listen:localhost:80" }, "deny"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:localhost:80" }, "none"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:127.0.0.1:80" }, "none"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:0.0.0.0:80" }, "deny"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:[::]:80" }, "deny"],
  ['target.listen = "::/0"', { target: "listen:0.0.0.0:80" }, "none"],
  ['target.listen = "10.0.0.0/8"', { target: "listen:web.example.org:80" }, "deny"],
  ['target.host = "*"', { target: "listen:localhost:80" }, "none"],
  // What has no value is read so that less is allowed.
  ['if = \'peer.labels["team"] == "data"\'', web, "deny"],
  ["if = 'false'", web, "none"],
];

Deno.test("a rule that denies is read widely", async () => {
  for (const [body, trial, expected] of denyTable) {
    const found = await ruleFor(`action = "deny"\n${body}`, trial);
    equal(found, expected, `${body} | ${JSON.stringify(trial)}`);
  }
});

const timeTable: [time: string, at: string, isOpen: boolean][] = [
  ['days = "mon-fri"', "2026-11-23T12:00:00Z", true],
  ['days = "mon-fri"', "2026-11-22T12:00:00Z", false],
  ['days = ["sat", "sun"]', "2026-11-22T12:00:00Z", true],
  ['days = "fri-mon"', "2026-11-22T12:00:00Z", true],
  ['hours = "09:00-17:00"', "2026-11-23T08:59:59Z", false],
  ['hours = "09:00-17:00"', "2026-11-23T09:00:00Z", true],
  ['hours = "09:00-17:00"', "2026-11-23T16:59:59Z", true],
  ['hours = "09:00-17:00"', "2026-11-23T17:00:00Z", false],
  ['hours = ["00:00-01:00", "23:00-24:00"]', "2026-11-23T23:59:59Z", true],
  ['hours = "09:00-17:00"\nzone = "Europe/Berlin"', "2026-11-23T08:00:00Z", true],
  ['hours = "09:00-17:00"\nzone = "Europe/Berlin"', "2026-07-06T07:00:00Z", true],
  ['hours = "09:00-17:00"\nzone = "Europe/Berlin"', "2026-07-06T15:00:00Z", false],
  ['hours = "09:00-17:00"\nzone = "Asia/Kathmandu"', "2026-11-23T03:14:59Z", false],
  ['hours = "09:00-17:00"\nzone = "Asia/Kathmandu"', "2026-11-23T03:15:00Z", true],
  // Friday night goes on into Saturday, Thursday's is none.
  ['days = "fri"\nhours = "22:00-06:00"', "2026-11-27T22:00:00Z", true],
  ['days = "fri"\nhours = "22:00-06:00"', "2026-11-28T05:59:59Z", true],
  ['days = "fri"\nhours = "22:00-06:00"', "2026-11-27T05:00:00Z", false],
  // The hour that is left out in spring, and the one that comes twice in autumn.
  ['hours = "02:00-03:00"\nzone = "Europe/Berlin"', "2026-03-29T01:00:00Z", false],
  ['hours = "02:00-03:00"\nzone = "Europe/Berlin"', "2026-10-25T00:30:00Z", true],
  ['hours = "02:00-03:00"\nzone = "Europe/Berlin"', "2026-10-25T01:30:00Z", true],
  ["until = 2026-11-27T18:00:00+01:00", "2026-11-27T16:59:59Z", true],
  ["until = 2026-11-27T18:00:00+01:00", "2026-11-27T17:00:00Z", false],
  ["until = 2026-11-27", "2026-11-27T23:59:59Z", true],
  ["until = 2026-11-27", "2026-11-28T00:00:00Z", false],
  ['until = 2026-11-27\nzone = "Europe/Berlin"', "2026-11-27T23:00:00Z", false],
  ['from = 2026-11-27T09:00:00\nzone = "America/New_York"', "2026-11-27T13:59:59Z", false],
  ['from = 2026-11-27T09:00:00\nzone = "America/New_York"', "2026-11-27T14:00:00Z", true],
  ['from = 2026-11-27\nzone = "Asia/Tokyo"', "2026-11-26T15:00:00Z", true],
];

Deno.test("days, hours, from and until hold in their time zone", async () => {
  for (const [time, at, isOpen] of timeTable) {
    const body = `action = "allow"\n[rule.time]\n${time}`;
    equal(await ruleFor(body, web, at), isOpen ? "allow" : "none", `${time} at ${at}`);
  }
});

Deno.test("the first rule that matches decides, and limits add up on the way", async () => {
  const policy = await policyOf(`
    [[rule]]
    name = "shares"
    action = "limit"
    limit.connections = 9
    [[rule]]
    name = "not 25"
    action = "deny"
    target.port = 25
    [[rule]]
    name = "all"
    action = "allow"
    limit.bytes = "1 GB"
    [[rule]]
    name = "too late"
    action = "deny"`);
  const decide = (target: string) => tryOut(policy, { target }, { now: 0, ownAddresses: [] });
  equal(decide("203.0.113.7:25").rule, "not 25");
  const { rule, isAllowed, limiting } = decide("203.0.113.7:80");
  equal(`${rule} ${isAllowed} ${limiting.map(({ name }) => name)}`, "all true shares,all");
});

Deno.test("who is revoked is let in by no rule", async () => {
  const policy = await policyOf(`
    [revoked]
    serial = "00:0a:1b"
    name = "old-*"
    key = "${key}"
    [[rule]]
    action = "allow"`);
  const ruleOf = (trial: Partial<Trial>) =>
    tryOut(policy, { target: "203.0.113.7:80", ...trial }, { now: 0, ownAddresses: [] }).rule;
  equal(ruleOf({ peer: "anna", serial: "A1B" }), "revoked");
  equal(ruleOf({ peer: "old-laptop" }), "revoked");
  equal(ruleOf({ key }), "revoked");
  equal(ruleOf({ peer: "anna", serial: "A1C", key: "a".repeat(52) }), "rule 1");
});

Deno.test("a rule about what is in a stream allows streams, and nothing else", async () => {
  for (const part of ['protocol = "http"', 'http.methods = "GET"', 'tls.sni = "*.example.org"']) {
    const rule = `action = "allow"\n${part}`;
    equal(await ruleFor(rule, web), "allow", part);
    equal(await ruleFor(rule, { ...web, target: `${web.target}/udp` }), "deny", part);
  }
});

const port = fc.integer({ min: 1, max: 5 });
const ruleText = fc.record({
  action: fc.constantFrom("allow", "deny", "limit"),
  name: fc.constantFrom("", "anna", "*", "b*"),
  host: fc.constantFrom("", "*", "10.0.0.0/8", "*.example", "127.0.0.1", "10.0.0.5"),
  port: fc.option(port, { nil: undefined }),
}).map(({ action, name, host, port }) =>
  [
    `action = "${action}"`,
    ...(action === "limit" ? ["limit.connections = 1"] : []),
    ...(name === "" ? [] : [`peer.name = "${name}"`]),
    ...(host === "" ? [] : [`target.host = "${host}"`]),
    ...(port === undefined ? [] : [`target.port = ${port}`]),
  ].join("\n")
);
const trials = fc.record({
  peer: fc.constantFrom("anna", "bob", undefined),
  host: fc.constantFrom("10.0.0.5", "127.0.0.1", "a.example", "203.0.113.7"),
  port,
}).map(({ peer, host, port }) => ({ peer, target: `${host}:${port}`, address: undefined }));

Deno.test("a rule below one that decides, or that is not about it, changes no verdict", async () => {
  const rules = fc.array(ruleText, { maxLength: 6 });
  const property = fc.asyncProperty(rules, ruleText, trials, async (above, below, trial) => {
    const text = (all: readonly string[]) => all.map((rule) => `[[rule]]\n${rule}\n`).join("");
    const decide = async (all: readonly string[]) =>
      tryOut(await policyOf(text(all)), trial, { now: 0, ownAddresses: [] });
    const [before, alone, after] = [
      await decide(above),
      await decide([below]),
      await decide([...above, below]),
    ];
    if (before.rule !== undefined || alone.rule === undefined) {
      equal(`${after.isAllowed} ${after.rule}`, `${before.isAllowed} ${before.rule}`);
    } else equal(after.isAllowed, alone.isAllowed);
  });
  await fc.assert(property, { seed: 1, numRuns: 300 });
});
