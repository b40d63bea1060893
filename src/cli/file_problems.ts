/** Whether the files that a proxy is told of can be used, without running it. */
import { BadInput } from "../bad_input.ts";
import {
  readCertificateFile,
  readPrivateKeyFile,
  readTrustFiles,
} from "../identity/identity_files.ts";
import type { NodeIdentityFiles } from "../identity/node_identity.ts";
import { checkAuditLog } from "./audit_log.ts";
import { FlagProblem } from "./flag_problem.ts";
import { readPolicyFile } from "./node_access.ts";
import { openIdentities } from "./node_identities.ts";
import type { ProxyOptions } from "./proxy_command.ts";

/** What is wrong with them, as the proxy would say it, and by which flag each is named. */
export async function fileProblems(options: ProxyOptions): Promise<FlagProblem[]> {
  const { identityFiles, policyPath, auditLogPath } = options;
  return await problemsOf([
    ...identityFiles === undefined ? [] : [identityProblems(identityFiles)],
    ...policyPath === undefined ? [] : [check("policy", () => readPolicyFile(policyPath))],
    ...auditLogPath === undefined ? [] : [check("audit-log", () => checkAuditLog(auditLogPath))],
  ]);
}

/** Of each file, and where they are right, of what they are together. */
async function identityProblems(identityFiles: NodeIdentityFiles): Promise<FlagProblem[]> {
  const { keyPath, certPath, caPaths } = identityFiles;
  const problems = await problemsOf([
    check("key", () => readPrivateKeyFile(keyPath)),
    check("cert", () => readCertificateFile(certPath)),
    ...caPaths.map((path, position) => check("cacert", () => readTrustFiles([path]), position)),
  ]);
  if (problems.length > 0) return problems;
  return await check("cert", () => openIdentities({ identityFiles }));
}

async function problemsOf(checks: readonly Promise<FlagProblem[]>[]): Promise<FlagProblem[]> {
  return (await Promise.all(checks)).flat();
}

async function check(flag: string, read: () => unknown, position = 0): Promise<FlagProblem[]> {
  try {
    await read();
    return [];
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    return [new FlagProblem(error.message, { flag, position })];
  }
}
