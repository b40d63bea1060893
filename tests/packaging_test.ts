import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parse } from "yaml";
import { createSbom } from "../.github/sbom.ts";

const ROOT = new URL("../", import.meta.url);

const TARGETS = [
  "aarch64-apple-darwin",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "x86_64-pc-windows-msvc",
  "x86_64-unknown-linux-gnu",
];

const PERMISSIONS = ["net", "env", "read", "write", "sys", "ffi", "run"];

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string | boolean>>;
}

interface Job {
  readonly needs?: string | readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly "timeout-minutes"?: number;
  readonly strategy?: { readonly matrix: { readonly include: readonly Leg[] } };
  readonly steps: readonly Step[];
}

interface Leg {
  readonly target: string;
  readonly runner: string;
  readonly file: string;
}

interface Workflow {
  readonly on: { readonly push: Readonly<Record<"tags" | "branches", readonly string[]>> };
  readonly permissions: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

function workflow(name: string): Workflow {
  return parse(read(`.github/workflows/${name}.yml`));
}

function stepsOf({ jobs }: Workflow): readonly Step[] {
  return Object.values(jobs).flatMap((one) => one.steps);
}

/** A text's lines joined where a backslash continues them. */
function joinLines(text: string): string {
  return text.replace(/\\\n\s*/g, "");
}

function compileCommands(text: string): readonly string[] {
  return [...joinLines(text).matchAll(/deno compile [^\n]*/g)].map(([command]) => command);
}

/** Dockerfile instructions of the last stage, or of the first. */
function stage(position: 0 | -1): readonly string[] {
  const text = joinLines(read("Dockerfile").replace(/^#.*\n/gm, ""));
  return (text.split(/^(?=FROM )/m).filter((one) => one.startsWith("FROM ")).at(position) ?? "")
    .split("\n");
}

function instruction(lines: readonly string[], name: string): string | undefined {
  return lines.findLast((one) => one.startsWith(`${name} `))?.slice(name.length + 1);
}

/** The version that everything else has to name. */
function denoVersion(): string {
  const version = /deno@(\d+\.\d+\.\d+) /.exec(read(".ci/run"))?.[1];
  ok(version !== undefined, ".ci/run names Deno's version");
  return version;
}

function readIfThere(path: string): string {
  try {
    return read(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

Deno.test("the CI script makes one call, and can be executed", () => {
  const lines = read(".ci/run").split("\n");
  deepEqual(lines.filter((one) => one.includes("npx")), [
    `npx -y deno@${denoVersion()} task test`,
  ]);
  ok(lines.includes("set -euo pipefail"));
  if (Deno.build.os === "windows") return;
  const mode = Deno.statSync(new URL(".ci/run", ROOT)).mode ?? 0;
  equal(mode & 0o111, 0o111);
});

Deno.test("everything is built with one version of Deno", () => {
  const version = denoVersion();
  match(instruction(stage(0), "FROM") ?? "", new RegExp(`denoland/deno:${version} AS build$`));
  for (const name of ["ci", "release"]) {
    const parsed = workflow(name);
    equal(parsed.env.DENO_VERSION, version, name);
    for (const step of stepsOf(parsed).filter((one) => one.uses?.includes("setup-deno"))) {
      equal(step.with?.["deno-version"], "${{ env.DENO_VERSION }}", name);
    }
  }
});

Deno.test("the documents name the version of Deno that is built with", () => {
  const mention = /\b[Dd]eno(?:@| |:|%20|-)v?(\d+\.\d+\.\d+)\b/g;
  for (const path of ["README.md", "CONTRIBUTING.md"]) {
    for (const [text, version] of readIfThere(path).matchAll(mention)) {
      equal(version, denoVersion(), `${path}: ${text}`);
    }
  }
});

Deno.test("no table of the documents has a second head", () => {
  const documents = ["README.md", "CONTRIBUTING.md", "deploy/README.md"];
  const pages = [...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => `docs/${name}`);
  for (const path of [...documents, ...pages]) {
    for (const table of read(path).split("\n\n").filter((one) => one.startsWith("|"))) {
      const rules = table.split("\n").filter((row) => /^\|(?: *:?-+:? *\|)+$/.test(row));
      equal(rules.length, 1, `${path}: ${table.slice(0, 160)}`);
    }
  }
});

Deno.test("the image runs aetherport, and not as root", () => {
  const final = stage(-1);
  match(instruction(final, "USER") ?? "", /^[1-9]\d*:[1-9]\d*$/);
  equal(instruction(final, "ENTRYPOINT"), '["aetherport"]');
  ok(
    final.includes("COPY --from=build /build/aetherport /usr/local/bin/aetherport"),
    "the executable is copied to where the entry point finds it",
  );
});

Deno.test("the image has certificates for the signaling server and libcrypto for the data plane", () => {
  const run = instruction(stage(-1), "RUN") ?? "";
  match(run, /apt-get install [^&]*\bca-certificates\b/);
  match(run, /apt-get install [^&]*\blibssl3\b/);
});

Deno.test("the image is built from the published sources, which .dockerignore lets through", () => {
  const copied = stage(0).filter((one) => one.startsWith("COPY "))
    .flatMap((one) => one.split(" ").slice(1, -1)).sort(compareText);
  const published: readonly string[] = JSON.parse(read("deno.json")).publish.include;
  const documents = /\.md$|^LICENSE$/;
  const expected = [...published.filter((one) => !documents.test(one)), "deno.lock"];
  deepEqual(copied, expected.sort(compareText));
  const allowed = read(".dockerignore").split("\n").filter((one) => one.startsWith("!"));
  for (const one of copied) ok(allowed.includes(`!${one.replace(/\/$/, "")}`), one);
});

Deno.test("every executable is compiled with Deno KV, its permissions and its Workers", () => {
  const release = stepsOf(workflow("release")).map((one) => one.run ?? "").join("\n");
  const commands = [...compileCommands(read("Dockerfile")), ...compileCommands(release)];
  equal(commands.length, 2);
  for (const command of commands) {
    for (const name of PERMISSIONS) match(command, new RegExp(` --allow-${name} `), command);
    match(command, / --unstable-kv /, command);
    match(command, / --no-prompt /, command);
    match(command, / --frozen /, command);
    match(command, / --target /, command);
    match(command, / main\.ts$/, command);
    for (const worker of workerFiles("src")) {
      ok(command.includes(` --include ${worker} `), `${worker} is started as a Worker: ${command}`);
    }
  }
  const task: string = JSON.parse(read("deno.json")).tasks.compile;
  match(task, / --unstable-kv /);
});

/** The modules that are started by `new Worker(new URL("…", import.meta.url))`. */
function workerFiles(folder: string): readonly string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, ROOT))].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) return workerFiles(path);
    const starts = read(path).matchAll(
      /new Worker\(\s*new URL\(\s*"([^"]+)",\s*import\.meta\.url/g,
    );
    return [...starts].map(([, worker = ""]) =>
      new URL(worker, new URL(path, ROOT)).href.slice(ROOT.href.length)
    );
  });
}

