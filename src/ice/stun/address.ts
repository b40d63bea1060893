/**
 * IP addresses as text and as bytes. An address has one spelling only: dotted IPv4, or IPv6 as
 * RFC 5952 has it. IPv4-mapped IPv6 addresses are IPv4 addresses here, so that nobody gets past a
 * comparison by spelling one of them differently.
 */
import { readUint16, writeUint16 } from "../../network_order.ts";

/** An address and a UDP port. */
export interface TransportAddress {
  /** In canonical spelling. */
  readonly address: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** Which internet protocol an address is of. */
export type AddressFamily = "ipv4" | "ipv6";

const groupCount = 8;
const decimalByte = /^(?:0|[1-9]\d{0,2})$/;
const hexGroup = /^[\da-f]{1,4}$/i;
/** The longest spelling: eight groups of four and the colons between them. */
const maxTextLength = 45;

/** The family of an address in canonical spelling. */
export function familyOf(address: string): AddressFamily {
  return address.includes(":") ? "ipv6" : "ipv4";
}

/** True where both are the same. */
export function isSameAddress(one: TransportAddress, other: TransportAddress): boolean {
  return one.port === other.port && one.address === other.address;
}

/** The canonical spelling of the 4 or 16 bytes from `start`. */
export function formatAddress(bytes: Uint8Array, start: number, family: AddressFamily): string {
  if (family === "ipv4") return formatIpv4(bytes, start);
  const groups = Array.from({ length: groupCount }, (_, n) => readUint16(bytes, start + 2 * n));
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return isMapped ? formatIpv4(bytes, start + 12) : formatGroups(groups);
}

function formatIpv4(bytes: Uint8Array, start: number): string {
  return `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}`;
}

function formatGroups(groups: readonly number[]): string {
  const { start, length } = longestZeroRun(groups);
  const text = (some: readonly number[]) => some.map((group) => group.toString(16)).join(":");
  // RFC 5952 section 4.2.2: two colons do not stand for a single group.
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** Section 4.2.3: the longest run, and of equal ones the first. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > longest.length) longest = { start, length: end - start };
  }
  return longest;
}

/**
 * The 4 or 16 bytes of an address, however it is spelt; undefined where the text is no address. An
 * IPv4-mapped address has 4.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  if (text.length > maxTextLength) return undefined;
  if (!text.includes(":")) return parseIpv4(text);
  const groups = parseGroups(text);
  if (groups === undefined) return undefined;
  const bytes = new Uint8Array(2 * groupCount);
  groups.forEach((group, n) => writeUint16(bytes, 2 * n, group));
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return isMapped ? bytes.subarray(12) : bytes;
}

/** The canonical spelling of an address; undefined where the text is no address. */
export function canonicalAddress(text: string): string | undefined {
  const bytes = parseAddress(text);
  if (bytes === undefined) return undefined;
  return formatAddress(bytes, 0, bytes.length === 4 ? "ipv4" : "ipv6");
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => decimalByte.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number < 256) ? Uint8Array.from(numbers) : undefined;
}

function parseGroups(text: string): number[] | undefined {
  const [head = "", tail, more] = text.split("::");
  if (more !== undefined) return undefined;
  const before = parseGroupList(head, { isLast: tail === undefined });
  const after = parseGroupList(tail ?? "", { isLast: true });
  if (before === undefined || after === undefined) return undefined;
  const missing = groupCount - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** The groups between colons; the last of all may be dotted, for two. */
function parseGroupList(
  text: string,
  { isLast }: { readonly isLast: boolean },
): number[] | undefined {
  if (text === "") return [];
  const hex = text.split(":");
  const dotted = isLast && hex.at(-1)?.includes(".") === true ? hex.pop() : undefined;
  const ipv4 = dotted === undefined ? new Uint8Array(0) : parseIpv4(dotted);
  if (ipv4 === undefined || !hex.every((part) => hexGroup.test(part))) return undefined;
  const groups = hex.map((part) => parseInt(part, 16));
  return ipv4.length === 0 ? groups : [...groups, readUint16(ipv4, 0), readUint16(ipv4, 2)];
}
