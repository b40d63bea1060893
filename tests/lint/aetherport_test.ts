import { deepEqual, equal, match } from "node:assert/strict";
import plugin from "../../lint/aetherport.ts";

/** What one rule says of a source text in a file of that name. */
function findings(rule: string, path: string, source: string): Deno.lint.Diagnostic[] {
  return Deno.lint.runPlugin(plugin, path, source).filter((one) => one.id === `aetherport/${rule}`);
}

function accepts(rule: string, path: string, ...sources: string[]): void {
  for (const source of sources) {
    const messages = findings(rule, path, source).map((one) => one.message);
    deepEqual(messages, [], `${path}: ${source}`);
  }
}

function refuses(rule: string, path: string, ...sources: string[]): void {
  for (const source of sources) {
    const found = findings(rule, path, source);
    equal(found.length, 1, `${path}: ${source}: ${found.map((one) => one.message).join("; ")}`);
    match(found[0]?.hint ?? "", /\w/, "a finding says what to do");
  }
}

/** What each layer may import, written a second time and in full, as the reader knows it. */
const BELOW: Record<string, string> = {
  cli:
    "control node bench forward access tunnel link datachannel ice sctp crypto dtls socket signaling identity config",
  control: "node forward access link socket",
  node: "bench forward access tunnel link signaling identity socket",
  bench: "forward access tunnel link",
  forward: "access tunnel link socket",
  access: "identity socket",
  tunnel: "link",
  link: "datachannel ice sctp crypto dtls socket identity",
  datachannel: "sctp",
  ice: "",
  sctp: "",
  crypto: "",
  dtls: "",
  socket: "",
  signaling: "identity link socket",
  identity: "",
  config: "",
};

Deno.test("layers: a layer imports the layers below it and no other", () => {
  for (const [from, below] of Object.entries(BELOW)) {
    for (const to of Object.keys(BELOW).filter((one) => one !== from)) {
      const judge = below.split(" ").includes(to) ? accepts : refuses;
      judge("layers", `src/${from}/some.ts`, `import { a } from "../${to}/other.ts";`);
    }
  }
});

Deno.test("layers: every layer imports itself and the files directly in src/", () => {
  for (const layer of Object.keys(BELOW)) {
    accepts(
      "layers",
      `src/${layer}/some.ts`,
      'import { a } from "./other.ts";',
      'import { a } from "./deep/other.ts";',
      `import { a } from "../${layer}/other.ts";`,
      'import { BadInput } from "../bad_input.ts";',
      'import { a } from "npm:some-package@1.0.0";',
      'import manifest from "../../deno.json" with { type: "json" };',
    );
  }
  accepts("layers", "src/link/deep/some.ts", 'import { a } from "../../ice/agent.ts";');
  refuses("layers", "src/link/deep/some.ts", 'import { a } from "../../tunnel/tunnel.ts";');
});

Deno.test("layers: every way of importing counts", () => {
  refuses(
    "layers",
    "src/ice/agent.ts",
    'import "../dtls/record.ts";',
    'import type { Record } from "../dtls/record.ts";',
    'export { record } from "../dtls/record.ts";',
    'export * from "../dtls/record.ts";',
    'const a = import("../dtls/record.ts");',
    "const a = import(`../dtls/record.ts`);",
    'type A = import("../dtls/record.ts").Record;',
    'new Worker(new URL("../dtls/record.ts", import.meta.url), { type: "module" });',
  );
  accepts(
    "layers",
    "src/ice/agent.ts",
    'new URL("../dtls/record.ts", "https://example.org/");',
    "export { a }; const a = 1;",
    "const a = import(name);",
  );
});

Deno.test("layers: of some layers only types may be imported", () => {
  for (
    const [path, other] of [
      ["src/ice/some.ts", "../socket/endpoint.ts"],
      ["src/crypto/some.ts", "../dtls/aead.ts"],
    ] as const
  ) {
    accepts(
      "layers",
      path,
      `import type { A } from "${other}";`,
      `import { type A, type B } from "${other}";`,
      `export type { A } from "${other}";`,
      `type A = import("${other}").A;`,
    );
    refuses(
      "layers",
      path,
      `import { a } from "${other}";`,
      `import { a, type B } from "${other}";`,
      `import "${other}";`,
      `export { a } from "${other}";`,
    );
  }
});

Deno.test("layers: src/ imports nothing from outside but the server, and that from cli on demand", () => {
  for (const folder of ["tests", "bench", "demo", "lint", "signal"]) {
    refuses("layers", "src/node/some.ts", `import { a } from "../../${folder}/a.ts";`);
    refuses("layers", "src/cli/some.ts", `import { a } from "../../${folder}/a.ts";`);
    refuses("layers", "src/root.ts", `import { a } from "../${folder}/a.ts";`);
  }
  accepts("layers", "src/cli/some.ts", 'const a = await import("../../signal/serve.ts");');
  refuses("layers", "src/cli/some.ts", 'const a = await import("../../bench/run.ts");');
  refuses("layers", "src/node/some.ts", 'const a = await import("../../signal/serve.ts");');
  refuses("layers", "src/cli/some.ts", 'import { run } from "../../main.ts";');
});

