/** coturn's `turnserver`, on loopback or where it is placed. */
import { isInstalled, PeerProcess } from "./peer_process.ts";

/** Where a server runs. */
export interface CoturnPlace {
  /** It listens and relays there. */
  readonly address: string;
  /** What runs a program there, in front of its own words; none is needed on this host. */
  readonly command?: readonly string[];
}

/** Where the server is, and what it asks for. */
export interface CoturnOptions {
  /** Seconds after which a nonce is stale. */
  readonly staleNonceSeconds?: number;
  /** A certificate and its key, in PEM files; without them it speaks no TLS. */
  readonly certificate?: { readonly certPath: string; readonly keyPath: string };
  /** Whether peers on loopback are refused. */
  readonly isLoopbackDenied?: boolean;
  /** Loopback by default. */
  readonly place?: CoturnPlace;
  /** More of turnserver's arguments. */
  readonly args?: readonly string[];
}

/** The user that it knows. */
export const coturnUser = { username: "alice", password: "s3cret:of/alice" } as const;

/** Whether it can be tried. Says so, loudly, where it cannot. */
export function isCoturnInstalled(subject: string): Promise<boolean> {
  return isInstalled("turnserver", ["--version"], subject);
}

const loopback: CoturnPlace = { address: "127.0.0.1" };

/** A server that runs. */
export class Coturn {
  readonly #process: PeerProcess;
  readonly #folder: string;

  private constructor(
    readonly port: number,
    readonly tlsPort: number,
    process: PeerProcess,
    folder: string,
  ) {
    this.#process = process;
    this.#folder = folder;
  }

  /** Starts one, on ports that were free just now. */
  static async start(options: CoturnOptions = {}): Promise<Coturn> {
    const { place = loopback, certificate } = options;
    const { address, command = [] } = place;
    const folder = await Deno.makeTempDir();
    const [port, tlsPort] = freePorts(2);
    const [program = "", ...args] = [
      ...command,
      "turnserver",
      "-n",
      ...[`--listening-ip=${address}`, `--relay-ip=${address}`, "--no-cli", "--no-rfc5780"],
      ...["--lt-cred-mech", "--realm=example.org", "--no-dynamic-ip-list"],
      ...[`--listening-port=${port}`, `--tls-listening-port=${tlsPort}`, "--relay-threads=1"],
      ...[`--user=${coturnUser.username}:${coturnUser.password}`, "--simple-log"],
      ...["--log-file=stdout", `--pidfile=${folder}/pid`, `--userdb=${folder}/db`],
      ...options.isLoopbackDenied ? [] : ["--allow-loopback-peers"],
      ...options.staleNonceSeconds === undefined
        ? []
        : [`--stale-nonce=${options.staleNonceSeconds}`],
      ...certificate === undefined
        ? ["--no-tls", "--no-dtls"]
        : [`--cert=${certificate.certPath}`, `--pkey=${certificate.keyPath}`],
      ...options.args ?? [],
    ];
    const coturn = new Coturn(port, tlsPort, new PeerProcess(program, args), folder);
    try {
      // Its listeners come up together, and its log does not tell of all of them.
      await untilItListens(place, certificate === undefined ? port : tlsPort);
    } catch (error) {
      await coturn.stop();
      throw error;
    }
    return coturn;
  }

  /** Its log. */
  get printed(): string {
    return this.#process.printed;
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#process.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function untilItListens(place: CoturnPlace, port: number): Promise<void> {
  for (let tries = 1; !(await hasListener(place, port)); tries++) {
    if (tries === 200) throw new Error(`turnserver does not listen on ${place.address}:${port}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function hasListener({ address, command }: CoturnPlace, port: number): Promise<boolean> {
  if (command !== undefined) return await isShownListening(command, port);
  try {
    (await Deno.connect({ hostname: address, port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

/** Asks the system of that place, which need not be reachable from here. */
async function isShownListening(command: readonly string[], port: number): Promise<boolean> {
  const [program = "", ...args] = [...command, "ss", "-H", "-l", "-t", "-n", `sport = :${port}`];
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return stdout.length > 0;
}

/** Ports that are free for both UDP and TCP, all different. */
function freePorts(count: 2): [number, number];
function freePorts(count: number): number[] {
  const listeners: Deno.Listener[] = [];
  const ports: number[] = [];
  while (ports.length < count) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listeners.push(listener);
    ports.push((listener.addr as Deno.NetAddr).port);
  }
  for (const listener of listeners) listener.close();
  return ports;
}
