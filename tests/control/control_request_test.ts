import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parseControlAnswer } from "../../src/control/control_answer.ts";
import { parseControlRequest } from "../../src/control/control_request.ts";
import { controlRequests, fuzz, fuzzTargets } from "../fakes/fuzz_targets.ts";
import { sampleStatus } from "../fakes/sample_status.ts";

function problemOf(line: string): string {
  const request = parseControlRequest(line);
  ok("problem" in request, `${line} is taken`);
  return request.problem;
}

Deno.test("requests are read as they are documented", () => {
  for (const line of controlRequests) {
    deepEqual(parseControlRequest(line) as unknown, JSON.parse(line));
  }
});

Deno.test("what is no object, or of another version, is refused", () => {
  for (const line of ["", "x", "1", "[]", "null", '"status"', "{", "[".repeat(60_000)]) {
    match(problemOf(line), /one JSON object a line/);
  }
  for (const line of ["{}", '{"version":2,"request":"status"}', '{"version":"1"}']) {
    match(problemOf(line), /speaks version 1/);
  }
});

Deno.test("unknown requests, members and types are refused, and quoted within bounds", () => {
  const huge = "x".repeat(60_000);
  for (
    const rest of [
      {},
      { request: "stop" },
      { request: huge },
      { request: "status", verbose: true },
      { request: "add-forward" },
      { request: "add-forward", spec: 1 },
      { request: "add-forward", spec: "" },
      { request: "add-forward", spec: huge },
      { request: "add-forward", spec: "1:a:2", to: null },
      { request: "remove-forward", spec: "1:a:2" },
    ]
  ) {
    ok(problemOf(JSON.stringify({ version: 1, ...rest })).length <= 200);
  }
});

Deno.test("answers are read with members that were added since, and without none", () => {
  const status = sampleStatus();
  const line = JSON.stringify({ version: 1, ok: true, status: { ...status, mood: "good" }, at: 1 });
  deepEqual(parseControlAnswer(line), { version: 1, ok: true, status });
  const { pid: _, ...rest } = status;
  equal(parseControlAnswer(JSON.stringify({ version: 1, ok: true, status: rest })), undefined);
});

Deno.test("200,000 changed requests are read or refused", () => {
  const target = fuzzTargets.find(({ name }) => name === "control requests");
  ok(target !== undefined);
  fuzz(target, { seed: 20, count: 200_000 });
});
