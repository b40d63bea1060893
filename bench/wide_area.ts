/**
 * Hosts of this machine's own, as network namespaces, and what joins them: a cable, or an emulated
 * wide-area path. It needs root, iproute2 and, for paths, /dev/net/tun.
 *
 * The kernel's netem is not there in every kernel, so that a process carries the packets of a path
 * ({@link file://./wide_area_carrier.ts}); it is the same everywhere then.
 */
import { fileURLToPath } from "node:url";
import { undoOnSignal } from "./processes.ts";

/** A path between any two of some hosts; each host's way out has its own rate and queue. */
export interface WideAreaPath {
  /** Mbit/s; without it, as fast as packets are carried. */
  readonly rate?: number;
  /** One way, in ms. */
  readonly delay: number;
  /** What is added to the delay at most, in ms: packets overtake each other. */
  readonly jitter?: number;
  /** Of all packets, each for itself, in percent. */
  readonly loss?: number;
  /** What waits for the rate at most, in KB (1000 bytes). */
  readonly queue?: number;
  /** How many hosts there are. */
  readonly hostCount?: number;
  /** Hosts that are near every other: what they send and are sent has no delay. */
  readonly nearHosts?: readonly number[];
}

/** What a carrier is told, as JSON. */
export interface CarrierOptions extends Required<WideAreaPath> {
  readonly namespaces: readonly string[];
  readonly device: string;
}

/** What became of the packets that a host sent. */
export interface Carried {
  readonly carried: number;
  readonly bytes: number;
  readonly lost: number;
  /** Dropped for want of room in the queue. */
  readonly overflowed: number;
}

const prefix = "aetherport-bench";
const device = "wan";
const sideDevice = "side";
const defaultQueue = 1_000;
const mtu = 1_500;
/** Packets the system keeps while the carrier is kept from running. */
const slackLength = 5_000;
let networkCount = 0;

/** Namespaces that are there until they are disposed of; the hosts are counted from 0. */
export class Network implements AsyncDisposable {
  readonly #names: string[];
  readonly #keep: () => void;
  #carrier: Deno.ChildProcess | undefined;

