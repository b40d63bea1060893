import { deepEqual, equal } from "node:assert/strict";
import {
  isSuccess,
  isWanted,
  judge,
  parseArguments,
  parseSummary,
  testEnvironment,
} from "./run.ts";

Deno.test("reads the summary of a run that passed", () => {
  const output = "running 2 tests from ./tests/a_test.ts\na ... ok (1ms)\n\n" +
    "ok | 2 passed | 0 failed (12ms)\n\n";
  deepEqual(parseSummary(output), { passed: 2, failed: 0 });
});

Deno.test("reads the summary of a run that failed", () => {
  const output = "FAILURES \n\na => ./tests/a_test.ts:3:6\n\nFAILED | 10 passed | 3 failed (1s)\n";
  deepEqual(parseSummary(output), { passed: 10, failed: 3 });
});

Deno.test("reads the summary with steps, ignored, measured and filtered tests", () => {
  for (
    const summary of [
      "ok | 7 passed (3 steps) | 0 failed (12ms)",
      "ok | 7 passed (1 step) | 0 failed | 2 ignored (12ms)",
      "ok | 7 passed | 0 failed | 2 ignored (1 step) | 5 filtered out (1m2s)",
      "ok | 7 passed | 0 failed | 1 measured | 5 filtered out (1m2s)",
    ]
  ) deepEqual(parseSummary(`${summary}\n`), { passed: 7, failed: 0 }, summary);
  deepEqual(parseSummary("FAILED | 1 passed (2 steps) | 4 failed (1 step) (3ms)\n"), {
    passed: 1,
    failed: 4,
  });
});

Deno.test("takes the last summary, for a test may print one", () => {
  const output = "ok | 99 passed | 0 failed (1ms)\nFAILED | 4 passed | 1 failed (9ms)\n";
  deepEqual(parseSummary(output), { passed: 4, failed: 1 });
});

Deno.test("takes no summary from the middle of a line", () => {
  equal(parseSummary('expected "ok | 99 passed | 0 failed (1ms)"\n'), undefined);
});

Deno.test("finds no summary where nothing compiled or the process died", () => {
  equal(parseSummary(""), undefined);
  equal(parseSummary("running 3 tests from ./tests/a_test.ts\na ... ok (1ms)\nb ..."), undefined);
});

Deno.test("a run without a summary has failed", () => {
  deepEqual(judge(undefined, 0), { passed: 0, failed: 1 });
  deepEqual(judge(undefined, 1), { passed: 0, failed: 1 });
});

Deno.test("a run that ends badly has failed, whatever its summary says", () => {
  deepEqual(judge({ passed: 5, failed: 0 }, 139), { passed: 5, failed: 1 });
  deepEqual(judge({ passed: 5, failed: 2 }, 1), { passed: 5, failed: 2 });
  deepEqual(judge({ passed: 5, failed: 0 }, 0), { passed: 5, failed: 0 });
});

Deno.test("succeeds only when nothing failed and something passed", () => {
  equal(isSuccess({ passed: 1, failed: 0 }), true);
  equal(isSuccess({ passed: 0, failed: 0 }), false);
  equal(isSuccess({ passed: 1, failed: 1 }), false);
});

Deno.test("deep tests run with --deep, and only they", () => {
  equal(isWanted("tests/link/link_test.ts", false), true);
  equal(isWanted("tests/link/link_test.ts", true), false);
  equal(isWanted("tests/link/soak_deep_test.ts", true), true);
  equal(isWanted("tests/link/soak_deep_test.ts", false), false);
  equal(isWanted("tests/link/pair.ts", false), false);
  equal(isWanted("tests/run.ts", false), false);
});

Deno.test("arguments are --deep, flags, paths that exist, and else words to look for", () => {
  const exists = (path: string) => path === "tests/link";
  deepEqual(parseArguments([], exists), { isDeep: false, paths: ["tests"], flags: [] });
  deepEqual(parseArguments(["--deep", "--fail-fast", "tests/link"], exists), {
    isDeep: true,
    paths: ["tests/link"],
    flags: ["--fail-fast"],
  });
  deepEqual(parseArguments(["discards", "an", "INIT"], exists), {
    isDeep: false,
    paths: ["tests"],
    flags: ["--filter=discards an INIT"],
  });
});

Deno.test("tests see no settings of nodes that someone runs", () => {
  const environment = { PATH: "/bin", AETHERPORT_POLICY: "mine.toml", XDG_CONFIG_HOME: "/mine" };
  deepEqual(testEnvironment(environment, "/empty"), {
    PATH: "/bin",
    NO_COLOR: "1",
    XDG_CONFIG_HOME: "/empty",
  });
});
