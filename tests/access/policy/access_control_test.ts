import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { AccessPeer, Admission, Grant } from "../../../src/access/access.ts";
import type { AccessControl } from "../../../src/access/policy/access_control.ts";
import { parseTarget } from "../../../src/access/target.ts";
import { FakeAccessClock } from "../../fakes/access_clock.ts";
import { accessOf, certifiedPeer, pastedPeer, policyOf } from "../../fakes/policies.ts";

const anna = certifiedPeer("anna");
const bob = certifiedPeer("bob", { keyId: "b".repeat(51) + "a" });
const summary = { how: "finished", up: 10, down: 20 };
const all = '[[rule]]\nname = "all"\naction = "allow"\n';

/** Asks for a target; the reasons for which it was ended later. */
function ask(
  access: AccessControl,
  { peer = anna, target = "db.internal:5432", addresses = ["203.0.113.5"] }: {
    readonly peer?: AccessPeer;
    readonly target?: string;
    readonly addresses?: readonly string[];
  } = {},
): { admission: Admission; ended: string[] } {
  const ended: string[] = [];
  const end = (reason: string) => void ended.push(reason);
  const admission = access.admit({ peer, wanted: parseTarget(target), addresses, end });
  return { admission, ended };
}

function grantOf({ admission }: { admission: Admission }): Grant {
  if (!admission.isAllowed) throw new Error(`refused: ${admission.reason}`);
  return admission.grant;
}

function reasonOf({ admission }: { admission: Admission }): string {
  if (admission.isAllowed) throw new Error("it was admitted");
  return admission.reason;
}

Deno.test("of a name's addresses only those that are allowed may be dialled", async () => {
  const { access } = await accessOf(all);
  const addresses = ["127.0.0.1", "203.0.113.5", "169.254.169.254", "203.0.113.6"];
  const { admission } = ask(access, { addresses });
  deepEqual(admission.isAllowed && admission.addresses, ["203.0.113.5", "203.0.113.6"]);
  match(reasonOf(ask(access, { addresses: ["127.0.0.1"] })), /no rule allows it/);
});

Deno.test("addresses that different rules allow are not mixed", async () => {
  const { access } = await accessOf(`
    [[rule]]
    action = "allow"
    target.host = "203.0.113.6"
    limit.connections = 1
    ${all}`);
  const { admission } = ask(access, { addresses: ["203.0.113.5", "203.0.113.6"] });
  deepEqual(admission.isAllowed && admission.addresses, ["203.0.113.5"]);
});

Deno.test("addresses for which different limits hold are not mixed", async () => {
  const { access } = await accessOf(`
    [[rule]]
    action = "limit"
    target.host = "10.0.0.0/8"
    limit.connections = 1
    ${all}`);
  const permitted = (...addresses: string[]) => {
    const { admission } = ask(access, { addresses });
    return admission.isAllowed && admission.addresses;
  };
  deepEqual(permitted("203.0.113.5", "10.0.0.5", "203.0.113.6"), ["203.0.113.5", "203.0.113.6"]);
  deepEqual(permitted("10.0.0.5", "203.0.113.5", "10.0.0.6"), ["10.0.0.5", "10.0.0.6"]);
  equal(permitted("10.0.0.5"), false);
});

Deno.test("a name is resolved only for who could be allowed some address of it", async () => {
  const { access } = await accessOf(`
    [[rule]]
    action = "deny"
    target.host = "10.0.0.0/8"
    [[rule]]
    action = "allow"
    peer.name = "anna"
    target.host = ["192.0.2.0/24", "*.internal"]`);
  const asks = (peer: AccessPeer, target: string) =>
    access.judgeUnresolved({ peer, wanted: parseTarget(target) }).isAllowed;
  equal(asks(anna, "db.internal:1"), true);
  equal(asks(anna, "elsewhere.example:1"), true);
  equal(asks(bob, "db.internal:1"), false);
  equal(asks(anna, "10.0.0.1:1"), false);
  equal(asks(anna, "exec:x"), false);
});

Deno.test("connections that share what was admitted are paced each, and counted together", async () => {
  const { access, clock } = await accessOf(`${all}limit = { bytes-per-second = 100, bytes = 250 }`);
  const asked = ask(access);
  const grant = grantOf(asked);
  const [one, other] = [grant.share(), grant.share()].map((sharing) =>
    sharing.isAllowed ? sharing.pace : undefined
  );
  const passed: string[] = [];
  const spend = (pace: typeof one, name: string) =>
    void pace?.spend("up", 100).then(() => passed.push(name), () => passed.push(`${name} ended`));
  spend(one, "one");
  spend(other, "other");
  await clock.advance(100);
  deepEqual(passed, ["one"]);
  one?.stop();
  await clock.advance(100);
  deepEqual(passed, ["one"]);
  await clock.advance(1_000);
  deepEqual(passed, ["one", "other"]);
  spend(one, "one");
  spend(other, "other");
  await clock.advance(1_000);
  deepEqual(passed, ["one", "other", "one ended", "other ended"]);
  match(asked.ended.join(), /the limit of 250 bytes in all is used up/);
  equal(grant.share().isAllowed, false);
});

