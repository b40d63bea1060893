/**
 * How long a link takes to carry its first byte: from when the egress begins to call until a client
 * on its host has its first byte back through the tunnel; and from when the egress logs that it
 * listens, which is before it has loaded what makes links. The client connects at once, and waits for
 * the link. Each node asks a STUN server too that never answers.
 *
 *     setup.ts [ROUNDS]
 */
import { NodeProcess, programCommand } from "../demo/node_process.ts";
import { PeerProcess } from "../tests/peers/peer_process.ts";
import { AetherlightStage } from "../tests/program/aetherlight_stage.ts";
import { freePort } from "../tests/program/local_service.ts";
import { endOnSignals, within } from "./processes.ts";
import { row, short, spreadOf } from "./statistics.ts";
import { TrafficEnd } from "./traffic/traffic.ts";
import { Network, whyNoNetwork } from "./wide_area.ts";

const defaultRoundCount = 7;
const signalPort = 8_080;
/** The longest that one round may take, in ms. */
const patience = 60_000;
/** A host of the path's network that there is not. */
const deadServer = "stun:10.79.0.99:3478";
const host = { near: 0, far: 1, signal: 2 } as const;

/** Where the nodes and the signaling server are. */
interface Setting {
  readonly name: string;
  /** Between any two hosts, in ms; undefined for a cable. */
  readonly roundTrip?: number;
  readonly signalHost: number;
  /** Whether the signaling server is near both nodes, however far they are from each other. */
  readonly isSignalNear?: boolean;
  /** From the call on; in ms, or in round trips where there are any. */
  readonly goal?: number;
}

/** What one round took, in ms. */
interface Durations {
  readonly fromCall: number;
  readonly fromListening: number;
}

const settings: readonly Setting[] = [
  { name: "LAN, server beside the ingress", signalHost: host.far, goal: 300 },
  {
    name: "RTT 100 ms, server near both",
    ...{ roundTrip: 100, signalHost: host.signal, isSignalNear: true, goal: 6 },
  },
  { name: "RTT 100 ms, and as much to the server", roundTrip: 100, signalHost: host.signal },
  { name: "RTT 100 ms, server beside the ingress", roundTrip: 100, signalHost: host.far },
];

/** An ingress that waits at a server, on hosts of their own. */
class SetupStage implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #network: Network;
  readonly #identities: AetherlightStage;
  readonly #client: TrafficEnd;
  readonly #target: string;
  readonly #ingressUrl: string;

  private constructor(parts: {
    stack: AsyncDisposableStack;
    network: Network;
    identities: AetherlightStage;
    client: TrafficEnd;
    target: string;
    ingressUrl: string;
  }) {
    this.#stack = parts.stack;
    this.#network = parts.network;
    this.#identities = parts.identities;
    this.#client = parts.client;
    this.#target = parts.target;
    this.#ingressUrl = parts.ingressUrl;
  }

  static async open({ roundTrip, signalHost, isSignalNear }: Setting): Promise<SetupStage> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(
      roundTrip === undefined ? await Network.cable() : await Network.wideArea({
        delay: roundTrip / 2,
        hostCount: 3,
        nearHosts: isSignalNear ? [signalHost] : [],
      }),
    );
    const identities = stack.use(await AetherlightStage.open("near", "far"));
    const service = stack.use(new TrafficEnd(network.command(host.far)));
    const client = stack.use(new TrafficEnd(network.command(host.near)));
    const target = `127.0.0.1:${await service.ask("serve", undefined)}`;
    const baseUrl = await startServer(stack, network, signalHost);
    const ingress = new NodeProcess(
      [
        ...["--ice-server", deadServer, "--allow", target, "--aetherlight-base-url", baseUrl],
        ...identities.identityFlags("far"),
      ],
      { command: [...network.command(host.far), ...programCommand] },
    );
    stack.defer(async () => void await ingress.stop());
    const ingressUrl = await ingress.nextText();
    await ingress.event("waiting");
    return new SetupStage({
      ...{ stack: stack.move(), network, identities, client, target, ingressUrl },
    });
  }

  /** Starts an egress and ends it again; how long its first byte took. */
  async measure(): Promise<Durations> {
    const port = freePort();
    const egress = new NodeProcess(
      [
        ...["--verbose", "--ice-server", deadServer],
        ...["--aetherlight-ingress-url", this.#ingressUrl],
        ...["--forward", `127.0.0.1:${port}:${this.#target}`],
        ...this.#identities.identityFlags("near"),
      ],
      { command: [...this.#network.command(host.near), ...programCommand] },
    );
    try {
      const listening = await egress.event("listening");
      const end = await this.#client.ask("firstByteAt", port);
      const calling = await egress.event("calling");
      return {
        fromCall: end - Date.parse(String(calling["time"])),
        fromListening: end - Date.parse(String(listening["time"])),
      };
    } finally {
      await egress.stop();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A signaling server on a host; its base URL. */
async function startServer(
  stack: AsyncDisposableStack,
  network: Network,
  at: number,
): Promise<string> {
  const address = `${network.address(at)}:${signalPort}`;
  const [program = "", ...args] = [
    ...[...network.command(at), ...programCommand],
    ...["signal", "--listen-addr", address, "--kv", ":memory:"],
  ];
  const server = new PeerProcess(program, args);
  stack.defer(() => server.stop());
  await server.waitFor(/^listening on http:/m);
  return `http://${address}`;
}

async function measureSetting(setting: Setting, roundCount: number): Promise<void> {
  await using stage = await SetupStage.open(setting);
  // The first also compiles what the ingress and the server run.
  await within(patience, setting.name, stage.measure());
  const durations: Durations[] = [];
  while (durations.length < roundCount) {
    durations.push(await within(patience, setting.name, stage.measure()));
  }
  print(setting, durations);
}

function print({ name, roundTrip, goal }: Setting, durations: readonly Durations[]): void {
  const { min, median, max } = spreadOf(durations.map(({ fromCall }) => fromCall));
  const listening = spreadOf(durations.map(({ fromListening }) => fromListening));
  const unit = roundTrip === undefined ? "ms" : "RTT";
  console.log(row(name, [
    median.toFixed(0),
    `${min.toFixed(0)} to ${max.toFixed(0)}`,
    roundTrip === undefined ? "" : short(median / roundTrip),
    goal === undefined ? "" : `<= ${goal} ${unit}`,
    listening.median.toFixed(0),
  ]));
}

async function main(): Promise<void> {
  const reason = await whyNoNetwork();
  if (reason !== undefined) return console.log(`skipped: ${reason}`);
  const roundCount = Number(Deno.args[0] ?? defaultRoundCount);
  console.log(
    "from the egress's call to the first byte back through the tunnel; new egress processes,\n" +
      `a waiting ingress, a STUN server that is dead (${deadServer}); ${roundCount} rounds each`,
  );
  console.log(row("", ["median, ms", "min to max, ms", "RTT", "goal", '"listening", ms']));
  for (const setting of settings) await measureSetting(setting, roundCount);
}

endOnSignals();
await main();
Deno.exit(0);
