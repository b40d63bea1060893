/** TLS under a rule: what the ClientHello asks for is judged, and the encryption is left alone. */
import type { TlsRule } from "../../access/content_rule.ts";
import { maxClientHelloLength, parseClientHello } from "./client_hello.ts";
import type { Filter } from "./filter.ts";
import { prefaceFilter, type PrefaceVerdict } from "./preface_filter.ts";

/** A record's header may stand before every byte. */
const maxLength = 6 * maxClientHelloLength;

/** Lets TLS pass as the rule has it, and nothing else. */
export function tlsFilter({ sni, alpn }: TlsRule): Filter {
  const names = sni?.map(namePattern);
  const judge = (bytes: Uint8Array): PrefaceVerdict => {
    const hello = parseClientHello(bytes);
    if (hello === "more") return { type: "more" };
    if (hello === "none") {
      return { type: "refused", summary: "no TLS", reason: "only TLS passes here" };
    }
    const { serverName, protocols } = hello;
    const summary = `TLS ${serverName ?? "without a name"}`;
    const isNamed = serverName !== undefined && names?.some((name) => name.test(serverName));
    if (names !== undefined && !isNamed) {
      return { type: "refused", summary, reason: "this server name is not allowed" };
    }
    const isSpoken = protocols.length > 0 && protocols.every((one) => alpn?.includes(one));
    if (alpn !== undefined && !isSpoken) {
      return { type: "refused", summary, reason: "this application protocol is not allowed" };
    }
    return { type: "allowed", summary };
  };
  return prefaceFilter({ maxLength, judge });
}

function namePattern(name: string): RegExp {
  const source = name.toLowerCase().split("*").map((part) =>
    part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
  ).join("[^.]*");
  return new RegExp(`^${source}$`);
}
