import { deepEqual } from "node:assert/strict";
import type { Opening } from "../../src/access/access.ts";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import { ReplaceableAccess } from "../../src/access/replaceable_access.ts";
import { parseTarget } from "../../src/access/target.ts";

Deno.test("judges by the rules that were put in last", () => {
  const rules = (...specs: readonly string[]) => new AllowList(specs.map(parseAllowRule));
  const asking = (target: string): Opening => ({
    peer: { name: "near", identity: undefined },
    wanted: parseTarget(target),
  });
  const access = new ReplaceableAccess(rules("a:1", "b:2"));
  const verdicts = () => ["a:1", "b:2", "c:3"].map((each) => access.judge(asking(each)).isAllowed);
  deepEqual(verdicts(), [true, true, false]);
  access.replace(rules("b:2", "c:3"));
  deepEqual(verdicts(), [false, true, true]);
});