Deno.test("a release is made of a tag, for five targets, each tried on a machine of its kind", () => {
  const release = workflow("release");
  deepEqual(release.on.push.tags, ["v*"]);
  const legs = release.jobs.binary?.strategy?.matrix.include ?? [];
  deepEqual(legs.map((one) => one.target).sort(compareText), TARGETS);
  for (const { target, runner, file } of legs) {
    match(runner, nativeRunner(target), target);
    equal(file, `aetherport-${target}${target.includes("windows") ? ".exe" : ""}`);
  }
  const runs = release.jobs.binary?.steps.map((one) => one.run ?? "").join("\n") ?? "";
  match(runs, /\.github\/smoke\.ts "\.\/dist\/\$FILE"/);
});

function nativeRunner(target: string): RegExp {
  if (target.includes("windows")) return /^windows-\d+$/;
  if (target.includes("apple")) {
    return target.startsWith("x86_64") ? /^macos-\d+-intel$/ : /^macos-\d+$/;
  }
  return target.startsWith("x86_64") ? /^ubuntu-[\d.]+$/ : /^ubuntu-[\d.]+-arm$/;
}

Deno.test("nothing is published before the executables were tried", () => {
  const { jobs } = workflow("release");
  equal(jobs.binary?.needs, "check");
  equal(jobs.image?.needs, "binary");
  equal(jobs.package?.needs, "binary");
  deepEqual(jobs.release?.needs, ["binary", "image", "package"]);
});

