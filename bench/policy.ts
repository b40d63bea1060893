/**
 * What a policy costs: how long 1,000 rules take to load, and a verdict by them, where the first, the
 * last, or none of them decides. The goals are 100 ms and 100 us.
 */
import { AllowList } from "../src/access/allow_list.ts";
import { AccessControl } from "../src/access/policy/access_control.ts";
import { systemClock } from "../src/access/policy/clock.ts";
import { parsePolicy } from "../src/access/policy/parse_policy.ts";
import type { Policy } from "../src/access/policy/policy.ts";
import { certifiedPeer } from "../tests/fakes/policies.ts";

const ruleCount = 1_000;
/** Of them, so many have an expression. */
const conditionCount = 10;
const goals = { load: 100, verdict: 100 };
const loadRounds = 21;
const verdictRounds = 41;
const verdictsARound = 500;

/** Rules as people write them, a tenth of them with hours. */
function policyText(): string {
  const rules = Array.from({ length: ruleCount }, (_, at) =>
    [
      "[[rule]]",
      `name = "service ${at}"`,
      `action = "${at % 7 === 6 ? "deny" : "allow"}"`,
      `peer = { name = ["node-${at}-*", "ci-${at}"], label = { team = ["team-${
        at % 20
      }", "ops"] } }`,
      `target = { host = ["s${at}.internal", "*.z${at}.internal", "10.${at % 250}.${
        at % 200
      }.0/24"],` +
      ` port = [443, "8000-8100"] }`,
      ...(at % 10 === 0
        ? ['time = { days = "mon-sun", hours = "00:00-24:00", zone = "Asia/Tokyo" }']
        : []),
      ...(at % (ruleCount / conditionCount) === 5
        ? [`if = 'peer.labels["team"] != "x" && target.port > ${at} - ${at}'`]
        : []),
    ].join("\n"));
  return rules.join("\n\n");
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
}

/** In ms, the median and the first, which loads libraries and is not compiled yet. */
async function timeLoads(text: string): Promise<{ policy: Policy; first: number; load: number }> {
  const load = () => parsePolicy({ text, file: "policy.toml" });
  const times: number[] = [];
  let policy = await timed(load, times);
  for (let round = 1; round < loadRounds; round++) policy = await timed(load, times);
  return { policy, first: times[0] ?? NaN, load: median(times) };
}

async function timed<Value>(work: () => Promise<Value>, times: number[]): Promise<Value> {
  const start = performance.now();
  const value = await work();
  times.push(performance.now() - start);
  return value;
}

/** In us. */
function timeVerdict(access: AccessControl, name: string, host: string, address: string): number {
  const peer = certifiedPeer(name, { labels: { team: "ops" } });
  const wanted = { kind: "tcp", host, port: 8_042 } as const;
  const rounds = Array.from({ length: verdictRounds }, () => {
    const start = performance.now();
    for (let count = 0; count < verdictsARound; count++) access.judge({ peer, wanted, address });
    return (performance.now() - start) * 1_000 / verdictsARound;
  });
  return median(rounds);
}

const { policy, first, load } = await timeLoads(policyText());
const access = new AccessControl({
  policy,
  allows: new AllowList([]),
  clock: systemClock,
  ownAddresses: () => ["192.0.2.10"],
});
const rows: [what: string, value: string, goal: string, isMet: boolean][] = [
  ["load", `${load.toFixed(1)} ms`, `${goals.load} ms`, load <= goals.load],
];
const asked: [what: string, name: string, host: string, address: string][] = [
  ["verdict by the first rule", "ci-0", "s0.internal", "203.0.113.7"],
  ["verdict by the last rule", "ci-999", "s999.internal", "203.0.113.7"],
  ["verdict by none, a name", "ci-0", "elsewhere.example", "203.0.113.7"],
  ["verdict by none, an address", "ci-0", "10.250.1.1", "10.250.1.1"],
];
for (const [what, name, host, address] of asked) {
  const verdict = timeVerdict(access, name, host, address);
  const goal = `${goals.verdict} us`;
  rows.push([what, `${verdict.toFixed(1)} us`, goal, verdict <= goals.verdict]);
}
console.log(
  `${ruleCount} rules, of which ${conditionCount} have an expression; ` +
    `the first load, with its libraries, took ${first.toFixed(0)} ms`,
);
for (const [what, value, goal, isMet] of rows) {
  console.log(`${what.padEnd(30)}${value.padStart(10)}   goal ${goal} ${isMet ? "met" : "missed"}`);
}
if (rows.some(([, , , isMet]) => !isMet)) Deno.exit(1);
