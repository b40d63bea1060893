/**
 * What the tests of NATs play on: coturn and a signaling server on the internet, a service in the far
 * home, a node in each, all of them real processes that are stopped at the end.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type LogLine, NodeProcess, programCommand } from "../../demo/node_process.ts";
import { splitSpec } from "../../src/socket/endpoint.ts";
import { Coturn, coturnUser } from "../peers/coturn.ts";
import { PeerProcess } from "../peers/peer_process.ts";
import { AetherlightStage } from "../program/aetherlight_stage.ts";
import { randomPayload, sha256 } from "../program/local_service.ts";
import { makeCertificate } from "./certificate.ts";
import { internetAddress, type NatBehaviour, Networks, type Place, type Side } from "./networks.ts";
import { within } from "./within.ts";

const payloadLength = 5_000_000;
const signalPort = 8_080;
const forwardedPort = 7_000;

/** What the nodes ask coturn for, and over what. */
export type ServerUse = "STUN" | "TURN over UDP" | "TURN over TCP" | "TURN over TLS";

/** What there is to a test. */
export interface NatStageOptions {
  readonly nats: NatBehaviour;
  readonly servers: readonly ServerUse[];
}

/** How a link runs. */
export type Kind = "direct" | "relayed";

/** Between which addresses a link runs, without their ports. */
export interface Route {
  readonly local: string;
  readonly remote: string;
}

/** A file of random bytes. */
interface Payload {
  readonly path: string;
  readonly digest: string;
}

/** What namespaces and files there are; the rest is started on them. */
interface Ground {
  readonly stack: AsyncDisposableStack;
  readonly networks: Networks;
  readonly identities: AetherlightStage;
}

/** What the nodes are told of coturn. */
interface Access {
  readonly flags: readonly string[];
  readonly env: Record<string, string>;
}

/** A node in each home, and the link between them. */
export class NatStage implements AsyncDisposable {
  readonly #ground: Ground;
  readonly #nodes: Readonly<Record<Side, NodeProcess>>;
  readonly #payloads: { readonly up: Payload; readonly down: Payload };

  private constructor(ground: Ground, { nodes, payloads }: {
    readonly nodes: Readonly<Record<Side, NodeProcess>>;
    readonly payloads: { readonly up: Payload; readonly down: Payload };
  }) {
    this.#ground = ground;
    this.#nodes = nodes;
    this.#payloads = payloads;
  }

  /** Starts everything. Returns when the far node waits and the near one listens. */
  static async open({ nats, servers }: NatStageOptions): Promise<NatStage> {
    await using stack = new AsyncDisposableStack();
    const opening = AetherlightStage.open("near", "far");
    const identities = stack.use(await within("certificates", opening));
    const networks = stack.use(await within("namespaces", Networks.open(nats)));
    const ground = { stack, networks, identities };
    const payloads = {
      up: await writePayload(ground, "up"),
      down: await writePayload(ground, "down"),
    };
    const nodes = await within("two nodes", startAll(ground, servers, payloads.down));
    return new NatStage({ ...ground, stack: stack.move() }, { nodes, payloads });
  }

  /** The first route of this kind that each node's log tells of. */
  async routes(kind: Kind): Promise<Record<Side, Route>> {
    const { near, far } = this.#nodes;
    const told = [near, far].map((node) => node.line(patternOf(kind)));
    const [nearLine, farLine] = await within(
      `a ${kind} link`,
      Promise.all(told),
      () => `near:\n${messagesOf(near)}\nfar:\n${messagesOf(far)}`,
    );
    return { near: routeIn(nearLine), far: routeIn(farLine) };
  }