Deno.test("a name that is judged without its address is refused", async () => {
  const { access } = await accessOf(all);
  const judge = (address?: string) =>
    access.judge({ peer: anna, wanted: parseTarget("db.internal:53/udp"), address }).isAllowed;
  equal(judge(), false);
  equal(judge("203.0.113.5"), true);
  equal(judge("127.0.0.1"), false);
});

Deno.test("--allow is asked where no rule of the policy decides", async () => {
  const policy = '[[rule]]\naction = "deny"\ntarget.port = 25\n';
  const { access } = await accessOf(policy, { allows: ["*:*", "nas.local:80"] });
  const isAllowed = (target: string, ...addresses: string[]) =>
    ask(access, { target, addresses }).admission.isAllowed;
  equal(isAllowed("127.0.0.1:25", "127.0.0.1"), false);
  // As without a policy, * is every host.
  equal(isAllowed("127.0.0.1:80", "127.0.0.1"), true);
  const { access: other } = await accessOf(policy, { allows: ["nas.local:80"] });
  const ofName = (address: string) =>
    ask(other, { target: "nas.local:80", addresses: [address] }).admission.isAllowed;
  equal(ofName("192.168.1.5"), true);
  equal(ofName("127.0.1.1"), true);
  equal(ofName("169.254.169.254"), false);
});

Deno.test("connections at once are counted by peer, and given back", async () => {
  const { access } = await accessOf(`${all}limit.connections = 2`);
  const grants = [grantOf(ask(access)), grantOf(ask(access))];
  match(reasonOf(ask(access)), /rule "all": at most 2 connections at once/);
  ok(grantOf(ask(access, { peer: bob })));
  for (const grant of [...grants, ...grants]) grant.release(summary);
  ok(grantOf(ask(access)));
  match(reasonOf(ask(access, { addresses: [], target: "exec:x" })), /no rule/);
});

Deno.test("opens a second are counted by peer, and come again with time", async () => {
  const { access, clock } = await accessOf(`${all}limit.opens-per-second = 2`);
  const isAllowed = () => ask(access).admission.isAllowed;
  deepEqual([isAllowed(), isAllowed(), isAllowed()], [true, true, false]);
  await clock.advance(499);
  equal(isAllowed(), false);
  await clock.advance(1);
  deepEqual([isAllowed(), isAllowed()], [true, false]);
});

Deno.test("bytes in all are counted over a peer's connections, and end what goes beyond", async () => {
  const { access } = await accessOf(`${all}limit.bytes = 100`);
  const first = ask(access);
  await grantOf(first).pace?.spend("up", 60);
  await grantOf(first).pace?.spend("down", 40);
  await rejects(async () => await grantOf(first).pace?.spend("up", 1), /100 bytes in all/);
  match(first.ended.join(), /100 bytes in all/);
  grantOf(first).release(summary);
  match(reasonOf(ask(access)), /100 bytes in all/);
  ok(grantOf(ask(access, { peer: bob })));
});

/** So many peers come and go, each of which moves so many bytes; how often one was refused. */
async function comeAndGo(access: AccessControl, count: number, length: number): Promise<number> {
  let refusedCount = 0;
  for (let at = 0; at < count; at++) {
    const { admission } = ask(access, { peer: certifiedPeer(`runner-${at}`) });
    if (!admission.isAllowed) refusedCount++;
    else {
      await admission.grant.pace?.spend("up", length);
      admission.grant.release(summary);
    }
  }
  return refusedCount;
}

Deno.test("peers that have used nothing take no room from others, one that has is kept", async () => {
  const { access } = await accessOf(`${all}limit.bytes = 100`);
  const grant = grantOf(ask(access));
  await grant.pace?.spend("up", 100);
  grant.release(summary);
  equal(await comeAndGo(access, 5_000, 0), 0);
  match(reasonOf(ask(access)), /100 bytes in all/);
});