Deno.test("layers: a file directly in src/ imports no layer", () => {
  accepts("layers", "src/bad_input.ts", 'import { a } from "./version.ts";');
  refuses("layers", "src/bad_input.ts", 'import { a } from "./socket/udp.ts";');
});

Deno.test("layers: a folder that is no layer is refused, from both ends", () => {
  refuses("layers", "src/misc/some.ts", 'import { a } from "../socket/udp.ts";');
  refuses("layers", "src/link/some.ts", 'import { a } from "../misc/some.ts";');
});

Deno.test("layers: the server shares nothing with src/ but the wire types", () => {
  accepts(
    "layers",
    "signal/app.ts",
    'import { a } from "./store.ts";',
    'import type { Offer } from "../src/signaling/wire.ts";',
    'import { parseOffer } from "../src/signaling/wire.ts";',
    'import manifest from "../deno.json" with { type: "json" };',
  );
  refuses(
    "layers",
    "signal/app.ts",
    'import { a } from "../src/signaling/seal.ts";',
    'import { BadInput } from "../src/bad_input.ts";',
    'import { a } from "../tests/a.ts";',
  );
});

Deno.test("layers: tests, benches and the entry import what they like", () => {
  accepts("layers", "tests/ice/agent_test.ts", 'import { a } from "../../src/dtls/record.ts";');
  accepts("layers", "bench/run.ts", 'import { a } from "../src/link/link.ts";');
  accepts("layers", "main.ts", 'import { run } from "./src/cli/run.ts";');
});

