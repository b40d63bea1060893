import { deepEqual, equal, match } from "node:assert/strict";
import {
  AllowList,
  type AllowRule,
  formatAllowRule,
  parseAllowListenRule,
  parseAllowRule,
} from "../../src/access/allow_list.ts";
import { BadInput } from "../../src/bad_input.ts";
import { parseTarget } from "../../src/access/target.ts";
import { somePeer } from "../fakes/sample_specs.ts";

function allows(rules: readonly string[], target: string): boolean {
  const access = new AllowList(rules.map(parseAllowRule));
  return access.judge({ peer: somePeer, wanted: parseTarget(target) }).isAllowed;
}

Deno.test("allows nothing without a rule", () => {
  equal(allows([], "127.0.0.1:80"), false);
});

Deno.test("reads rules with any host and any port", () => {
  const rules: [spec: string, AllowRule][] = [
    ["127.0.0.1:80", { kind: "tcp", host: "127.0.0.1", port: 80 }],
    ["[::FFFF:127.0.0.1]:80", { kind: "tcp", host: "127.0.0.1", port: 80 }],
    ["NAS.local.:80", { kind: "tcp", host: "nas.local", port: 80 }],
    ["*:80", { kind: "tcp", host: "*", port: 80 }],
    ["[::1]:*", { kind: "tcp", host: "::1", port: "*" }],
    ["*:*", { kind: "tcp", host: "*", port: "*" }],
    ["[::1]:80-90/udp", { kind: "udp", host: "::1", port: { first: 80, last: 90 } }],
  ];
  for (const [spec, rule] of rules) deepEqual(parseAllowRule(spec), rule, spec);
});

Deno.test("the names of this host match one another", () => {
  const thisHost = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"];
  for (const rule of thisHost) {
    for (const target of thisHost) {
      equal(allows([`${rule}:80`], `${target}:80`), true, `${rule} ${target}`);
      equal(allows([`${rule}:80`], `${target}:81`), false, `${rule} ${target}`);
    }
    for (const other of ["127.0.0.2", "10.0.0.5", "localhost.example", "[::2]"]) {
      equal(allows([`${rule}:80`], `${other}:80`), false, `${rule} ${other}`);
      equal(allows([`${other}:80`], `${rule}:80`), false, `${other} ${rule}`);
    }
  }
});

Deno.test("who may listen on the loopback may not listen on all addresses", () => {
  const allowsListen = (rule: string, host: string) => {
    const access = new AllowList([parseAllowListenRule(rule)]);
    return access.judge({ peer: somePeer, wanted: { kind: "listen", host, port: 80 } }).isAllowed;
  };
  const [loopback, any] = [["localhost", "127.0.0.1", "::1"], ["0.0.0.0", "::"]];
  for (const rule of ["80", "localhost:*", "127.0.0.1:80", "[::1]:80"]) {
    for (const host of loopback) equal(allowsListen(rule, host), true, `${rule} ${host}`);
    for (const host of any) equal(allowsListen(rule, host), false, `${rule} ${host}`);
  }
  deepEqual([...loopback, ...any].filter((host) => allowsListen("0.0.0.0:80", host)), ["0.0.0.0"]);
  deepEqual([...loopback, ...any].filter((host) => allowsListen("*:80", host)).length, 5);
  equal(allowsListen("81", "localhost"), false);
});

Deno.test("* stands for every host or every port", () => {
  for (const target of ["10.0.0.5:80", "nas.local:80", "[2001:db8::1]:80", "localhost:80"]) {
    equal(allows(["*:80"], target), true, target);
    equal(allows(["*:81"], target), false, target);
    equal(allows(["*:*"], target), true, target);
  }
  equal(allows(["10.0.0.5:*"], "10.0.0.5:1"), true);
  equal(allows(["10.0.0.5:*"], "10.0.0.5:65535"), true);
  equal(allows(["10.0.0.5:*"], "10.0.0.6:80"), false);
});

Deno.test("a range of ports stands for each of them, and for its ends", () => {
  const ports = [79, 80, 85, 90, 91];
  deepEqual(ports.filter((port) => allows(["nas.local:80-90"], `nas.local:${port}`)), [80, 85, 90]);
  equal(allows(["nas.local:80-90"], "nas.local:80/udp"), false);
  equal(allows(["nas.local:80-80/udp"], "nas.local:80/udp"), true);
  const listen = new AllowList([parseAllowListenRule("8000-8010")]);
  const mayListen = (port: number) =>
    listen.judge({ peer: somePeer, wanted: { kind: "listen", host: "localhost", port } }).isAllowed;
  deepEqual([7999, 8000, 8010, 8011].filter(mayListen), [8000, 8010]);
  for (const spec of ["nas:80-90", "[::1]:1-65535/udp", "*:80-90"]) {
    equal(formatAllowRule(parseAllowRule(spec)), `--allow ${spec}`);
  }
});

