/** coturn's `turnserver`, on loopback. */
import { isInstalled, PeerProcess } from "./peer_process.ts";

/** Where the server is, and what it asks for. */
export interface CoturnOptions {
  /** Seconds after which a nonce is stale. */
  readonly staleNonceSeconds?: number;
  /** A certificate and its key, in PEM files; without them it speaks no TLS. */
  readonly certificate?: { readonly certPath: string; readonly keyPath: string };
  /** Whether peers on loopback are refused. */
  readonly isLoopbackDenied?: boolean;
  /** More of turnserver's arguments. */
  readonly args?: readonly string[];
}

/** The user that it knows. */
export const coturnUser = { username: "alice", password: "s3cret:of/alice" } as const;

/** Whether it can be tried. Says so, loudly, where it cannot. */
export function isCoturnInstalled(subject: string): Promise<boolean> {
  return isInstalled("turnserver", ["--version"], subject);
}

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
    const folder = await Deno.makeTempDir();
    const [port, tlsPort] = freePorts(2);
    const process = new PeerProcess("turnserver", [
      "-n",
      ...["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--no-cli", "--no-rfc5780"],
      ...["--lt-cred-mech", "--realm=example.org", "--no-dynamic-ip-list"],
      ...[`--listening-port=${port}`, `--tls-listening-port=${tlsPort}`, "--relay-threads=1"],
      ...[`--user=${coturnUser.username}:${coturnUser.password}`, "--simple-log"],
      ...["--log-file=stdout", `--pidfile=${folder}/pid`, `--userdb=${folder}/db`],
      ...options.isLoopbackDenied ? [] : ["--allow-loopback-peers"],
      ...options.staleNonceSeconds === undefined
        ? []
        : [`--stale-nonce=${options.staleNonceSeconds}`],
      ...options.certificate === undefined
        ? ["--no-tls", "--no-dtls"]
        : [`--cert=${options.certificate.certPath}`, `--pkey=${options.certificate.keyPath}`],
      ...options.args ?? [],
    ]);
    const coturn = new Coturn(port, tlsPort, process, folder);
    try {
      // Its listeners come up together, and its log does not tell of all of them.
      await coturn.#untilItListens(options.certificate === undefined ? port : tlsPort);
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

  async #untilItListens(port: number): Promise<void> {
    for (let tries = 1;; tries++) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return;
      } catch (error) {
        if (tries === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
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
