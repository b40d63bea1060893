/** Both tunnels side by side, between the same client and the same service. */
import { within } from "../processes.ts";
import type { Receipt } from "../traffic/stream.ts";
import { TrafficEnd } from "../traffic/traffic.ts";
import { AetherportTunnel, type Flavour } from "../tunnels/aetherport_tunnel.ts";
import { SshTunnel } from "../tunnels/ssh_tunnel.ts";
import { type Ground, loopbackGround, type Tunnel } from "../tunnels/tunnel.ts";
import { type Carried, Network, type WideAreaPath } from "../wide_area.ts";
import type { Contender, Figures } from "./table_row.ts";

/** Where the hosts are, and who is there. */
export interface StageOptions {
  readonly between: "loopback" | "cable" | WideAreaPath;
  readonly contenders?: readonly Contender[];
  readonly flavour?: Flavour;
}

/** The longest that opening everything may take, in ms. */
const patience = 60_000;

/** Hosts, tunnels, and the traffic's ends. */
export class Stage implements AsyncDisposable {
  readonly client: TrafficEnd;
  /** For what is measured beside the client's traffic. */
  readonly observer: TrafficEnd;
  readonly #stack: AsyncDisposableStack;
  readonly #network: Network | undefined;
  readonly #tunnels: ReadonlyMap<Contender, Tunnel>;

  private constructor(parts: {
    stack: AsyncDisposableStack;
    network: Network | undefined;
    client: TrafficEnd;
    observer: TrafficEnd;
    tunnels: ReadonlyMap<Contender, Tunnel>;
  }) {
    this.#stack = parts.stack;
    this.#network = parts.network;
    this.client = parts.client;
    this.observer = parts.observer;
    this.#tunnels = parts.tunnels;
  }

  static async open(
    { between, contenders = ["ssh", "aetherport"], flavour }: StageOptions,
  ): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const network = await layNetwork(between);
    if (network !== undefined) stack.use(network);
    const ground = network === undefined ? loopbackGround : groundOf(network);
    const service = stack.use(new TrafficEnd(ground.far));
    const client = stack.use(new TrafficEnd(ground.near));
    const observer = stack.use(new TrafficEnd(ground.near));
    const port = await service.ask("serve", undefined);
    const tunnels = new Map<Contender, Tunnel>();
    for (const contender of contenders) {
      const opening: Promise<Tunnel> = contender === "ssh"
        ? SshTunnel.open(ground, port)
        : AetherportTunnel.open(ground, port, flavour);
      tunnels.set(contender, stack.use(await within(patience, `${contender}'s tunnel`, opening)));
    }
    return new Stage({ stack: stack.move(), network, client, observer, tunnels });
  }

  /** Rounds in which all alternate, every other time in the other order. */
  async rounds(
    roundCount: number,
    measure: (tunnel: Tunnel, contender: Contender) => Promise<number>,
  ): Promise<Figures> {
    const figures = { ssh: [] as number[], aetherport: [] as number[] };
    for (let round = 0; round < roundCount; round++) {
      const order = [...this.#tunnels];
      if (round % 2 === 1) order.reverse();
      for (const [contender, tunnel] of order) {
        figures[contender].push(await measure(tunnel, contender));
      }
    }
    return figures;
  }

  /** One of the tunnels. */
  tunnel(contender: Contender): Tunnel {
    const tunnel = this.#tunnels.get(contender);
    if (tunnel === undefined) throw new Error(`${contender} is not on this stage`);
    return tunnel;
  }

  /** What aetherport's nodes say that they work with. */
  get choices(): readonly string[] {
    const tunnel = this.#tunnels.get("aetherport");
    return tunnel instanceof AetherportTunnel ? tunnel.choices : [];
  }

  /** Ends a wide-area path, and everything with it; what it carried. */
  async endPath(): Promise<readonly Carried[]> {
    return await this.#network?.endPath() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function layNetwork(between: StageOptions["between"]): Promise<Network | undefined> {
  if (between === "loopback") return undefined;
  return between === "cable" ? await Network.cable() : await Network.wideArea(between);
}

function groundOf(network: Network): Ground {
  return {
    near: network.command(0),
    far: network.command(1),
    farAddress: network.address(1),
  };
}

/** The receipt, where nothing is wrong with it. */
export function checked(receipt: Receipt, contender: Contender): Receipt {
  if (receipt.fault !== "") throw new Error(`${contender}: ${receipt.fault}`);
  return receipt;
}
