/** The address of a client, as the node that it came to tells the node that dials for it. */
import {
  canonicalAddress,
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
  SpecError,
} from "../socket/endpoint.ts";

/** Reads `address:port`; undefined where it is something else, such as a name. Never throws. */
export function parseClient(text: string): Endpoint | undefined {
  try {
    const client = parseEndpoint(text);
    return canonicalAddress(client.host) === undefined ? undefined : client;
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return undefined;
  }
}

/** The label of a flow of datagrams: its target and, where it has an address, its client. */
export function writeFlowLabel(target: Endpoint, client: string): string {
  const formatted = formatClient(client);
  return formatEndpoint(target) + (formatted === undefined ? "" : ` ${formatted}`);
}

/** Reads it. Throws {@link SpecError} where it names no target, or a client that is no address. */
export function parseFlowLabel(
  label: string,
): { readonly target: Endpoint; readonly client: Endpoint | undefined } {
  const [first = "", second, more] = label.split(" ");
  const client = second === undefined ? undefined : parseClient(second);
  if (more !== undefined || (second !== undefined && client === undefined)) {
    throw new SpecError(first.length + 2, "the client is no address");
  }
  return { target: parseEndpoint(first), client };
}

/** The one spelling of a client that has an address; undefined for any other, such as stdio. */
export function formatClient(remote: string): string | undefined {
  const client = parseClient(remote);
  return client && formatEndpoint(client);
}
