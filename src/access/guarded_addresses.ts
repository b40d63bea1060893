/**
 * Addresses that no rule reaches by accident: this host itself, what is on its cable, groups, and
 * the services by which clouds hand out credentials.
 */
import {
  type Address,
  type AddressRange,
  isInRange,
  isRangeWithin,
  parseAddress,
  parseRange,
} from "./address_range.ts";

const thisHost = ["127.0.0.0/8", "::1", "0.0.0.0/8", "::"].map(rangeOf);
const linkLocal = ["169.254.0.0/16", "fe80::/10"].map(rangeOf);
const groups = ["224.0.0.0/4", "255.255.255.255", "ff00::/8"].map(rangeOf);
/** Where clouds hand out credentials; others of theirs are link-local, and guarded as that. */
const metadata = [
  "169.254.169.254",
  // AWS: instances, EKS Pod Identity
  ...["fd00:ec2::254", "fd00:ec2::23"],
  // Alibaba
  ...["100.100.100.200", "fd00:100::100:200"],
  // Google
  "fd20:ce::254",
  // Azure's WireServer
  "168.63.129.16",
  // Oracle, also its Classic
  ...["fd00:c1::a9fe:a9fe", "192.0.0.192"],
  // Scaleway
  "fd00:42::42",
  // Akamai
  "fd00:a9fe:a9fe::1",
].map(rangeOf);
const notByName = [...linkLocal, ...groups, ...metadata];
const guarded = [...thisHost, ...notByName];

/**
 * The guarded ranges that an address is in, itself or by what it is translated to; a rule has to
 * name an address within each of them. Of this host's own addresses each is a range.
 */
export function guardsOf(
  address: Address,
  ownAddresses: readonly AddressRange[],
): AddressRange[] {
  const guards = [...guarded, ...ownAddresses].filter((range) => isInRange(address.bytes, range));
  return address.embedded === undefined
    ? guards
    : [...guards, ...guardsOf(address.embedded, ownAddresses)];
}

/** Whether a range names only what is within the guards. */
export function isNaming(range: AddressRange, guards: readonly AddressRange[]): boolean {
  return guards.every((guard) => isRangeWithin(range, guard));
}

/** Whether an address is one that a name must not lead to, where only the name was allowed. */
export function isReachedByAddressOnly(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined &&
    [address, address.embedded].some((each) =>
      each !== undefined && notByName.some((range) => isInRange(each.bytes, range))
    );
}

function rangeOf(text: string): AddressRange {
  const range = parseRange(text);
  if (range === undefined) throw new Error(`${text} is no range`);
  return range;
}