  /** Whether any node's log tells of a direct route so far. */
  get hasBeenDirect(): boolean {
    const lines = Object.values(this.#nodes).flatMap(({ log }) => log);
    return lines.some(({ message }) => patternOf("direct").test(message));
  }

  /** Sends 5 MB through the link, and takes other 5 MB back. */
  async assertCarries(): Promise<void> {
    const { up, down } = this.#payloads;
    const client = run(this.#ground, "nearHome", script("client.ts", `${forwardedPort}`, up.path));
    const [, sent, received] = await client.waitFor(/^sent (\w+), received (\w+)$/m);
    assert.deepEqual({ sent, received }, { sent: up.digest, received: down.digest });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ground.stack.disposeAsync();
  }
}

async function startAll(
  ground: Ground,
  servers: readonly ServerUse[],
  served: Payload,
): Promise<Record<Side, NodeProcess>> {
  const access = await serveStunAndTurn(ground, servers);
  const [target, base] = await Promise.all([serveFile(ground, served), serveSignals(ground)]);
  const far = startNode(ground, "far", access, ["--allow", target, "--aetherlight-base-url", base]);
  const ingress = await far.nextText();
  const near = startNode(ground, "near", access, [
    ...["--aetherlight-ingress-url", ingress],
    ...["--forward", `127.0.0.1:${forwardedPort}:${target}`],
  ]);
  await Promise.all([far.event("waiting"), near.event("listening")]);
  return { near, far };
}

/** How nodes are to ask, and whom to trust for it. */
async function serveStunAndTurn(
  { stack, networks, identities }: Ground,
  uses: readonly ServerUse[],
): Promise<Access> {
  const certificate = await makeCertificate(identities.folder, internetAddress);
  const place = { address: internetAddress, command: networks.command("internet") };
  const coturn = await Coturn.start({ place, certificate });
  stack.defer(() => coturn.stop());
  const flags = uses.flatMap((use) => ["--ice-server", urlOf(use, coturn)]);
  return { flags, env: { DENO_CERT: certificate.caPath } };
}

function urlOf(use: ServerUse, { port, tlsPort }: Coturn): string {
  const { username, password } = coturnUser;
  const user = `${username}:${encodeURIComponent(password)}`;
  switch (use) {
    case "STUN":
      return `stun:${internetAddress}:${port}`;
    case "TURN over UDP":
      return `turn:${user}@${internetAddress}:${port}`;
    case "TURN over TCP":
      return `turn:${user}@${internetAddress}:${port}?transport=tcp`;
    case "TURN over TLS":
      return `turns:${user}@${internetAddress}:${tlsPort}`;
    default:
      return use satisfies never;
  }
}

/** The target that a node may reach. */
async function serveFile(ground: Ground, { path }: Payload): Promise<string> {
  const service = run(ground, "farHome", script("service.ts", path));
  const [, port] = await service.waitFor(/^serving port (\d+)$/m);
  return `127.0.0.1:${port}`;
}

/** The signaling server's base URL. */
async function serveSignals(ground: Ground): Promise<string> {
  const address = `${internetAddress}:${signalPort}`;
  const flags = ["--listen-addr", address, "--kv", ":memory:"];
  const server = run(ground, "internet", [...programCommand, "signal", ...flags]);
  await server.waitFor(/^listening on http:/m);
  return `http://${address}`;
}

function startNode(
  { stack, networks, identities }: Ground,
  side: Side,
  { flags, env }: Access,
  args: readonly string[],
): NodeProcess {
  const command = [...networks.command(`${side}Home`), ...programCommand];
  const node = new NodeProcess([...identities.identityFlags(side), ...flags, ...args], {
    command,
    env,
  });
  stack.defer(async () => void await node.stop());
  return node;
}

function run({ stack, networks }: Ground, place: Place, command: readonly string[]): PeerProcess {
  const [program = "", ...args] = [...networks.command(place), ...command];
  const process = new PeerProcess(program, args);
  stack.defer(() => process.stop());
  return process;
}

/** What runs one of the scripts beside this one. */
function script(name: string, ...args: readonly string[]): string[] {
  const path = fileURLToPath(new URL(name, import.meta.url));
  return [Deno.execPath(), "run", "--quiet", "--allow-all", path, ...args];
}

async function writePayload({ identities }: Ground, name: string): Promise<Payload> {
  const [path, bytes] = [identities.path(name), randomPayload(payloadLength)];
  await Deno.writeFile(path, bytes);
  return { path, digest: sha256(bytes) };
}

/** What the log says of a link that is up or goes another way, where it runs like this. */
function patternOf(kind: Kind): RegExp {
  return new RegExp(`^(?:link to .* is up|the link goes another way).*, ${kind}\\b`);
}

function messagesOf({ log }: NodeProcess): string {
  return log.map(({ message }) => message).join("\n");
}

function routeIn(line: LogLine | undefined): Route {
  return { local: hostIn(line?.local), remote: hostIn(line?.remote) };
}

function hostIn(endpoint: unknown): string {
  return splitSpec(String(endpoint))[0]?.text ?? "";
}
