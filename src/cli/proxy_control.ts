/** The control socket of a running proxy: whoever runs it may ask it how it is, and tell it more. */
import { getLogger } from "@logtape/logtape";
import type { CertificateStatus } from "../control/control_answer.ts";
import { ControlServer } from "../control/control_server.ts";
import { nodeSocketPath, prepareDirectory } from "../control/control_socket.ts";
import { NodeDesk } from "../control/node_desk.ts";
import type { NodeIdentitySource } from "../identity/node_identity_source.ts";
import { messageOf } from "../message_of.ts";
import type { Node } from "../node/node.ts";
import { ownControlDirectory } from "./control_flags.ts";
import type { Signaling } from "./node_signaling.ts";
import { programVersion } from "./program_version.ts";
import type { ProxyOptions } from "./proxy_command.ts";

const log = getLogger(["aetherport", "control"]);

/** Deno has none on Windows. */
const hasUnixSockets = Deno.build.os !== "windows";
const dayLength = 24 * 60 * 60_000;

/** What a proxy consists of. */
interface ProxyParts {
  readonly node: Node;
  readonly signaling: Signaling;
  readonly identities: NodeIdentitySource | undefined;
}

/** A control socket that is open. */
export interface ProxyControl {
  close(): void;
}

/** Opens it; undefined where none is wanted, and with a warning where none can be had. */
export async function openProxyControl(
  { controlSocket }: ProxyOptions,
  parts: ProxyParts,
): Promise<ProxyControl | undefined> {
  if (controlSocket === "none" || (controlSocket === undefined && !hasUnixSockets)) {
    return undefined;
  }
  const desk = new NodeDesk({
    node: parts.node,
    program: programVersion,
    routes: () => parts.signaling.routes(),
    ingresses: () => parts.signaling.ingresses(),
    certificates: () => certificatesOf(parts.identities),
  });
  try {
    const path = controlSocket?.path ?? ownSocketPath();
    const server = await ControlServer.open(path, (request) => desk.answer(request));
    log.debug("status and forward find this node at {path}", { event: "control", path });
    return {
      close: () => {
        server.close();
        desk.close();
      },
    };
  } catch (error) {
    desk.close();
    log.warn("no control socket, so status and forward do not find this node: {problem}", {
      event: "no-control",
      problem: messageOf(error),
    });
    return undefined;
  }
}

/** Throws an Error where its directory is not this user's alone. */
function ownSocketPath(): string {
  const directory = ownControlDirectory();
  prepareDirectory(directory);
  return nodeSocketPath(directory, Deno.pid);
}

/** The certificate that new links show. */
async function certificatesOf(
  identities: NodeIdentitySource | undefined,
): Promise<CertificateStatus[]> {
  if (identities === undefined) return [];
  const { name, keyId, notAfter, files } = await identities.current();
  return [{
    ...{ name, keyId, file: files.certPath, notAfter: new Date(notAfter).toISOString() },
    daysLeft: Math.floor((notAfter - Date.now()) / dayLength),
  }];
}