Deno.test("names match as they were asked for, and never an address", () => {
  equal(allows(["nas.local:80"], "NAS.LOCAL.:80"), true);
  equal(allows(["nas.local:80"], "x.nas.local:80"), false);
  equal(allows(["nas.local:80"], "nas.local.example:80"), false);
  equal(allows(["nas.local:80"], "10.0.0.5:80"), false);
  equal(allows(["10.0.0.5:80"], "nas.local:80"), false);
});

Deno.test("addresses match in any spelling", () => {
  equal(allows(["[2001:db8::1]:80"], "[2001:0DB8:0:0:0:0:0:1]:80"), true);
  equal(allows(["[::ffff:a00:5]:80"], "10.0.0.5:80"), true);
  equal(allows(["10.0.0.5:80"], "[::ffff:10.0.0.5]:80"), true);
  equal(allows(["10.0.0.5:80"], "[64:ff9b::a00:5]:80"), false);
});

Deno.test("the link may be measured where a rule says so, and by no other", () => {
  const allowsBench = (...rules: string[]) =>
    new AllowList(rules.map(parseAllowRule)).judge({ peer: somePeer, wanted: { kind: "bench" } })
      .isAllowed;
  equal(allowsBench("bench"), true);
  equal(allowsBench("10.0.0.5:80", "bench"), true);
  for (const rules of [[], ["*:*"], ["bench:80"], ["bench:*"]]) equal(allowsBench(...rules), false);
  equal(allows(["bench"], "bench:80"), false);
  equal(allows(["bench", "nas:80"], "nas:80"), true);
});

Deno.test("a name leads to this host where it does, but not near it, unless any host is allowed", () => {
  const admitted = (rule: string, ...addresses: string[]) => {
    const wanted = parseTarget("nas.local:80");
    const end = () => {};
    const admission = new AllowList([parseAllowRule(rule)])
      .admit({ peer: somePeer, wanted, addresses, end });
    return admission.isAllowed ? admission.addresses : "refused";
  };
  const addresses = ["169.254.169.254", "192.168.1.5", "fe80::1", "127.0.1.1", "ff02::1"];
  deepEqual(admitted("nas.local:80", ...addresses), ["192.168.1.5", "127.0.1.1"]);
  deepEqual(admitted("*:80", ...addresses), addresses);
  equal(admitted("nas.local:80", "169.254.169.254"), "refused");
  equal(admitted("nas.local:80", "64:ff9b::a9fe:a9fe"), "refused");
});

Deno.test("hosts named exec and unix are written with a dot, and are no other kind of target", () => {
  for (const host of ["exec", "unix"]) {
    for (const rule of [`${host}.:80`, "*:80", "*:*"]) equal(allows([rule], `${host}.:80`), true);
    equal(formatAllowRule(parseAllowRule(`${host}.:80/udp`)), `--allow ${host}.:80/udp`);
  }
  equal(allows(["exec.:80", "*:*"], "exec:80"), false);
  const judge = (target: string) =>
    new AllowList([]).judge({ peer: somePeer, wanted: parseTarget(target) });
  deepEqual(judge("exec:80"), { isAllowed: false, reason: "no --allow-exec offers it" });
  deepEqual(judge("exec.:80"), { isAllowed: false, reason: "no --allow names it" });
});

Deno.test("one of several rules is enough", () => {
  const rules = ["10.0.0.5:80", "nas.local:*"];
  equal(allows(rules, "10.0.0.5:80"), true);
  equal(allows(rules, "nas.local:443"), true);
  equal(allows(rules, "10.0.0.5:443"), false);
});

Deno.test("a bad rule gets one line with its column and an example", () => {
  const columns: [spec: string, column: number][] = [
    ["", 1],
    ["80", 3],
    ["Bench", 6],
    ["*", 2],
    [":80", 1],
    ["a:", 3],
    ["a:0", 3],
    ["a:**", 3],
    ["a:90-80", 3],
    ["a:0-80", 3],
    ["a:80-65536", 6],
    ["a:80-", 3],
    ["a:80-90-99", 3],
    ["**:80", 1],
    ["*.local:80", 1],
    ["10.0.0.*:80", 1],
    ["10.0.0.0/8:80", 1],
    ["a:80:90", 6],
    ["8080:a:80", 8],
    ["127.1:80", 1],
    ["[*]:80", 1],
    ["::1:80", 3],
    ["/run/s/udp", 7],
    ["unix:/run/s/udp", 12],
    ["exec:80", 1],
    ["exec:backup", 1],
    ["Exec:80", 1],
    ["exec:80/udp", 1],
    ["unix:80", 1],
    ["UNIX:*", 1],
  ];
  for (const [spec, column] of columns) {
    try {
      parseAllowRule(spec);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      match(
        error.message,
        new RegExp(`^--allow ".*column ${column}: .*Example: --allow .+$`),
        spec,
      );
      continue;
    }
    throw new Error(`${spec} was accepted`);
  }
});
