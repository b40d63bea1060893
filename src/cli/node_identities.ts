/** Who a node is. What reads certificates is loaded by those only that have one. */
import { getLogger } from "@logtape/logtape";
import type { NodeIdentitySource } from "../identity/node_identity_source.ts";
import type { NodeOptions } from "./node_flags.ts";

const log = getLogger(["aetherport", "cli"]);

/**
 * Opens this node's key and certificate, where it has them; a problem to come is said. Throws BadInput.
 */
export async function openIdentities(
  { identityFiles }: Pick<NodeOptions, "identityFiles">,
): Promise<NodeIdentitySource | undefined> {
  if (identityFiles === undefined) return undefined;
  const [{ expiryWarning }, { NodeIdentitySource }] = await Promise.all([
    import("../identity/node_identity.ts"),
    import("../identity/node_identity_source.ts"),
  ]);
  const warn = (problem: string) => log.warn("{problem}", { event: "identity", problem });
  const identities = await NodeIdentitySource.open(identityFiles, { warn });
  const warning = expiryWarning(await identities.current(), Date.now());
  if (warning !== undefined) warn(warning);
  return identities;
}