Deno.test("what was used of a rule that is gone takes no room", async () => {
  const { access } = await accessOf(`${all}limit.bytes = 100`);
  equal(await comeAndGo(access, 4_097, 1), 1);
  match(reasonOf(ask(access)), /too many peers/);
  const other = '[[rule]]\nname = "other"\naction = "allow"\nlimit.bytes = 100';
  access.replace(await policyOf(other));
  ok(grantOf(ask(access)));
});

Deno.test("what was used goes on to count where a rule stays", async () => {
  const { access } = await accessOf(`${all}limit.bytes = 100`);
  equal(await comeAndGo(access, 1, 80), 0);
  const peer = certifiedPeer("runner-0");
  access.replace(await policyOf(`${all}limit.bytes = 80`));
  match(reasonOf(ask(access, { peer })), /80 bytes in all/);
  access.replace(await policyOf(`${all}limit.bytes = 90`));
  ok(grantOf(ask(access, { peer })));
});

Deno.test("a rate is shared by a peer's connections, each way for itself", async () => {
  const { access, clock } = await accessOf(`
    ${all}
    limit.bytes-per-second = { up = "1 MB", down = "100 kB" }`);
  const moved = [0, 0, 0];
  const run = async (at: number, grant: Grant, direction: "up" | "down") => {
    const { pace } = grant;
    const length = Math.min(pace?.sliceLength ?? 0, 65_536);
    while (pace !== undefined && clock.monotonic() < 2_000) {
      await pace.spend(direction, length);
      moved[at] = (moved[at] ?? 0) + length;
    }
  };
  const [one, other] = [grantOf(ask(access)), grantOf(ask(access))];
  void run(0, one, "up");
  void run(1, other, "up");
  void run(2, other, "down");
  await clock.advance(2_000);
  const [first = 0, second = 0, down = 0] = moved;
  ok(Math.abs(first + second - 2_000_000) < 100_000, `${first} + ${second}`);
  ok(Math.abs(first / (first + second) - 0.5) < 0.05, `${first} and ${second}`);
  ok(Math.abs(down - 200_000) < 10_000, `${down}`);
  one.release(summary);
  other.release(summary);
});

Deno.test("datagrams have as much of a rate as a connection that waits for it", async () => {
  const { access, clock } = await accessOf(`${all}limit.bytes-per-second = "1 MB"`);
  const [stream, flow] = [grantOf(ask(access)), grantOf(ask(access))];
  const moved = { stream: 0, flow: 0 };
  const run = async ({ pace }: Grant) => {
    while (pace !== undefined && clock.monotonic() < 2_000) {
      await pace.spend("up", pace.sliceLength);
      moved.stream += pace.sliceLength;
    }
  };
  void run(stream);
  let isAnswered = true;
  while (clock.monotonic() < 2_000) {
    if (isAnswered) {
      const offered = flow.pace?.offer("up", 1_200) ?? false;
      isAnswered = typeof offered === "boolean";
      void Promise.resolve(offered).then((mayMove) => {
        isAnswered = true;
        if (mayMove) moved.flow += 1_200;
      });
    }
    await clock.advance(0.5);
  }
  const share = moved.flow / (moved.flow + moved.stream);
  ok(Math.abs(share - 0.5) < 0.05, `${share}`);
  ok(Math.abs(moved.flow + moved.stream - 2_000_000) < 100_000, `${moved.flow + moved.stream}`);
  stream.release(summary);
  flow.release(summary);
});

Deno.test("of many datagrams those that would wait for long are refused, and not counted", async () => {
  const { access, clock } = await accessOf(`
    ${all}
    limit = { bytes = 3000, bytes-per-second = "10 kB" }`);
  const held = Array.from({ length: 100 }, () => ask(access));
  const offered = held.map((one) => grantOf(one).pace?.offer("up", 1_000));
  deepEqual(offered.filter((answer) => answer === true).length, 1);
  const later = offered.filter((answer) => typeof answer !== "boolean");
  equal(later.length, 2);
  await clock.advance(200);
  deepEqual(await Promise.all(later), [true, true]);
  deepEqual(held.flatMap(({ ended }) => ended), []);
  for (const one of held) grantOf(one).release(summary);
});

Deno.test("a connection on which nothing moves ends, one that is used does not", async () => {
  const { access, clock } = await accessOf(`${all}limit.idle = "1m"`);
  const [idle, used] = [ask(access), ask(access)];
  for (let second = 0; second < 60; second += 10) {
    await clock.advance(10_000);
    await grantOf(used).pace?.spend("down", 1);
  }
  match(idle.ended.join(), /nothing moved for 60 s/);
  deepEqual(used.ended, []);
});

