/**
 * Two homes, each behind a NAT of its own, and the internet between them: network namespaces of this
 * host's kernel, which nothing leaves.
 *
 * ```
 *  nearHome          nearNat                     internet                     farNat          farHome
 * 192.168.1.2 ─ 192.168.1.1  203.0.113.2 ─ 203.0.113.1  198.51.100.1 ─ 198.51.100.2  192.168.1.1 ─ 192.168.1.2
 *                                            192.0.2.1
 * ```
 *
 * Both homes have the same addresses, as homes do.
 *
 * @module
 */
import { isInstalled } from "../peers/peer_process.ts";

/** Where a program may run. */
export const places = ["internet", "nearNat", "farNat", "nearHome", "farHome"] as const;

/** Where a program may run. */
export type Place = typeof places[number];

/** Of whoever serves on the internet. */
export const internetAddress = "192.0.2.1";

/** What the NATs do, both alike. */
export interface NatBehaviour {
  /**
   * "endpoint-independent": a port inside is one port outside, whoever is spoken to. "symmetric": it
   * is another one, by chance, for everybody. RFC 4787, section 4.1.
   */
  readonly mapping: "endpoint-independent" | "symmetric";
  /** Whether no datagram gets out at all. */
  readonly isUdpBlocked?: boolean;
}

/** Which home. */
export type Side = "near" | "far";

/** Each NAT's way to the internet: the internet's end of it, and its own. */
const uplinks = {
  near: { gateway: "203.0.113.1", outside: "203.0.113.2" },
  far: { gateway: "198.51.100.1", outside: "198.51.100.2" },
} as const;

/** How the internet sees whoever is in a home. */
export function outsideAddressOf(side: Side): string {
  return uplinks[side].outside;
}

const prefix = "aetherport-test";
let count = 0;

/** Namespaces, that are there until they are disposed of. */
export class Networks implements AsyncDisposable {
  readonly #name = `${prefix}-${Deno.pid}-${++count}`;

  private constructor() {}

  /** Makes all of them. Throws what the system says where it cannot be. */
  static async open(behaviour: NatBehaviour): Promise<Networks> {
    const networks = new Networks();
    try {
      await networks.#make(behaviour);
    } catch (error) {
      await networks[Symbol.asyncDispose]();
      throw error;
    }
    return networks;
  }

  /** What runs a program there; its own words are added. */
  command(place: Place): string[] {
    return ["ip", "netns", "exec", this.#namespace(place)];
  }

  /** A home has another address from now on, as when a host joins another network. */
  async move(
    side: Side,
    { from, to }: { readonly from: string; readonly to: string },
  ): Promise<void> {
    await this.#configure(`${side}Home`, [
      `address del ${from}/24 dev uplink`,
      `address add ${to}/24 dev uplink`,
      "route replace default via 192.168.1.1",
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const made = await namespaces();
    for (const name of made.filter((one) => one.startsWith(`${this.#name}-`))) await remove(name);
  }

  #namespace(place: Place): string {
    return `${this.#name}-${place}`;
  }

