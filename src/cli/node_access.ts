/** The rules that a node is run with: of its flags and files, which are read again on SIGHUP. */
import { getLogger } from "@logtape/logtape";
import type { Access } from "../access/access.ts";
import { AllowList } from "../access/allow_list.ts";
import { ReplaceableAccess } from "../access/replaceable_access.ts";
import type { Policy } from "../access/policy/policy.ts";
import { BadInput } from "../bad_input.ts";
import { hostAddresses } from "../link/host_addresses.ts";
import { messageOf } from "../message_of.ts";
import { AuditLog } from "./audit_log.ts";
import { onHangUp } from "./hang_up.ts";
import { NewestRead } from "./newest_read.ts";
import type { ProxyOptions } from "./proxy_command.ts";

const log = getLogger(["aetherport", "cli"]);

/** Permissions to write a file. */
const [groupWriteBit, othersWriteBit] = [0o020, 0o002];

/** What of the options says who may reach what. */
export type RuleOptions = Pick<ProxyOptions, "allows" | "policyPath" | "auditLogPath">;

/** The rules in force, and how others take their place. */
export interface NodeRules {
  readonly access: Access;
  /**
   * Reads what the options name; what is returned puts it into force. Rejects with {@link BadInput},
   * and all stays as it was.
   */
  prepare(options: Pick<RuleOptions, "allows">): Promise<() => void>;
}

/** Reads the rules. Throws {@link BadInput}. */
export async function openAccess(options: RuleOptions): Promise<NodeRules> {
  const { allows, policyPath, auditLogPath } = options;
  if (policyPath !== undefined || auditLogPath !== undefined) return await openControl(options);
  const access = new ReplaceableAccess(new AllowList(allows));
  return {
    access,
    prepare: ({ allows }) => Promise.resolve(() => access.replace(new AllowList(allows))),
  };
}

/** With what a policy needs, which is loaded only then. */
async function openControl(
  { allows, policyPath, auditLogPath }: RuleOptions,
): Promise<NodeRules> {
  const { AccessControl } = await import("../access/policy/access_control.ts");
  const { systemClock } = await import("../access/policy/clock.ts");
  const { emptyPolicy } = await import("../access/policy/policy.ts");
  const audit = auditLogPath === undefined ? undefined : new AuditLog(auditLogPath);
  const readPolicy = async () => {
    if (policyPath === undefined) return emptyPolicy;
    const policy = await readPolicyFile(policyPath);
    await warnOfWriters(policyPath);
    return policy;
  };
  const policy = new NewestRead(await readPolicy(), readPolicy);
  let rules = new AllowList(allows);
  const access = new AccessControl({
    policy: policy.value,
    allows: rules,
    clock: systemClock,
    ownAddresses: hostAddresses,
    audit: audit && ((record) => audit.write(record)),
  });
  rereadOnHangUp(async () => {
    audit?.reopen();
    if (policyPath === undefined) return;
    await policy.refresh();
    access.replace(policy.value, rules);
    log.info("the policy is read anew", { event: "policy-reloaded", file: policyPath });
  });
  const prepare = async ({ allows }: Pick<RuleOptions, "allows">) => {
    await policy.refresh();
    return () => {
      rules = new AllowList(allows);
      access.replace(policy.value, rules);
    };
  };
  return { access, prepare };
}

/** Reads a policy file. Throws {@link BadInput}. */
export async function readPolicyFile(file: string): Promise<Policy> {
  const { parsePolicy } = await import("../access/policy/parse_policy.ts");
  return await parsePolicy({ text: await readText(file), file });
}

/** Whoever may write a policy says what it allows. */
async function warnOfWriters(file: string): Promise<void> {
  const { mode, gid } = await Deno.stat(file);
  // A group of one's own is mostly oneself.
  const bits = gid === Deno.gid() ? othersWriteBit : othersWriteBit | groupWriteBit;
  if (((mode ?? 0) & bits) === 0) return;
  log.warn("other users can write the policy {file}: take that from them (chmod go-w)", {
    ...{ event: "policy-writable", file },
  });
}

/** Reads a file that the user has named. Throws {@link BadInput}. */
export async function readText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    throw new BadInput(`cannot read ${file}: ${messageOf(error)}`);
  }
}

/** What fails is logged, and what held before holds on. */
function rereadOnHangUp(reload: () => Promise<void>): void {
  onHangUp(() => {
    reload().catch((error) => {
      log.error("not reloaded, what held before holds on: {problem}", {
        event: "reload-failed",
        problem: messageOf(error),
      });
    });
  });
}
