/** Whose request it is, as far as an address tells. */

/** What the runtime tells of a request's connection (`Deno.ServeHandlerInfo`). */
export interface ConnectionInfo {
  readonly remoteAddr?: Deno.Addr;
}

/**
 * The address that a request's budget is kept under. An IPv6 client is its /64: it has all
 * addresses in that. `X-Forwarded-For` is believed only behind a trusted proxy, and of it only the
 * last entry, which that proxy wrote.
 */
export function clientAddress(
  headers: Headers,
  { connection, isProxyTrusted }: {
    readonly connection: ConnectionInfo;
    readonly isProxyTrusted: boolean;
  },
): string {
  const forwarded = isProxyTrusted ? headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() : "";
  if (forwarded !== undefined && forwarded !== "") return networkOf(forwarded);
  const { remoteAddr } = connection;
  return remoteAddr !== undefined && "hostname" in remoteAddr
    ? networkOf(remoteAddr.hostname)
    : "unknown";
}

function networkOf(address: string): string {
  const text = address.slice(0, 64);
  const mapped = /^(?:\[?::ffff:)(\d+\.\d+\.\d+\.\d+)\]?$/i.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  const host = text.startsWith("[") ? text : `[${text}]`;
  if (!text.includes(":") || !URL.canParse(`http://${host}/`)) return text;
  // The URL parser writes each IPv6 address in one way; a "::" within the first half is spelled out.
  const [head = "", tail] = new URL(`http://${host}/`).hostname.slice(1, -1).split("::");
  const groups = head.split(":").filter((group) => group !== "");
  const tailCount = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  if (tail !== undefined) {
    const zeros = 8 - groups.length - tailCount;
    groups.push(...Array<string>(zeros).fill("0"), ...tail.split(":"));
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}
