/** What one `--forward` says: where to listen, and which target the other node is asked for. */
import { BadInput } from "../bad_input.ts";
import {
  type Endpoint,
  parseHost,
  parsePort,
  SpecError,
  type SpecField,
  splitSpec,
} from "../socket/endpoint.ts";

/** One `--forward <[lhost:]lport:rhost:rport>`. */
export interface ForwardSpec {
  /** The listening host; "localhost" (127.0.0.1 and ::1) where none was given. */
  readonly listenHost: string;
  /** The listening port; 0 picks a free one. */
  readonly listenPort: number;
  /** The target, as the ingress will judge and dial it. */
  readonly target: Endpoint;
}

/** Reads one `--forward` value. Throws {@link BadInput} with the column and an example. */
export function parseForwardSpec(spec: string): ForwardSpec {
  try {
    const fields = splitSpec(spec);
    if (fields.length === 3) fields.unshift({ text: "localhost", column: 1 });
    const [listenHost, listenPort, host, port] = fields;
    if (
      listenHost === undefined || listenPort === undefined || host === undefined ||
      port === undefined || fields.length > 4
    ) {
      throw new SpecError(columnOfMiscount(fields, spec), "expected [lhost:]lport:rhost:rport");
    }
    return {
      listenHost: parseHost(listenHost),
      listenPort: parsePort(listenPort, { min: 0 }),
      target: { host: parseHost(host), port: parsePort(port, { min: 1 }) },
    };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--forward ${JSON.stringify(spec)}, column ${error.column}: ${error.message}. ` +
        "Example: --forward 8080:10.0.0.5:80",
    );
  }
}

/** A fifth part begins where it should not be; a missing one is missed at the end. */
function columnOfMiscount(fields: readonly SpecField[], spec: string): number {
  return fields[4]?.column ?? spec.length + 1;
}
