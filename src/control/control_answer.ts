/**
 * What a node answers over its control socket: one JSON object a line. Members that end in Ms are
 * milliseconds; what is not known is null. Members may be added, none changes its meaning.
 */
import * as v from "valibot";
import { controlVersion } from "./control_request.ts";

/** A longer line is no answer, in bytes. */
export const maxAnswerLength = 16_777_216;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const rate = v.pipe(v.number(), v.minValue(0));
const duration = v.pipe(v.number(), v.finite());
const instant = v.pipe(v.string(), v.isoTimestamp());
const connections = v.object({ open: count, total: count });

const linkSchema = v.object({
  id: count,
  peer: v.string(),
  keyId: v.nullable(v.string()),
  fingerprint: v.string(),
  state: v.picklist(["connecting", "up", "silent", "unreachable", "draining"]),
  /** When it came up. */
  since: v.nullable(instant),
  /** The ingress URL that it came from, where this node has called. */
  route: v.nullable(v.string()),
  path: v.nullable(v.object({
    kind: v.picklist(["direct", "relayed"]),
    /** Why it is relayed. */
    reason: v.nullable(v.string()),
    local: v.string(),
    remote: v.string(),
  })),
  roundTripMs: v.nullable(duration),
  silentMs: duration,
  /** User data, with what was sent again. */
  sentBytes: count,
  resentBytes: count,
  receivedBytes: count,
  sentBytesPerSecond: rate,
  receivedBytesPerSecond: rate,
  /** The streams that the other node has asked this one for. */
  served: connections,
});

const forwardSchema = v.object({
  spec: v.string(),
  kind: v.string(),
  /** As bound. */
  addresses: v.array(v.string()),
  target: v.string(),
  route: v.nullable(v.string()),
  connections,
});

const reverseSchema = v.object({
  spec: v.string(),
  /** Where the other node is asked to listen. */
  listen: v.string(),
  target: v.string(),
  route: v.nullable(v.string()),
  /** Of each link that it is asked on. */
  asked: v.array(v.object({
    peer: v.string(),
    /** As bound by the other node; none while it does not listen. */
    addresses: v.array(v.string()),
    /** Why it does not. */
    reason: v.nullable(v.string()),
  })),
});

const listenerSchema = v.object({
  peer: v.string(),
  /** As bound. */
  addresses: v.array(v.string()),
  /** The rule that allows it, where rules have names. */
  rule: v.nullable(v.string()),
});

const ingressSchema = v.object({
  url: v.string(),
  state: v.picklist(["connecting", "waiting", "standing-by", "unreachable", "closed"]),
  /** Why the server cannot be reached. */
  reason: v.nullable(v.string()),
});

const certificateSchema = v.object({
  name: v.string(),
  keyId: v.string(),
  file: v.string(),
  notAfter: instant,
  daysLeft: v.pipe(v.number(), v.safeInteger()),
});

const statusSchema = v.object({
  program: v.string(),
  pid: count,
  since: instant,
  uptimeMs: duration,
  links: v.array(linkSchema),
  forwards: v.array(forwardSchema),
  /** Older nodes do not tell these two. */
  reverses: v.optional(v.array(reverseSchema), []),
  listeners: v.optional(v.array(listenerSchema), []),
  ingresses: v.array(ingressSchema),
  certificates: v.array(certificateSchema),
});

const version = v.literal(controlVersion);

const answerSchema = v.union([
  v.object({ version, ok: v.literal(true), status: statusSchema }),
  v.object({ version, ok: v.literal(true), forwards: v.array(forwardSchema) }),
  v.object({
    version,
    ok: v.literal(false),
    code: v.picklist(["bad-request", "busy", "failed"]),
    reason: v.string(),
  }),
]);

/** One link of a node. */
export type LinkStatus = v.InferOutput<typeof linkSchema>;
/** One forward of a node. */
export type ForwardStatus = v.InferOutput<typeof forwardSchema>;
/** One reverse forward that a node asks others for. */
export type ReverseStatus = v.InferOutput<typeof reverseSchema>;
/** What a node listens on for another. */
export type ListenerStatus = v.InferOutput<typeof listenerSchema>;
/** One place where a node waits for others. */
export type IngressStatus = v.InferOutput<typeof ingressSchema>;
/** The certificate that a node shows. */
export type CertificateStatus = v.InferOutput<typeof certificateSchema>;
/** How it stands with a node. */
export type NodeStatus = v.InferOutput<typeof statusSchema>;
/** One answer. */
export type ControlAnswer = v.InferOutput<typeof answerSchema>;

/** Why a request was not done. */
export type RefusalCode = Extract<ControlAnswer, { ok: false }>["code"];

/** The answer that says no. */
export function refusal(code: RefusalCode, reason: string): ControlAnswer {
  return { version: controlVersion, ok: false, code, reason };
}

/** Reads one line, without its end; undefined where it is no answer. Never throws. */
export function parseControlAnswer(line: string): ControlAnswer | undefined {
  try {
    const { success, output } = v.safeParse(answerSchema, JSON.parse(line));
    return success ? output : undefined;
  } catch {
    // Not JSON: no node has said it.
    return undefined;
  }
}
