/** A request that somebody writes down, judged as the filter would. */
import type { HttpRule } from "../../../access/content_rule.ts";
import { type HttpRequest, readRequest, RequestError } from "./http_request.ts";
import { HttpJudge } from "./http_rule.ts";
import type { HttpField } from "./llhttp.ts";

/** Why `GET /path` with these fields is refused; undefined where it is allowed. */
export function refusalOfRequest(
  rule: HttpRule,
  { line, fields, host }: {
    readonly line: string;
    readonly fields: readonly HttpField[];
    /** The Host field, where the fields have none. */
    readonly host: string;
  },
): string | undefined {
  try {
    return new HttpJudge(rule).refusalOf(requestOf(line, fields, host));
  } catch (error) {
    if (error instanceof RequestError) return error.message;
    throw error;
  }
}

function requestOf(line: string, fields: readonly HttpField[], host: string): HttpRequest {
  const [method = "", target = ""] = line.split(" ");
  const hasHost = fields.some(({ name }) => name.toLowerCase() === "host");
  return readRequest({
    ...{ method, target, status: 0, major: 1, minor: 1, isUpgrade: false, isKeptAlive: true },
    fields: hasHost ? fields : [{ name: "Host", value: host }, ...fields],
  });
}
