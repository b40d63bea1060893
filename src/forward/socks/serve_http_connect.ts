/** Serves one client that speaks HTTP: CONNECT, and nothing else. */
import type { RefusalCode } from "../../tunnel/control_message.ts";
import {
  failure,
  type HttpFailure,
  type HttpStatus,
  maxHttpRequestLength,
  parseConnectRequest,
  writeConnected,
  writeHttpFailure,
} from "./http_connect.ts";
import {
  dial,
  type Dialled,
  endWith,
  join,
  logUnauthorized,
  type ProxySession,
} from "./proxy_session.ts";

/** What a refusal is to a client. */
const statusesOfRefusals: Readonly<Record<RefusalCode, HttpStatus>> = {
  denied: 403,
  malformed: 502,
  unresolved: 502,
  unreachable: 502,
  timeout: 504,
  exhausted: 502,
};

/** Serves it to its end. Rejects where the client or its connection fails. */
export async function serveHttpConnect(session: ProxySession): Promise<void> {
  const { client, credentials } = session;
  const request = await client.readMessage(parseConnectRequest, maxHttpRequestLength);
  if (request.kind === "failed") return await end(session, request);
  if (credentials !== undefined && !credentials.verifyPair(request.credentials)) {
    // Most clients ask without any first.
    if (request.credentials !== undefined) logUnauthorized(session);
    return await end(session, failure(407, "this proxy asks for a user and a password"));
  }
  const target = { kind: "tcp", ...request.endpoint } as const;
  const dialled = await dial(session, target);
  if (dialled.how !== "accepted") return await end(session, failureOf(dialled));
  await join(session, { port: dialled.port, target, reply: writeConnected() });
}

async function end(session: ProxySession, failed: HttpFailure): Promise<void> {
  await endWith(session, writeHttpFailure(failed));
}

function failureOf(dialled: Exclude<Dialled, { how: "accepted" }>): HttpFailure {
  switch (dialled.how) {
    case "no-link":
      return failure(504, "no link to the other node came up in time");
    case "refused":
      return failure(
        statusesOfRefusals[dialled.code],
        `refused by the other node: ${dialled.reason}`,
      );
    case "reset":
      return failure(502, `the stream broke off: ${dialled.reason}`);
    case "finished":
      return failure(502, "the stream ended before it began");
  }
}
