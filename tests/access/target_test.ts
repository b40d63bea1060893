import { deepEqual, throws } from "node:assert/strict";
import { parsePath, parseTarget } from "../../src/access/target.ts";
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

Deno.test("/ is no path of a socket", () => {
  throws(() => parsePath("/", 1), SpecError);
});
