/**
 * What a client may ask a running node over its control socket: one JSON object a line. Nothing
 * beyond what is named here is taken. docs/control.md describes it for others.
 */
import * as v from "valibot";

/** The version of the protocol, in every request and every answer. */
export const controlVersion = 1;
/** A longer line is refused, in bytes. */
export const maxRequestLength = 65_536;

/** Specs and addresses that are longer are none, in characters. */
const maxTextLength = 1_024;
/** What is quoted of a request is cut, in characters. */
const maxProblemLength = 200;
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(maxTextLength));
const version = v.literal(controlVersion);

const requestSchema = v.variant("request", [
  v.strictObject({ version, request: v.literal("status") }),
  v.strictObject({
    version,
    request: v.literal("add-forward"),
    /** As `--forward` takes it. */
    spec: text,
    /** The ingress URL that it goes to. */
    to: v.optional(text),
  }),
  v.strictObject({
    version,
    request: v.literal("remove-forward"),
    /** Where it listens, or its spec. */
    forward: text,
  }),
]);

/** One request. */
export type ControlRequest = v.InferOutput<typeof requestSchema>;

/** Reads one line, without its end; else says why it is no request. Never throws. */
export function parseControlRequest(line: string): ControlRequest | { readonly problem: string } {
  const value = parseJson(line);
  if (value === undefined) return { problem: "a request is one JSON object a line" };
  const { success, output, issues } = v.safeParse(requestSchema, value);
  if (success) return output;
  if ((value as { version?: unknown }).version !== controlVersion) {
    return { problem: `this node speaks version ${controlVersion} of the control protocol` };
  }
  const [issue] = issues;
  const problem = `${v.getDotPath(issue) ?? "request"}: ${issue.message}`;
  return { problem: problem.slice(0, maxProblemLength) };
}

function parseJson(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    // Whatever it is, it is no request.
    return undefined;
  }
}