Deno.test("a release has checksums, an SBOM, an image for two architectures and a package", () => {
  const steps = stepsOf(workflow("release"));
  const runs = steps.map((one) => one.run ?? "").join("\n");
  match(runs, /sha256sum aetherport\* \| tee SHA256SUMS/);
  match(runs, /\.github\/sbom\.ts > dist\/aetherport\.cdx\.json/);
  match(runs, /gh release create "\$GITHUB_REF_NAME"/);
  match(runs, /^deno publish$/m);
  ok(steps.some((one) => one.with?.platforms === "linux/amd64,linux/arm64" && one.with.push));
});

Deno.test("a job may do what it needs and no more", () => {
  const writing: Record<string, readonly string[]> = {
    image: ["packages", "id-token", "attestations"],
    package: ["id-token"],
    release: ["contents", "id-token", "attestations"],
  };
  for (const name of ["ci", "release"]) {
    const { permissions, jobs } = workflow(name);
    deepEqual(permissions, {}, name);
    for (const [id, job] of Object.entries(jobs)) {
      const granted = Object.entries(job.permissions ?? {});
      const written = granted.filter(([, level]) => level === "write").map(([scope]) => scope);
      const expected = name === "release" ? writing[id] ?? [] : [];
      deepEqual(written, expected, `${name}: ${id}`);
      ok(job["timeout-minutes"] !== undefined, `${name}: ${id} ends by itself`);
    }
  }
});

Deno.test("actions are pinned to a commit, and the checkout keeps no credentials", () => {
  for (const step of [...stepsOf(workflow("ci")), ...stepsOf(workflow("release"))]) {
    if (step.uses === undefined) continue;
    match(step.uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    if (step.uses.startsWith("actions/checkout@")) {
      equal(step.with?.["persist-credentials"], false);
    }
  }
});

Deno.test("the package holds the program, and neither tests nor workflows", () => {
  const { publish, name, version, license } = JSON.parse(read("deno.json"));
  deepEqual([...publish.include].sort(compareText), [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "deno.json",
    "main.ts",
    "signal/",
    "src/",
  ]);
  match(name, /^@[a-z]+\/[a-z]+$/);
  match(version, /^\d+\.\d+\.\d+(?:-[\w.]+)?$/);
  equal(license, "Apache-2.0");
  match(read("LICENSE"), /Apache License\s+Version 2\.0/);
});

Deno.test("the SBOM lists what the program reaches, with the lockfile's hashes", () => {
  const sbom = createSbom({
    graph: {
      modules: [{ kind: "esm" }, { kind: "npm", npmPackage: "@a/b@1.0.0" }],
      npmPackages: {
        "@a/b@1.0.0": { name: "@a/b", version: "1.0.0", dependencies: ["c@2.0.0"] },
        "c@2.0.0": { name: "c", version: "2.0.0", dependencies: ["@a/b@1.0.0"] },
        "unused@3.0.0": { name: "unused", version: "3.0.0", dependencies: [] },
      },
    },
    lockfile: {
      npm: {
        "@a/b@1.0.0": { integrity: "sha512-AQI=" },
        "c@2.0.0": { integrity: "sha512-/w==" },
      },
    },
    manifest: { name: "@x/y", version: "0.1.0", license: "Apache-2.0" },
    denoVersion: "2.0.0",
  });
  deepEqual(sbom.components.map((one) => one.purl), [
    "pkg:github/denoland/deno@v2.0.0",
    "pkg:npm/%40a/b@1.0.0",
    "pkg:npm/c@2.0.0",
  ]);
  deepEqual(sbom.components[1]?.hashes, [{ alg: "SHA-512", content: "0102" }]);
  deepEqual(sbom.dependencies[0], {
    ref: "pkg:generic/%40x/y@0.1.0",
    dependsOn: ["pkg:github/denoland/deno@v2.0.0", "pkg:npm/%40a/b@1.0.0"],
  });
});

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
