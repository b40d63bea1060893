/** Serves one client that speaks SOCKS5 (RFC 1928, RFC 1929). */
import type { TcpTarget } from "../../access/target.ts";
import { BindError } from "../../socket/datagram.ts";
import type { Endpoint } from "../../socket/endpoint.ts";
import type { RefusalCode } from "../../tunnel/control_message.ts";
import {
  dial,
  type Dialled,
  endWith,
  join,
  logUnauthorized,
  type ProxySession,
  readToEnd,
} from "./proxy_session.ts";
import {
  authenticationMethods,
  parseGreeting,
  parseRequest,
  parseUserAndPassword,
  type ReplyCode,
  replyCodes,
  writeAuthenticationStatus,
  writeMethod,
  writeReply,
} from "./socks5_message.ts";
import type { UdpAssociation } from "./udp_association.ts";

/** No message is longer, in bytes: RFC 1929's has two lengths of 255. */
const maxMessageLength = 513;

/** What a refusal is to a client. */
const repliesToRefusals: Readonly<Record<RefusalCode, ReplyCode>> = {
  denied: replyCodes.notAllowed,
  malformed: replyCodes.generalFailure,
  unresolved: replyCodes.hostUnreachable,
  unreachable: replyCodes.connectionRefused,
  timeout: replyCodes.ttlExpired,
  exhausted: replyCodes.generalFailure,
};

/** Serves it to its end. Rejects where the client or its connection fails. */
export async function serveSocks5(session: ProxySession): Promise<void> {
  if (!await authenticate(session)) return;
  const request = await session.client.readMessage(parseRequest, maxMessageLength);
  switch (request.kind) {
    case "failed":
      return await endWith(session, writeReply(request.code));
    case "connect":
      return await connect(session, { kind: "tcp", ...request.endpoint });
    case "associate":
      return await associate(session, request.endpoint);
  }
}

/** Whether the client may go on; where not, it was told and its connection has ended. */
async function authenticate(session: ProxySession): Promise<boolean> {
  const { client, credentials } = session;
  const { methods } = await client.readMessage(parseGreeting, maxMessageLength);
  const { none, password, noneAcceptable } = authenticationMethods;
  const method = credentials === undefined ? none : password;
  if (!methods.includes(method)) {
    await endWith(session, writeMethod(noneAcceptable));
    return false;
  }
  await client.write(writeMethod(method));
  if (credentials === undefined) return true;
  const given = await client.readMessage(parseUserAndPassword, maxMessageLength);
  if (given !== "malformed" && credentials.verify(given.user, given.password)) {
    await client.write(writeAuthenticationStatus(true));
    return true;
  }
  logUnauthorized(session);
  // RFC 1929, section 2: "the server MUST close the connection".
  await endWith(session, writeAuthenticationStatus(false));
  return false;
}

async function connect(session: ProxySession, target: TcpTarget): Promise<void> {
  const dialled = await dial(session, target);
  if (dialled.how !== "accepted") return await endWith(session, writeReply(replyTo(dialled)));
  // The address that the ingress dials from is no concern of the client's.
  const reply = writeReply(replyCodes.succeeded);
  await join(session, { port: dialled.port, target, reply });
}

function replyTo(dialled: Exclude<Dialled, { how: "accepted" }>): ReplyCode {
  if (dialled.how === "no-link") return replyCodes.networkUnreachable;
  return dialled.how === "refused" ? repliesToRefusals[dialled.code] : replyCodes.generalFailure;
}

/** RFC 1928, section 7: the association ends with the connection it was asked for on. */
async function associate(session: ProxySession, { port }: Endpoint): Promise<void> {
  const { client, relay } = session;
  let association: UdpAssociation;
  try {
    association = await relay.open(client.remote, { port, handleFailed: () => client.close() });
  } catch (error) {
    if (!(error instanceof BindError)) throw error;
    return await endWith(session, writeReply(replyCodes.generalFailure));
  }
  try {
    session.handleGreeted();
    await client.write(writeReply(replyCodes.succeeded, association.local));
    await readToEnd(client);
  } finally {
    association.close();
    client.close();
  }
}