  async #make(behaviour: NatBehaviour): Promise<void> {
    for (const place of places) await run(["ip", "netns", "add", this.#namespace(place)]);
    for (const place of places) await this.#configure(place, ["link set lo up"]);
    await this.#configure("internet", [
      `address add ${internetAddress}/32 dev lo`,
      // Where to private addresses there is no way at all, coturn drops whoever names one.
      "link add name elsewhere type veth peer name nowhere",
      "link set nowhere up",
      "link set elsewhere arp off up",
      "route add default dev elsewhere",
    ]);
    for (const side of ["near", "far"] as const) await this.#connect(side, behaviour);
    await this.#forward("internet");
  }

  /** A home, its NAT, and the NAT's way to the internet. */
  async #connect(side: Side, behaviour: NatBehaviour): Promise<void> {
    const { gateway, outside } = uplinks[side];
    const [nat, home] = [`${side}Nat`, `${side}Home`] as const;
    await this.#configure("internet", [
      `link add name ${side} type veth peer name wan netns ${this.#namespace(nat)}`,
      `address add ${gateway}/30 dev ${side}`,
      `link set ${side} up`,
    ]);
    await this.#configure(nat, [
      `address add ${outside}/30 dev wan`,
      "link set wan up",
      `route add default via ${gateway}`,
      `link add name lan type veth peer name uplink netns ${this.#namespace(home)}`,
      "address add 192.168.1.1/24 dev lan",
      "link set lan up",
    ]);
    await this.#configure(home, [
      "address add 192.168.1.2/24 dev uplink",
      "link set uplink up",
      "route add default via 192.168.1.1",
    ]);
    await run([...this.command(nat), "nft", "-f", "-"], rulesOf(behaviour));
    await this.#forward(nat);
  }

  async #configure(place: Place, lines: readonly string[]): Promise<void> {
    await run(["ip", "-n", this.#namespace(place), "-batch", "-"], `${lines.join("\n")}\n`);
  }

  async #forward(place: Place): Promise<void> {
    const file = "/proc/sys/net/ipv4/ip_forward";
    await run([...this.command(place), "sh", "-c", `echo 1 > ${file}`]);
  }
}

/**
 * What a home's router has for rules. It answers nobody outside: an answer to a datagram that came too
 * early would stand in the way of the hole that is punched for it.
 */
function rulesOf({ mapping, isUdpBlocked = false }: NatBehaviour): string {
  return `
table ip nat {
  chain leaving {
    type nat hook postrouting priority srcnat
    oifname "wan" masquerade ${mapping === "symmetric" ? "fully-random" : ""}
  }
}
table ip filter {
  chain arriving {
    type filter hook input priority filter
    iifname "wan" drop
  }
  chain passing {
    type filter hook forward priority filter
    iifname "wan" ct state new drop
    ${isUdpBlocked ? "meta l4proto udp drop" : ""}
  }
}
`;
}

/** Whether namespaces can be made here. Says so, loudly, where they cannot. */
export async function canMakeNetworks(subject: string): Promise<boolean> {
  if (Deno.uid() !== 0) return skip(subject, "only root may");
  const tools = [["ip", "-Version"], ["nft", "--version"]] as const;
  for (const [program, argument] of tools) {
    if (!await isInstalled(program, [argument], subject)) return false;
  }
  try {
    await removeAbandoned();
    await using _ = await Networks.open({ mapping: "symmetric", isUdpBlocked: true });
    return true;
  } catch (error) {
    return skip(subject, String(error));
  }
}

function skip(subject: string, reason: string): false {
  console.warn(`SKIPPED: no network namespaces here (${reason}); ${subject} is not tried`);
  return false;
}

/** Removes what processes left behind that were killed. */
async function removeAbandoned(): Promise<void> {
  for (const name of await namespaces()) {
    const [, pid] = new RegExp(`^${prefix}-(\\d+)-`).exec(name) ?? [];
    if (pid === undefined || await isRunning(pid)) continue;
    // Others may tidy up at the same time.
    await removeWithProcesses(name).catch(() => {});
  }
}

async function removeWithProcesses(namespace: string): Promise<void> {
  const pids = await run(["ip", "netns", "pids", namespace]);
  for (const pid of pids.split("\n").filter((line) => line !== "")) {
    Deno.kill(Number(pid), "SIGKILL");
  }
  await remove(namespace);
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

async function namespaces(): Promise<string[]> {
  const listed = await run(["ip", "netns", "list"]);
  return listed.split("\n").map((line) => line.split(" ")[0] ?? "").filter((name) => name !== "");
}

async function remove(namespace: string): Promise<void> {
  await run(["ip", "netns", "delete", namespace]);
}

/** Runs a program to its end; throws what it says where it fails. Returns its stdout. */
async function run([program = "", ...args]: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // One that ends without reading has its reasons on stderr.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