Deno.test("a connection ends with its time", async () => {
  const { access, clock } = await accessOf(`${all}limit.duration = "8h"`);
  const one = ask(access);
  await clock.advance(8 * 3_600_000 - 1);
  deepEqual(one.ended, []);
  await clock.advance(1);
  match(one.ended.join(), /28800 s at most/);
});

Deno.test("limits of several rules hold together", async () => {
  const { access } = await accessOf(`
    [[rule]]
    name = "shares"
    action = "limit"
    peer.name = "anna"
    limit.connections = 1
    ${all}
    limit.connections = 2`);
  ok(grantOf(ask(access)));
  match(reasonOf(ask(access)), /rule "shares"/);
  ok(grantOf(ask(access, { peer: bob })));
  ok(grantOf(ask(access, { peer: bob })));
  match(reasonOf(ask(access, { peer: bob })), /rule "all"/);
});

Deno.test("another policy ends at once what it does not allow, and nothing else", async () => {
  const { access } = await accessOf(all);
  const [five, six] = [ask(access), ask(access, { addresses: ["203.0.113.6"] })];
  grantOf(five).handleDialled("203.0.113.5:5432");
  access.replace(await policyOf(`[[rule]]\naction = "deny"\ntarget.host = "203.0.113.5"\n${all}`));
  deepEqual(five.ended, ['no longer allowed: rule "rule 1" denies it']);
  deepEqual(six.ended, []);
  access.replace(await policyOf(""));
  equal(five.ended.length, 1);
  match(six.ended.join(), /no longer allowed: no --allow names it/);
});

Deno.test("another policy ends what it asks other content of", async () => {
  const reading = (more = "") => `${all}[rule.http]\nmethods = ["GET"]\n${more}`;
  const { access } = await accessOf(reading());
  const held = ask(access);
  grantOf(held);
  access.replace(await policyOf(`${reading()}[[rule]]\naction = "deny"`));
  deepEqual(held.ended, []);
  access.replace(await policyOf(reading('paths = ["/docs/**"]')));
  deepEqual(held.ended, ['no longer allowed: rule "all" asks for other content']);
  const open = ask(access);
  access.replace(await policyOf(all));
  equal(open.ended.length, 1);
  equal(grantOf(ask(access)).content, undefined);
});

Deno.test("what was dialled is judged again, not what might have been", async () => {
  const { access } = await accessOf(all);
  const one = ask(access, { addresses: ["203.0.113.5", "203.0.113.6"] });
  grantOf(one).handleDialled("203.0.113.6:5432");
  access.replace(await policyOf(`[[rule]]\naction = "deny"\ntarget.host = "203.0.113.5"\n${all}`));
  deepEqual(one.ended, []);
});

Deno.test("a peer that is revoked loses what it has open, by serial, name or key", async () => {
  for (const list of ['serial = "a1b"', 'name = "ann*"', `key = "${"a".repeat(52)}"`]) {
    const { access } = await accessOf(all);
    const [hers, his] = [ask(access), ask(access, { peer: { ...bob, identity: undefined } })];
    access.replace(await policyOf(`[revoked]\n${list}\n${all}`));
    match(hers.ended.join(), /revoked/, list);
    deepEqual(his.ended, [], list);
    match(reasonOf(ask(access)), /revoked/);
  }
});

Deno.test("new limits hold for what is open", async () => {
  const { access, clock } = await accessOf(all);
  const one = ask(access);
  const { pace } = grantOf(one);
  equal(pace?.sliceLength, Infinity);
  access.replace(await policyOf(`${all}limit = { bytes-per-second = 50_000, connections = 1 }`));
  equal(pace?.sliceLength, 1_000);
  match(reasonOf(ask(access)), /at most 1/);
  access.replace(await policyOf(`${all}limit.duration = 60`));
  await clock.advance(60_000);
  match(one.ended.join(), /60 s at most/);
});

Deno.test("what is open ends within a second of the time at which it is no longer allowed", async () => {
  const windows = [
    ['hours = "08:00-10:00"', "2026-11-23T09:59:50Z"],
    ["until = 2026-11-23T10:00:00Z", "2026-11-23T09:59:50Z"],
    ['days = "mon"\nzone = "Europe/Berlin"', "2026-11-23T22:59:50Z"],
  ];
  for (const [time = "", start = ""] of windows) {
    const clock = new FakeAccessClock(start);
    const { access } = await accessOf(`${all}[rule.time]\n${time}`, { clock });
    const one = ask(access);
    await clock.advance(9_999);
    deepEqual(one.ended, [], time);
    await clock.advance(1_000);
    match(one.ended.join(), /no longer allowed/, time);
  }
});

