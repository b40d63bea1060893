/** Dante's `danted`, a SOCKS5 server, on loopback and without passwords. */
import { userInfo } from "node:os";
import { freePort } from "../program/local_service.ts";
import { isInstalled, PeerProcess } from "./peer_process.ts";

/** Debian's; it has to be called by its whole path where /usr/sbin is not searched. */
const serverPath = "/usr/sbin/danted";

/** Whether it can be tried. Says so, loudly, where it cannot. */
export function isDantedInstalled(subject: string): Promise<boolean> {
  return isInstalled(serverPath, ["-v"], subject);
}

/** A server that runs. */
export class Danted implements AsyncDisposable {
  readonly #process: PeerProcess;
  readonly #folder: string;

  private constructor(readonly port: number, process: PeerProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
  }

  /** Starts one that reaches all of loopback but an address, and returns when it listens. */
  static async start({ forbidden }: { readonly forbidden: string }): Promise<Danted> {
    const port = freePort();
    const { username } = userInfo();
    const folder = await Deno.makeTempDir();
    const path = `${folder}/danted.conf`;
    await Deno.writeTextFile(
      path,
      `logoutput: stderr
internal: 127.0.0.1 port = ${port}
external: lo
socksmethod: none
clientmethod: none
user.privileged: ${username}
user.unprivileged: ${username}
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 0.0.0.0/0 to: ${forbidden}/32 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`,
    );
    const danted = new Danted(port, new PeerProcess(serverPath, ["-f", path]), folder);
    try {
      await danted.#process.waitFor(/Dante\/server\S* \S+ running/);
    } catch (error) {
      await danted[Symbol.asyncDispose]();
      throw error;
    }
    return danted;
  }

  /** Its processes end with the first of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }
}
