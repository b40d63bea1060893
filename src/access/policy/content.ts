/** `protocol`, `[rule.http]` and `[rule.tls]`: what a rule says of the bytes of a stream. */
import type { ContentRule, HttpRule } from "../content_rule.ts";
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { RuleDocument } from "./schema.ts";
import { readSize } from "./units.ts";

const fieldName = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/;
// What ends a line of a head begins another field, or another request.
const fieldValue = /^[\t -~\x80-\xff]*$/;
/** What tells where a message ends, and who asks, is this node's to say. */
const ownFields = /^(connection|content-length|host|transfer-encoding|upgrade|aetherport-.*)$/i;

/** Undefined where the rule says nothing of them. Throws {@link ValueDefect}. */
export function contentRuleOf(
  { protocol, http, tls }: Pick<RuleDocument, "protocol" | "http" | "tls">,
  path: KeyPath,
): ContentRule | undefined {
  if (http !== undefined && tls !== undefined) {
    throw new ValueDefect([...path, "tls"], "either http or tls", "both");
  }
  const meant = http !== undefined ? "http" : tls !== undefined ? "tls" : protocol;
  if (protocol !== undefined && protocol !== meant) {
    throw new ValueDefect([...path, "protocol"], `the protocol ${meant}`, JSON.stringify(protocol));
  }
  if (meant === "http") {
    return { protocol: "http", http: httpRuleOf(http ?? {}, [...path, "http"]) };
  }
  if (meant === "tls") return { protocol: "tls", tls: tls ?? {} };
  return meant === undefined ? undefined : { protocol: meant };
}

function httpRuleOf(http: NonNullable<RuleDocument["http"]>, path: KeyPath): HttpRule {
  const { methods, hosts, paths, headers, "max-body": maxBody } = http;
  const { "set-headers": setHeaders, "remove-headers": removeHeaders } = http;
  for (const [name, value] of Object.entries(setHeaders ?? {})) {
    const isUsable = fieldName.test(name) && fieldValue.test(value) && !ownFields.test(name);
    if (isUsable) continue;
    const what = "a header field that a rule may set";
    throw new ValueDefect([...path, "set-headers", name], what, JSON.stringify(value));
  }
  return {
    ...(methods && { methods }),
    ...(hosts && { hosts }),
    ...(paths && { paths }),
    ...(headers && { headers }),
    ...(maxBody === undefined ? {} : { maxBodyLength: readSize(maxBody, [...path, "max-body"]) }),
    ...(setHeaders && { setHeaders }),
    ...(removeHeaders && { removeHeaders }),
  };
}
