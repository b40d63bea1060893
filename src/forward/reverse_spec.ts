/** What one `--reverse` says: where the other node is to listen, and what is reached from here. */
import { formatTarget, type StreamTarget } from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import { type Endpoint, formatEndpoint } from "../socket/endpoint.ts";
import { parseForwardSpecs } from "./forward_spec.ts";

/** One reverse forward. */
export interface ReverseSpec {
  /** At the other node; "localhost" (127.0.0.1 and ::1) where no host was given, port 0 for any. */
  readonly listen: Endpoint;
  /** Dialled by this node, which has allowed it by naming it. */
  readonly target: StreamTarget;
}

/**
 * Reads one `--reverse` value, `[rhost:]rport:host:port`, in the shapes that `--forward` has. Throws
 * {@link BadInput}.
 */
export function parseReverseSpecs(spec: string): ReverseSpec[] {
  return parseForwardSpecs(spec, "--reverse").map(({ listen, target }) => {
    if (listen.kind === "unix") throw refusal(spec, "the other node listens on a port, not a path");
    if (target.kind === "udp") throw refusal(spec, "a reverse forward takes no datagrams");
    const { host, port } = listen;
    return { listen: { host, port }, target };
  });
}

/** As a user would write it. */
export function formatReverseSpec({ listen, target }: ReverseSpec): string {
  return `${formatEndpoint(listen)}:${formatTarget(target)}`;
}

function refusal(spec: string, problem: string): BadInput {
  return new BadInput(
    `--reverse ${JSON.stringify(spec)}: ${problem}. Example: --reverse 8080:127.0.0.1:80`,
  );
}
