/**
 * OpenSSH's sshd on loopback, and how its client is called. Keys and configuration are in a folder of
 * the caller's; nothing of the system's or the user's is read.
 */
import { userInfo } from "node:os";
import { freePort } from "../program/local_service.ts";
import { isInstalled } from "./peer_process.ts";

/** Debian's; it has to be called by its whole path. */
const serverPath = "/usr/sbin/sshd";
/** Where an sshd that root starts separates its privileges. */
const separationFolder = "/run/sshd";

/** Whether it can be tried. Says so, loudly, where it cannot. */
export async function isOpenSshInstalled(subject: string): Promise<boolean> {
  return await isInstalled("ssh", ["-V"], subject) &&
    await isInstalled(serverPath, ["-V"], subject);
}

/** One server. */
export class SshServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;
  readonly #isRead: Promise<void>;

  private constructor(
    { port, folder, child, isRead }: {
      port: number;
      folder: string;
      child: Deno.ChildProcess;
      isRead: Promise<void>;
    },
  ) {
    this.port = port;
    this.#folder = folder;
    this.#child = child;
    this.#isRead = isRead;
  }

  /** Returns when it listens. */
  static async start(folder: string): Promise<SshServer> {
    const port = freePort();
    await writeFiles(folder, port);
    if (Deno.uid() === 0) Deno.mkdirSync(separationFolder, { recursive: true });
    const child = new Deno.Command(serverPath, {
      args: ["-D", "-e", "-f", `${folder}/sshd_config`],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const listening = Promise.withResolvers<void>();
    const isRead = readLog(child.stderr, listening);
    await listening.promise;
    return new SshServer({ port, folder, child, isRead });
  }

  /** What calls `ssh` by a ProxyCommand, or `scp` with the same flags. */
  flags(proxyCommand: string): string[] {
    const options = {
      ProxyCommand: proxyCommand,
      UserKnownHostsFile: `${this.#folder}/known_hosts`,
      IdentitiesOnly: "yes",
      BatchMode: "yes",
      HostKeyAlias: "far",
      User: userInfo().username,
      Port: String(this.port),
      LogLevel: "ERROR",
    };
    return [
      ...["-F", "none", "-i", `${this.#folder}/user_key`],
      ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
    await this.#isRead;
  }
}

async function writeFiles(folder: string, port: number): Promise<void> {
  for (const name of ["host_key", "user_key"]) {
    const args = ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`];
    const { success } = await new Deno.Command("ssh-keygen", { args }).output();
    if (!success) throw new Error(`ssh-keygen could not make ${name}`);
  }
  const hostKey = await Deno.readTextFile(`${folder}/host_key.pub`);
  await Deno.writeTextFile(`${folder}/known_hosts`, `far ${hostKey}`);
  await Deno.writeTextFile(
    `${folder}/sshd_config`,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${folder}/host_key`,
      `AuthorizedKeysFile ${folder}/user_key.pub`,
      "PidFile none",
      // The folder is in /tmp, which everybody may write to.
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin prohibit-password",
      "Subsystem sftp internal-sftp",
    ].join("\n"),
  );
}

async function readLog(
  stderr: ReadableStream<Uint8Array<ArrayBuffer>>,
  listening: PromiseWithResolvers<void>,
): Promise<void> {
  let text = "";
  for await (const piece of stderr.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.includes("Server listening")) listening.resolve();
  }
  listening.reject(new Error(`sshd did not listen: ${text}`));
}