Deno.test("layers: the finding names both files and what is permitted", () => {
  const [found] = findings("layers", "src/access/rule.ts", 'import { a } from "../link/link.ts";');
  equal(
    found?.message,
    'src/access/rule.ts must not import src/link/link.ts: "link" is not below "access"',
  );
  match(found?.hint ?? "", /"access" may import: identity, socket, files directly in src\//);
});

Deno.test("packages: a package with a home is imported there and in tests", () => {
  const homes: Record<string, readonly string[]> = {
    "werift": [],
    "commander": ["src/cli/program.ts"],
    "hono": ["signal/app.ts"],
    "@hono/hono": ["signal/app.ts"],
    "@peculiar/x509": ["src/identity/certificate.ts"],
    "reflect-metadata": ["src/identity/certificate.ts"],
    "jose": ["src/signaling/seal.ts", "src/identity/key.ts"],
    "fast-check": [],
    "yaml": [],
  };
  for (const [name, places] of Object.entries(homes)) {
    const source = `import { a } from "${name}";`;
    for (const place of [...places, "tests/some_test.ts"]) accepts("packages", place, source);
    refuses("packages", "src/node/node.ts", source);
    refuses("packages", "src/link/werift_link_other.ts", source);
    refuses("packages", "main.ts", source);
  }
});

Deno.test("packages: the version, a part of the package and a type change nothing", () => {
  refuses(
    "packages",
    "src/node/node.ts",
    'import { a } from "npm:jose@6.2.17";',
    'import { a } from "npm:/jose@6.2.17/jwt/sign";',
    'import { a } from "jose/jwt/sign";',
    'import { a } from "npm:@peculiar/x509@2";',
    'import type { a } from "commander";',
    'const a = import("werift");',
  );
});

Deno.test("packages: a package without a home is free, as is one of a similar name", () => {
  accepts(
    "packages",
    "src/node/node.ts",
    'import { a } from "ipaddr.js";',
    'import { a } from "node:crypto";',
    'import { a } from "jose-like";',
    'import { a } from "constructor";',
    'import { a } from "../hono/app.ts";',
  );
});

Deno.test("packages: nothing comes from a URL or from jsr, not even in tests", () => {
  for (const path of ["src/node/node.ts", "signal/app.ts", "tests/a_test.ts", "bench/run.ts"]) {
    refuses(
      "packages",
      path,
      'import { a } from "jsr:@std/assert@1";',
      'import { a } from "https://example.org/a.ts";',
      'export { a } from "http://example.org/a.ts";',
      'const a = import("jsr:@std/path");',
    );
  }
});

const CORES = ["tunnel", "ice", "dtls", "sctp", "datachannel"].map((one) => `src/${one}/core.ts`);

const IMPURE_SOURCES = [
  "await ready;",
  "async function f(): Promise<void> {}",
  "const f = async () => {};",
  "const o = { async f() {} };",
  "class C { async f() {} }",
  "for await (const one of all) use(one);",
  "Date.now();",
  "const clock = Date.now;",
  "globalThis.Date.now();",
  "const { now } = Date;",
  "new Date();",
  "Date();",
  "performance.now();",
  "const { setTimeout: later } = globalThis;",
  "setTimeout(f, 1);",
  "globalThis.setTimeout(f, 1);",
  'globalThis["setTimeout"](f, 1);',
  "setInterval(f, 1);",
  "setImmediate(f);",
  "queueMicrotask(f);",
  "const start = setTimeout;",
  "Math.random();",
  "crypto.getRandomValues(bytes);",
  "crypto.randomUUID();",
  'import { randomBytes } from "node:crypto";',
  'import { randomBytes as draw } from "node:crypto";',
  'import * as c from "node:crypto";',
  'import c from "node:crypto";',
  'console.log("x");',
  "const all = { console };",
  'import { getLogger } from "@logtape/logtape";',
  'import { setTimeout as later } from "node:timers/promises";',
  "Deno.readFileSync(path);",
  "const address: Deno.NetAddr = a;",
];

Deno.test("pure-core: a core neither waits, nor asks the clock, nor draws, nor logs", () => {
  for (const core of CORES) refuses("pure-core", core, ...IMPURE_SOURCES);
});

Deno.test("pure-core: names that merely look alike are accepted", () => {
  for (const core of CORES) {
    accepts(
      "pure-core",
      core,
      "function f(now: number): number { return now; }",
      "for (const one of all) use(one);",
      "this.setTimeout(1); timers.setInterval(2); a.console = 1;",
      "class C { console = 1; setTimeout(): void {} }",
      "interface A { performance: number; Deno: string }",
      "const o = { setTimeout: 1 };",
      "class C { constructor() { this.constructor; } } toString(valueOf);",
      "Math.max(1, 2); random.getRandomValues(bytes);",
      'import { createHmac, timingSafeEqual } from "node:crypto";',
      'import { setTimeout as later } from "./timers.ts";',
    );
  }
});

Deno.test("pure-core: the other layers, and the cores' tests, may do all of it", () => {
  for (const path of ["src/link/driver.ts", "src/socket/udp.ts", "tests/sctp/core_test.ts"]) {
    accepts("pure-core", path, ...IMPURE_SOURCES);
  }
});

Deno.test("no-math-random: the program and the server draw from a safe source", () => {
  for (const path of ["src/node/node.ts", "src/sctp/core.ts", "src/root.ts", "signal/app.ts"]) {
    refuses(
      "no-math-random",
      path,
      "Math.random();",
      'Math["random"]();',
      "globalThis.Math.random();",
      "const draw = Math.random;",
      "const { random } = Math;",
      "const { random: draw } = Math;",
    );
    accepts(
      "no-math-random",
      path,
      "Math.floor(1.5);",
      "crypto.getRandomValues(new Uint8Array(4));",
      "this.random();",
      "const { floor } = Math;",
      "const { random } = seeded;",
    );
  }
  accepts("no-math-random", "tests/a_test.ts", "Math.random();");
});

Deno.test("sort-comparator: sort and toSorted take a comparator", () => {
  refuses(
    "sort-comparator",
    "src/sctp/core.ts",
    "tsns.sort();",
    "[...tsns].toSorted();",
    "tsns?.sort();",
    'tsns["sort"]();',
    "tsns.sort(undefined);",
  );
  accepts(
    "sort-comparator",
    "src/sctp/core.ts",
    "tsns.sort((a, b) => a - b);",
    "tsns.toSorted(compareTsn);",
    "sort();",
    "tsns.sorted();",
  );
  refuses("sort-comparator", "tests/a_test.ts", "[2, 10].sort();");
});

Deno.test("no-bare-catch: an empty catch says why it is empty", () => {
  refuses("no-bare-catch", "src/node/node.ts", "try { f(); } catch {}");
  refuses("no-bare-catch", "tests/a_test.ts", "try { f(); } catch (error) {\n}");
  accepts(
    "no-bare-catch",
    "src/node/node.ts",
    "try { f(); } catch { /* it is closed already */ }",
    "try { f(); } catch {\n  // it is closed already\n}",
    "try { f(); } catch (error) { report(error); }",
    "try { f(); } finally {}",
  );
});

Deno.test("names: a file in src/ is named for what it is about", () => {
  for (const name of ["utils", "helpers", "common", "types", "index"]) {
    refuses("names", `src/link/${name}.ts`, "export const a = 1;");
    refuses("names", `src/${name}.js`, "export const a = 1;");
    refuses("names", `src/link/${name}.d.ts`, "export const a = 1;");
    accepts("names", `src/link/${name}_of_links.ts`, "export const a = 1;");
    accepts("names", `tests/${name}.ts`, "export const a = 1;");
  }
});

Deno.test("names: an empty file of a vague name is refused too", () => {
  refuses("names", "src/link/utils.ts", "");
});

Deno.test("names: nothing re-exports everything", () => {
  for (const path of ["src/link/mod.ts", "signal/mod.ts", "tests/mod.ts"]) {
    refuses("names", path, 'export * from "./a.ts";', 'export * as all from "./a.ts";');
    accepts("names", path, 'export { a } from "./a.ts";', 'export type { A } from "./a.ts";');
  }
});

Deno.test("a file given by its full path or URL is judged by its place in the project", () => {
  const url = new URL("../../src/link/utils.ts", import.meta.url);
  refuses("names", url.href, "export const a = 1;");
});
