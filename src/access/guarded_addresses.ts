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
/** Of AWS and others, AWS by IPv6, Alibaba, Google by IPv6. */
const metadata = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "fd20:ce::254"]
  .map(rangeOf);
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