Deno.test("an expression on the time is looked at again each minute", async () => {
  const clock = new FakeAccessClock("2026-11-23T09:59:50Z");
  const { access } = await accessOf(`${all}if = "time.hour < 10"`, { clock });
  const one = ask(access);
  await clock.advance(11_000);
  match(one.ended.join(), /no longer allowed/);
});

Deno.test("a clock that was set is noticed within a second", async () => {
  const { access, clock } = await accessOf(`${all}time.until = 2026-11-24T00:00:00Z`);
  const one = ask(access);
  await clock.advance(1_000);
  clock.setWall("2026-12-01T00:00:00Z");
  await clock.advance(1_000);
  match(one.ended.join(), /no longer allowed/);
});

Deno.test("what is over is forgotten, and leaves no timer", async () => {
  const { access, clock } = await accessOf(`
    ${all}
    time.hours = "00:00-24:00"
    limit = { idle = "1m", duration = "1h", bytes-per-second = 100 }`);
  const grant = grantOf(ask(access));
  const spending = grant.pace?.spend("up", 1_000).then(() => grant.pace?.spend("up", 1_000));
  await clock.advance(0);
  ok(clock.timerCount >= 3);
  grant.release(summary);
  await spending;
  deepEqual([access.admittedCount, clock.timerCount], [0, 0]);
});

Deno.test("each open, refusal and close is a line: who, what, by which rule, how much", async () => {
  const { access, clock, records } = await accessOf(`${all}target.port = 5432`);
  const grant = grantOf(ask(access));
  grant.handleDialled("203.0.113.5:5432");
  await clock.advance(1_500);
  grant.release(summary);
  ask(access, { target: "db.internal:22", peer: pastedPeer });
  access.judgeUnresolved({ peer: anna, wanted: parseTarget("exec:x") });
  const failed = grantOf(ask(access));
  failed.release({ how: "the target refused the connection", up: 0, down: 0 });
  const hers = { peer: "anna", key: "a".repeat(52) };
  deepEqual(records.map(({ time: _, ...record }) => record), [
    {
      event: "opened",
      ...hers,
      rule: "all",
      target: "db.internal:5432",
      dialled: "203.0.113.5:5432",
    },
    {
      ...{ event: "closed", ...hers, rule: "all", target: "db.internal:5432" },
      ...{ dialled: "203.0.113.5:5432", reason: "finished", up: 10, down: 20, duration: 1.5 },
    },
    {
      ...{ event: "refused", peer: "12:34", key: null, rule: null, target: "db.internal:22" },
      ...{ dialled: null, reason: "no rule allows it" },
    },
    {
      ...{ event: "refused", ...hers, rule: null, target: "exec:x" },
      ...{ dialled: null, reason: "no rule allows it" },
    },
    {
      ...{ event: "refused", ...hers, rule: "all", target: "db.internal:5432" },
      ...{ dialled: null, reason: "the target refused the connection" },
    },
  ]);
  equal(records[1]?.time, "2026-11-23T09:00:01.500Z");
});

Deno.test("a name that nobody vouches for is in no line, and the key is", async () => {
  const { access, records } = await accessOf(all);
  const keyId = "b".repeat(51) + "a";
  grantOf(ask(access, { peer: certifiedPeer("anna", { keyId, vouchedBy: "key" }) })).release(
    summary,
  );
  grantOf(ask(access, { peer: pastedPeer })).release(summary);
  deepEqual(records.map(({ peer, key }) => [peer, key]), [[null, keyId], ["12:34", null]]);
});

Deno.test("what is refused for its words is a line, in words that are bounded and printable", async () => {
  const { access, records } = await accessOf(all);
  const asked = `reverse:\x1b[2J\u009b\n\u202e${"x".repeat(1_000)}`;
  access.handleRefused({ peer: anna, asked, reason: "no\nsuch" });
  access.handleRefused({ peer: anna, asked: { kind: "bench" }, reason: "too many" });
  const told = records.map(({ event, rule, target, reason }) => [event, rule, target, reason]);
  deepEqual(told, [
    ["refused", null, `reverse: [2J   ${"x".repeat(256 - 15)}`, "no such"],
    ["refused", null, "bench", "too many"],
  ]);
});

Deno.test("what was refused within a stream is in the audit with its reason", async () => {
  const { access, records } = await accessOf(all);
  const grant = grantOf(ask(access));
  grant.handleJudged("GET a/");
  grant.handleJudged("PUT a/", "PUT is not allowed");
  const told = records.map(({ event, rule, reason, summary }) => [event, rule, reason, summary]);
  deepEqual(told, [
    ["request", "all", undefined, "GET a/"],
    ["request-refused", "all", "PUT is not allowed", "PUT a/"],
  ]);
});
