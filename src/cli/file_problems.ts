/** Whether the files that a proxy is told of can be used, without running it. */
import { BadInput } from "../bad_input.ts";
import { checkAuditLog } from "./audit_log.ts";
import { readPolicyFile } from "./node_access.ts";
import { openIdentities } from "./node_identities.ts";
import type { ProxyOptions } from "./proxy_command.ts";

/** What is wrong with them, as the proxy would say it. */
export async function fileProblems(options: ProxyOptions): Promise<string[]> {
  const { policyPath, auditLogPath } = options;
  const problems = await Promise.all([
    problemOf(() => openIdentities(options)),
    ...policyPath === undefined ? [] : [problemOf(() => readPolicyFile(policyPath))],
    ...auditLogPath === undefined ? [] : [problemOf(() => checkAuditLog(auditLogPath))],
  ]);
  return problems.filter((problem) => problem !== undefined);
}

async function problemOf(read: () => unknown): Promise<string | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    return error.message;
  }
}
