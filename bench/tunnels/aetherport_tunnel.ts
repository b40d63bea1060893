/** A tunnel of this program: two nodes that are joined by pasted texts. */
import { fileURLToPath } from "node:url";
import { NodeProcess, programCommand } from "../../demo/node_process.ts";
import { freePort } from "../../tests/program/local_service.ts";
import { within } from "../processes.ts";
import type { Ground, Tunnel } from "./tunnel.ts";

/** Which sockets and which crypto the nodes have: the native ones, or those that need no FFI. */
export type Flavour = "native" | "portable";

/** The longest that a link may take, in ms. */
const patience = 30_000;

/** What a node needs, without FFI. */
const portableCommand: readonly string[] = [
  ...[Deno.execPath(), "run", "--quiet", "--no-prompt"],
  ...["--allow-net", "--allow-read", "--allow-env", "--allow-sys"],
  fileURLToPath(new URL("../../main.ts", import.meta.url)),
];

/** Two nodes. */
export class AetherportTunnel implements Tunnel {
  readonly port: number;
  readonly near: NodeProcess;
  readonly far: NodeProcess;
  /** The offer and the answer, as they were pasted. */
  texts: readonly string[] = [];

  private constructor({ port, near, far }: { port: number; near: NodeProcess; far: NodeProcess }) {
    this.port = port;
    this.near = near;
    this.far = far;
  }

  /** Returns when the link is up. */
  static async open(
    { near, far }: Ground,
    servicePort: number,
    flavour: Flavour = "native",
  ): Promise<AetherportTunnel> {
    const port = freePort();
    const target = `127.0.0.1:${servicePort}`;
    const command = flavour === "native" ? programCommand : portableCommand;
    const start = (place: readonly string[], args: readonly string[]) =>
      new NodeProcess(["--ice-server", "none", "--verbose", ...args], {
        command: [...place, ...command],
      });
    const tunnel = new AetherportTunnel({
      port,
      near: start(near, ["--forward", `127.0.0.1:${port}:${target}`]),
      far: start(far, ["--allow", target]),
    });
    try {
      await within(patience, "a link", tunnel.#join());
      const native = tunnel.choices.find((one) => one.includes("(FFI)"));
      if (flavour === "portable" && native !== undefined) {
        throw new Error(`not portable: ${native}`);
      }
      return tunnel;
    } catch (error) {
      await tunnel[Symbol.asyncDispose]();
      throw error;
    }
  }

  pids(): { readonly near: readonly number[]; readonly far: readonly number[] } {
    return { near: [this.near.pid], far: [this.far.pid] };
  }

  async #join(): Promise<void> {
    const offer = await this.near.nextText();
    await this.far.paste(offer);
    const answer = await this.far.nextText();
    await this.near.paste(answer);
    await Promise.all([this.near.event("link-up"), this.far.event("link-up")]);
    this.texts = [offer, answer];
  }

  /** What a node says that it works with: its sockets, its crypto. */
  get choices(): readonly string[] {
    return this.near.log.filter(({ event }) => event === "chosen").map(({ message }) => message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.near.stop(), this.far.stop()]);
  }
}
