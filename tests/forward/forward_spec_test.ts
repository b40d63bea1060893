import { deepEqual, equal, match } from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import {
  formatForwardSpec,
  type ForwardSpec,
  parseForwardSpecs,
} from "../../src/forward/forward_spec.ts";
import { forwardSpec } from "../fakes/sample_specs.ts";

function complaintAbout(spec: string): string {
  try {
    parseForwardSpecs(spec);
  } catch (error) {
    if (error instanceof BadInput) return error.message;
    throw error;
  }
  throw new Error(`${JSON.stringify(spec)} was accepted`);
}

Deno.test("reads where to listen and what to reach", () => {
  const specs: [spec: string, ForwardSpec][] = [
    ["127.0.0.1:8080:10.0.0.5:80", {
      listen: { kind: "tcp", host: "127.0.0.1", port: 8080 },
      target: { kind: "tcp", host: "10.0.0.5", port: 80 },
    }],
    ["[::1]:8080:[2001:db8::5]:80", {
      listen: { kind: "tcp", host: "::1", port: 8080 },
      target: { kind: "tcp", host: "2001:db8::5", port: 80 },
    }],
    ["[::]:8080:nas.local:80", {
      listen: { kind: "tcp", host: "::", port: 8080 },
      target: { kind: "tcp", host: "nas.local", port: 80 },
    }],
    ["myhost:8080:[::ffff:10.0.0.5]:80", {
      listen: { kind: "tcp", host: "myhost", port: 8080 },
      target: { kind: "tcp", host: "10.0.0.5", port: 80 },
    }],
  ];
  for (const [spec, expected] of specs) deepEqual(parseForwardSpecs(spec), [expected], spec);
});

Deno.test("listens on localhost where no host is given", () => {
  deepEqual(forwardSpec("8080:10.0.0.5:80"), {
    listen: { kind: "tcp", host: "localhost", port: 8080 },
    target: { kind: "tcp", host: "10.0.0.5", port: 80 },
  });
  deepEqual(forwardSpec("8080:[::1]:80").listen, { kind: "tcp", host: "localhost", port: 8080 });
});

Deno.test("the path of a target may have its unix: in front", () => {
  const listens = ["8080", "127.0.0.1:8080", "/run/l"];
  for (const listen of listens) {
    deepEqual(forwardSpec(`${listen}:unix:/run/s`), forwardSpec(`${listen}:/run/s`));
  }
});

Deno.test("a host named exec or unix is written with a dot", () => {
  for (const host of ["exec", "unix"]) {
    const spec = forwardSpec(`8080:${host}.:80`);
    deepEqual(spec.target, { kind: "tcp", host, port: 80 });
    equal(formatForwardSpec(spec), `localhost:8080:${host}.:80`);
  }
});

Deno.test("port 0 may be listened on, and not be reached", () => {
  deepEqual(forwardSpec("0:a:80").listen, { kind: "tcp", host: "localhost", port: 0 });
  match(complaintAbout("80:a:0"), /column 6/);
});

Deno.test("a bad spec gets one line with its column and an example", () => {
  const columns: [spec: string, column: number][] = [
    ["", 1],
    ["8080", 5],
    ["8080:80", 8],
    ["a:b:c:d:e", 9],
    ["1:2:3:4:5:6", 9],
    [":8080:a:80", 1],
    ["x:8080:a:80:", 13],
    ["a::b:80", 3],
    ["8080::80", 6],
    ["8080:a:", 8],
    ["http:a:80", 1],
    ["65536:a:80", 1],
    ["127.1:8080:a:80", 1],
    ["a:8080:2130706433:80", 8],
    ["8080:0x7f.1:80", 6],
    ["8080:*:80", 6],
    ["*:8080:a:80", 1],
    ["8080:[::1:80", 6],
    ["8080:::1:80", 10],
    ["8080:a b:80", 6],
    ["8080:a\n:80", 6],
    ["8080:/run/s/udp", 12],
    ["8080:unix:/run/s/udp", 17],
    ["unix:/run/s", 12],
    ["8080:unix:80", 6],
    ["8080:exec:7", 6],
    ["8080:exec:c", 6],
    ["8080:Unix:7", 6],
    ["8080:exec:80/udp", 6],
    ["8080:/run//s", 10],
    ["/run/../s:a:80", 5],
  ];
  for (const [spec, column] of columns) {
    const complaint = complaintAbout(spec);
    match(complaint, new RegExp(`column ${column}: `), `${spec} gave ${complaint}`);
    match(complaint, /^--forward ".*Example: --forward 8080:10\.0\.0\.5:80$/, spec);
    equal(complaint.includes("\n"), false);
  }
});
