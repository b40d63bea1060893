import { deepEqual, throws } from "node:assert/strict";
import { formatTarget, parsePath, parseTarget, type Target } from "../../src/access/target.ts";
import { SpecError } from "../../src/socket/endpoint.ts";

Deno.test("a path has one spelling, and others are refused where they begin to differ", () => {
  const others: [path: string, column: number, plain: string][] = [
    ["/run//docker.sock", 5, "/run/docker.sock"],
    ["//run/docker.sock", 1, "/run/docker.sock"],
    ["/run/./docker.sock", 5, "/run/docker.sock"],
    ["/run/../etc/s", 5, "/etc/s"],
    ["/run/s/..", 7, "/run"],
    ["/run/s/.", 7, "/run/s"],
    ["/run/s/", 7, "/run/s"],
  ];
  for (const [path, column, plain] of others) {
    const message = `a socket's path has one spelling, write "${plain}"`;
    throws(() => parsePath(path, 1), new SpecError(column, message), path);
    throws(() => parseTarget(`unix:${path}`), new SpecError(column + 5, message), path);
  }
});

Deno.test("names that only begin or end with dots are names", () => {
  for (const path of ["/run/.s", "/run/..s", "/run/s..", "/run/...", "/run/.x/s"]) {
    deepEqual(parseTarget(path), { kind: "unix", path });
  }
});

Deno.test("a path that ends in /udp asks for what a socket cannot do", () => {
  for (const [target, column] of [["/run/s/udp", 7], ["unix:/run/s/udp", 12]] as const) {
    const message = "a Unix socket takes no datagrams";
    throws(() => parseTarget(target), new SpecError(column, message), target);
  }
});

Deno.test("/ is no path of a socket", () => {
  throws(() => parsePath("/", 1), SpecError);
});

Deno.test("no two targets are spelled alike, whatever a host, a path and a command are named", () => {
  const names = ["exec", "unix", "listen", "bench", "reverse", "a"];
  const targets: Target[] = names.flatMap((name): Target[] => [
    { kind: "tcp", host: name, port: 80 },
    { kind: "udp", host: name, port: 80 },
    { kind: "exec", name },
    { kind: "unix", path: `/${name}` },
  ]);
  targets.push({ kind: "exec", name: "80" });
  for (const target of targets) deepEqual(parseTarget(formatTarget(target)), target);
});
