/**
 * What a forward of UDP costs: how many datagrams a second it carries and loses, what it adds to the
 * time of an answer beside a direct path in the same run, and whether more is lost of them than a
 * wide-area path loses.
 */
import { fileURLToPath } from "node:url";
import { joinByPaste, NodeProcess, programCommand } from "../demo/node_process.ts";
import { freePort } from "../tests/program/local_service.ts";
import { endOnSignals, within } from "./processes.ts";
import { quantile, row } from "./statistics.ts";
import type { UdpLoad, UdpSent } from "./traffic/udp_client.ts";
import { type Ground, loopbackGround } from "./tunnels/tunnel.ts";
import { Network, whyNoNetwork } from "./wide_area.ts";

const length = 1_200;
/** In s. */
const duration = 4;
const goals = { rate: 60_000, loss: 0.001, p50: 0.3, p99: 2, pathLoss: 0.005 } as const;
const path = { rate: 200, delay: 25, loss: 5 } as const;
/** The longest that a process may take to say something, in ms. */
const patience = 30_000;

/** Runs a file beside this one on a host. */
function start(place: readonly string[], file: string, ...args: readonly string[]) {
  const script = fileURLToPath(new URL(`./traffic/${file}`, import.meta.url));
  const [program = "", ...rest] = [
    ...[...place, Deno.execPath(), "run", "--quiet", "--allow-all", script],
    ...args,
  ];
  return new Deno.Command(program, { args: rest, stdin: "piped", stdout: "piped" }).spawn();
}

/** A service on a host. */
class Service implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  port = 0;

  private constructor(place: readonly string[]) {
    this.#child = start(place, "udp_service.ts");
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  static async start(place: readonly string[]): Promise<Service> {
    const service = new Service(place);
    service.port = await service.#number();
    return service;
  }

  /** How many datagrams have come since it was asked last. */
  async count(): Promise<number> {
    await this.#input.write(new TextEncoder().encode("\n"));
    return await this.#number();
  }

  async #number(): Promise<number> {
    return Number((await within(patience, "the UDP service", this.#output.read())).value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
  }
}

/** Two nodes that forward a port of the near host to a service of the far one. */
class UdpTunnel implements AsyncDisposable {
  readonly #near: NodeProcess;
  readonly #far: NodeProcess;

  private constructor(readonly ground: Ground, readonly port: number, target: string) {
    const nodeAt = (place: readonly string[], args: readonly string[]) =>
      new NodeProcess(["--ice-server", "none", ...args], {
        command: [...place, ...programCommand],
      });
    this.#near = nodeAt(ground.near, ["--forward", `127.0.0.1:${port}:${target}`]);
    this.#far = nodeAt(ground.far, ["--allow", target]);
  }

  static async open(ground: Ground, servicePort: number): Promise<UdpTunnel> {
    const tunnel = new UdpTunnel(ground, freePort(), `127.0.0.1:${servicePort}/udp`);
    await within(patience, "a link", joinByPaste(tunnel.#near, tunnel.#far));
    return tunnel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#near.stop(), this.#far.stop()]);
  }
}

/** Sends, from a process on a host. */
async function send(place: readonly string[], load: UdpLoad): Promise<UdpSent> {
  const client = start(place, "udp_client.ts", JSON.stringify(load));
  await client.stdin.close();
  return JSON.parse(await new Response(client.stdout).text()) as UdpSent;
}

interface Delivery {
  readonly perSecond: number;
  /** A share. */
  readonly loss: number;
}

/** Sends datagrams that are counted where they arrive. */
async function deliver(
  { place, port, service, perSecond }: {
    readonly place: readonly string[];
    readonly port: number;
    readonly service: Service;
    readonly perSecond: number;
  },
): Promise<Delivery> {
  await service.count();
  const load: UdpLoad = { port, mode: "count", perSecond, duration, length };
  const { sent, elapsed } = await send(place, load);
  const came = await service.count();
  return { perSecond: came / elapsed, loss: 1 - came / sent };
}

async function answers(port: number): Promise<readonly number[]> {
  const load: UdpLoad = { port, mode: "echo", perSecond: 1_000, duration, length };
  return (await send([], load)).times;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

async function measureLoopback(): Promise<void> {
  await using service = await Service.start([]);
  await using tunnel = await UdpTunnel.open(loopbackGround, service.port);
  const { port } = tunnel;
  await deliver({ place: [], port, service, perSecond: 30_000 });
  console.log(row("loopback, 1,200 B", ["arrive", "lost", "lost directly"]));
  for (const perSecond of [10_000, 30_000, goals.rate, 90_000]) {
    const direct = await deliver({ place: [], port: service.port, service, perSecond });
    const forwarded = await deliver({ place: [], port, service, perSecond });
    console.log(row(`${perSecond} a second`, [
      `${Math.round(forwarded.perSecond)} /s`,
      ...[percent(forwarded.loss), percent(direct.loss)],
    ]));
  }
  console.log(`  goals: ${goals.rate} a second, and at 30000 ${percent(goals.loss)} lost`);
  await answers(port);
  const [direct, forwarded] = [await answers(service.port), await answers(port)];
  console.log(row("answer at 1,000 /s", ["p50", "p99", "came"]));
  for (const [name, times] of Object.entries({ direct, forwarded })) {
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
    console.log(row(name, [`${p50.toFixed(2)} ms`, `${p99.toFixed(2)} ms`, `${times.length}`]));
  }
  console.log(`  goals: ${goals.p50} ms and ${goals.p99} ms more than directly`);
}

async function measureWideArea(): Promise<void> {
  const obstacle = await whyNoNetwork();
  if (obstacle !== undefined) return console.log(`no wide-area path: ${obstacle}`);
  await using network = await Network.wideArea(path);
  const ground = {
    ...{ near: network.command(0), far: network.command(1), farAddress: network.address(1) },
  };
  await using service = await Service.start(ground.far);
  await using tunnel = await UdpTunnel.open(ground, service.port);
  const { port } = tunnel;
  const name = `${path.rate} Mbit/s, ${2 * path.delay} ms, ${path.loss} %`;
  console.log(row(name, ["arrive", "lost", "path's own"]));
  for (const perSecond of [1_000, 4_000, 8_000]) {
    const { perSecond: came, loss } = await deliver({
      ...{ place: ground.near, port, service, perSecond },
    });
    const cells = [`${Math.round(came)} /s`, percent(loss), percent(path.loss / 100)];
    console.log(row(`${perSecond} a second`, cells));
  }
  console.log(`  goal: no more lost than by the path, and ${percent(goals.pathLoss)}`);
}

endOnSignals();
await measureLoopback();
await measureWideArea();
Deno.exit();
