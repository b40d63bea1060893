/** The URLs of signaling servers, and of ingresses at them, as users write them. */
import { BadInput } from "../bad_input.ts";
import { type IngressAddress, parseBaseUrl, parseIngressUrl } from "./wire.ts";

/** Reads a server's base URL. Throws {@link BadInput} where it is none. */
export function readBaseUrl(url: string): string {
  const baseUrl = parseBaseUrl(url);
  if (baseUrl !== undefined) return baseUrl;
  throw new BadInput(
    `${JSON.stringify(url)} is not a signaling server's base URL: write it like ` +
      "https://light.example.com",
  );
}

/** Reads an ingress URL. Throws {@link BadInput} where it is none. */
export function readIngressUrl(url: string): IngressAddress {
  const address = parseIngressUrl(url);
  if (address !== undefined) return address;
  throw new BadInput(
    `${JSON.stringify(url)} is not an ingress URL: copy what the ingress prints, ` +
      "like https://light.example.com/ingresses/<52 letters and digits>",
  );
}
