/** Policies, peers and requests that tests name. */
import type { AccessPeer } from "../../src/access/access.ts";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import { AccessControl } from "../../src/access/policy/access_control.ts";
import type { AuditRecord } from "../../src/access/policy/audit_record.ts";
import { parsePolicy } from "../../src/access/policy/parse_policy.ts";
import type { Policy } from "../../src/access/policy/policy.ts";
import { FakeAccessClock } from "./access_clock.ts";

/** A policy of this text. */
export function policyOf(text: string): Promise<Policy> {
  return parsePolicy({ text, file: "policy.toml" });
}

/** A peer that an authority named our-ca vouches for. */
export function certifiedPeer(
  name: string,
  { labels = {}, keyId = "a".repeat(52), serialNumber = "0A1B", vouchedBy = "chain" }: {
    readonly labels?: Record<string, string>;
    readonly keyId?: string;
    readonly serialNumber?: string;
    readonly vouchedBy?: "chain" | "key";
  } = {},
): AccessPeer {
  return {
    name,
    identity: {
      ...{ name, labels: new Map(Object.entries(labels)), keyId, vouchedBy, serialNumber },
      publicKey: new Uint8Array(),
      fingerprint: "AA:BB",
      authorities: [{ name: "our-ca", fingerprint: "C0:FF:EE" }],
      notAfter: Infinity,
    },
  };
}

/** A peer by a pasted link. */
export const pastedPeer: AccessPeer = { name: "12:34", identity: undefined };

/** A node's rules, their clock, and what they have written. */
export interface AccessStage {
  readonly access: AccessControl;
  readonly clock: FakeAccessClock;
  readonly records: readonly AuditRecord[];
}

/** A node's rules with a clock of the test's, and what they have written. */
export async function accessOf(
  text: string,
  { allows = [], ownAddresses = [], clock = new FakeAccessClock() }: {
    readonly allows?: readonly string[];
    readonly ownAddresses?: readonly string[];
    readonly clock?: FakeAccessClock;
  } = {},
): Promise<AccessStage> {
  const records: AuditRecord[] = [];
  const access = new AccessControl({
    policy: await policyOf(text),
    allows: new AllowList(allows.map(parseAllowRule)),
    clock,
    ownAddresses: () => ownAddresses,
    audit: (record) => records.push(record),
  });
  return { access, clock, records };
}
