/** TLS under a rule: what each ClientHello asks for is judged, and the encryption is left alone. */
import type { TlsRule } from "../../access/content_rule.ts";
import {
  asksForAnotherHello,
  maxClientHelloLength,
  parseClientHello,
  startOfSecondHello,
} from "./client_hello.ts";
import type { Filter } from "./filter.ts";
import { globMatcher } from "./glob.ts";
import { prefaceFilter, type PrefaceVerdict } from "./preface_filter.ts";

/** A record's header may stand before every byte. */
const maxLength = 6 * maxClientHelloLength;

/** Lets TLS pass as the rule has it, and nothing else. */
export function tlsFilter({ sni, alpn }: TlsRule): Filter {
  const names = sni?.map((name) => globMatcher(name.toLowerCase(), "."));
  const judge = (bytes: Uint8Array): PrefaceVerdict => {
    const hello = parseClientHello(bytes);
    if (hello === "more") return { type: "more" };
    if (hello === "none") {
      return { type: "refused", summary: "no TLS", reason: "only TLS passes here" };
    }
    const { serverName, protocols, length } = hello;
    const summary = `TLS ${serverName ?? "without a name"}`;
    const isNamed = serverName !== undefined && names?.some((isMeant) => isMeant(serverName));
    if (names !== undefined && !isNamed) {
      return { type: "refused", summary, reason: "this server name is not allowed" };
    }
    const isSpoken = protocols.length > 0 && protocols.every((one) => alpn?.includes(one));
    if (alpn !== undefined && !isSpoken) {
      return { type: "refused", summary, reason: "this application protocol is not allowed" };
    }
    return { type: "allowed", summary, length };
  };
  const judgeSecond = (bytes: Uint8Array): PrefaceVerdict => {
    const start = startOfSecondHello(bytes);
    if (start === "more") return { type: "more" };
    const verdict = judge(bytes.subarray(start));
    return verdict.type === "allowed" ? { ...verdict, length: start + verdict.length } : verdict;
  };
  const second = { isAskedFor: asksForAnotherHello, judge: judgeSecond };
  return prefaceFilter({ maxLength, judge, second });
}
