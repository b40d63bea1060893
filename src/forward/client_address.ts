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

/** The one spelling of a client that has an address; undefined for any other, such as stdio. */
export function formatClient(remote: string): string | undefined {
  const client = parseClient(remote);
  return client && formatEndpoint(client);
}
