import { equal } from "node:assert/strict";
import { parseTarget } from "../../src/access/target.ts";
import { openAccess } from "../../src/cli/node_access.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { certifiedPeer } from "../fakes/policies.ts";

const all = '[[rule]]\naction = "allow"\n';

Deno.test("a policy that was read later is not replaced by one that was read before", async () => {
  const policyPath = await Deno.makeTempFile();
  await Deno.writeTextFile(policyPath, all);
  const rules = await openAccess({ allows: [], policyPath, auditLogPath: undefined });
  const isAllowed = () => {
    const wanted = parseTarget("db.internal:5432");
    return rules.access.judgeUnresolved({ peer: certifiedPeer("anna"), wanted }).isAllowed;
  };
  const putInForce = await rules.prepare({ allows: [] });
  await Deno.writeTextFile(policyPath, `[revoked]\nname = "anna"\n${all}`);
  const putNewerInForce = await rules.prepare({ allows: [] });
  equal(isAllowed(), true);
  putNewerInForce();
  equal(isAllowed(), false);
  putInForce();
  equal(isAllowed(), false);
  await Deno.remove(policyPath);
});

Deno.test("a policy that others can write is warned of", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const policyPath = await Deno.makeTempFile();
  await Deno.writeTextFile(policyPath, all);
  const log = await LogRecorder.start();
  const warningsAt = async (mode: number) => {
    await Deno.chmod(policyPath, mode);
    await openAccess({ allows: [], policyPath, auditLogPath: undefined });
    return log.of("policy-writable").length;
  };
  equal(await warningsAt(0o644), 0);
  equal(await warningsAt(0o666), 1);
  await Deno.remove(policyPath);
});