  private constructor(hostCount: number) {
    const name = `${prefix}-${Deno.pid}-${++networkCount}`;
    this.#names = Array.from({ length: hostCount }, (_, host) => `${name}-${host}`);
    this.#keep = undoOnSignal(() => {
      for (const one of this.#names) {
        new Deno.Command("ip", { args: ["netns", "del", one], stderr: "null" }).outputSync();
      }
    });
  }

  /** Two hosts and a cable between them, MTU 1500, without delay. */
  static async cable(): Promise<Network> {
    return await Network.#open(2, (network) => network.#layCable());
  }

  /** Hosts that are far from each other. */
  static async wideArea(path: WideAreaPath): Promise<Network> {
    const { hostCount = 2 } = path;
    return await Network.#open(hostCount, (network) => network.#startCarrier(path));
  }

  static async #open(
    hostCount: number,
    join: (network: Network) => Promise<void>,
  ): Promise<Network> {
    const network = new Network(hostCount);
    try {
      for (const name of network.#names) await ip(`netns add ${name}`);
      await join(network);
      for (const [host, name] of network.#names.entries()) await configure(name, host);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** What runs a program on a host; its own words are added. */
  command(host: number): readonly string[] {
    return ["ip", "netns", "exec", this.#names[host] ?? ""];
  }

  /** A host's address; a neighbour's is 10.79.1.2. */
  address(host: number): string {
    return addressOf(host);
  }

  /**
   * Puts another host right beside one of these, that may send it whatever it likes, under any
   * address; the other's number.
   */
  async addNeighbour(host: number): Promise<number> {
    const [place = "", number] = [this.#names[host], this.#names.length];
    const name = `${place}-beside-${number}`;
    this.#names.push(name);
    await ip(`netns add ${name}`);
    await ip(`-n ${name} link add ${sideDevice} type veth peer name ${sideDevice} netns ${place}`);
    await ip(`-n ${name} addr add 10.79.1.2/24 dev ${sideDevice}`);
    await ip(`-n ${place} addr add 10.79.1.1/24 dev ${sideDevice}`);
    for (const one of [name, place]) await ip(`-n ${one} link set ${sideDevice} up`);
    await ip(`-n ${name} route add ${addressOf(host)} via 10.79.1.1`);
    await this.#believeEverySource(host);
    return number;
  }

  async #believeEverySource(host: number): Promise<void> {
    const folder = "/proc/sys/net/ipv4/conf";
    const script = `for one in all ${sideDevice}; do echo 0 > ${folder}/$one/rp_filter; done`;
    const [program = "", ...args] = [...this.command(host), "sh", "-c", script];
    const { success } = await new Deno.Command(program, { args }).output();
    if (!success) throw new Error("the sources of packets are verified, and stay so");
  }

  /** Ends the path; what it carried, by host that sent it. Nothing is carried after that. */
  async endPath(): Promise<readonly Carried[]> {
    const carrier = this.#carrier;
    if (carrier === undefined) return [];
    this.#carrier = undefined;
    await carrier.stdin.close();
    const report = await new Response(carrier.stdout).text();
    await carrier.status;
    return JSON.parse(report.trim().split("\n").at(-1) ?? "[]") as readonly Carried[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keep();
    await this.endPath().catch(() => {
      // The carrier has failed, and said why.
    });
    for (const name of this.#names) {
      await ip(`netns del ${name}`).catch(() => {
        // It was not made.
      });
    }
  }

  async #layCable(): Promise<void> {
    const [near, far] = this.#names;
    await ip(`-n ${near} link add ${device} type veth peer name ${device} netns ${far}`);
  }

  async #startCarrier(path: WideAreaPath): Promise<void> {
    const options: CarrierOptions = {
      ...{ rate: 0, jitter: 0, loss: 0, queue: defaultQueue, hostCount: 2, nearHosts: [], ...path },
      namespaces: this.#names,
      device,
    };
    const script = fileURLToPath(new URL("./wide_area_carrier.ts", import.meta.url));
    this.#carrier = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", script, JSON.stringify(options)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    await untilDevicesAre(this.#names);
  }
}

function addressOf(host: number): string {
  return `10.79.0.${host + 1}`;
}

async function configure(name: string, host: number): Promise<void> {
  // Native sockets are tried on loopback before they are used.
  await ip(`-n ${name} link set lo up`);
  await ip(`-n ${name} addr add ${addressOf(host)}/24 dev ${device}`);
  await ip(`-n ${name} link set ${device} mtu ${mtu} txqueuelen ${slackLength} up`);
}

/** The carrier makes the devices when it has started. */
async function untilDevicesAre(names: readonly string[]): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline;) {
    const found = await Promise.all(
      names.map((name) => ip(`-n ${name} link show ${device}`).then(() => true, () => false)),
    );
    if (found.every((one) => one)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the carrier of the wide-area path has made no devices");
}

/** Runs one command of iproute2; throws what it says where it fails. */
async function ip(line: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", {
    args: line.split(" "),
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`ip ${line}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Why there can be no namespaces here; undefined where there can. */
export async function whyNoNetwork(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "only root may make network namespaces";
  try {
    await removeAbandoned();
    await using _ = await Network.wideArea({ delay: 0 });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Removes what processes left behind that were killed. */
async function removeAbandoned(): Promise<void> {
  const { stdout } = await new Deno.Command("ip", { args: ["netns", "list"] }).output();
  const names = new TextDecoder().decode(stdout).split("\n").map((line) =>
    line.split(" ")[0] ?? ""
  );
  for (const name of names) {
    const [, pid] = new RegExp(`^${prefix}-(\\d+)-`).exec(name) ?? [];
    if (pid === undefined || await isRunning(pid)) continue;
    await ip(`netns del ${name}`).catch(() => {
      // Others tidy up at the same time.
    });
  }
}

async function isRunning(pid: string): Promise<boolean> {
  try {
    await Deno.stat(`/proc/${pid}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
