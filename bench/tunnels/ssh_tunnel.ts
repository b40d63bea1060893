/**
 * `ssh -L`, with an sshd of its own: keys and configuration are in a temporary folder, and nothing of
 * the system's or the user's configuration is read. Ciphers and the rest are OpenSSH's defaults.
 */
import { mkdir } from "node:fs/promises";
import { userInfo } from "node:os";
import { freePort } from "../../tests/program/local_service.ts";
import { undoOnSignal, withDescendants } from "../processes.ts";
import type { Ground, Tunnel } from "./tunnel.ts";

/** Where Debian, Fedora and Alpine have it; it has to be called by its whole path. */
const serverPaths = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
/** Where a Debian sshd that root starts separates its privileges. */
const separationFolder = "/run/sshd";

/** What is missing here, and what to do about it; undefined where nothing is. */
export async function whyNoSsh(): Promise<string | undefined> {
  const install = "install OpenSSH (Debian: apt-get install openssh-client openssh-server)";
  if (await findServer() === undefined) return `there is no sshd: ${install}`;
  if (await sshVersion() === undefined) return `there is no ssh: ${install}`;
  return undefined;
}

/** Of OpenSSH and of its OpenSSL, as it says it. */
export async function sshVersion(): Promise<string | undefined> {
  try {
    const { stderr } = await new Deno.Command("ssh", { args: ["-V"] }).output();
    return new TextDecoder().decode(stderr).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function findServer(): Promise<string | undefined> {
  for (const path of serverPaths) {
    try {
      await Deno.stat(path);
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** An ssh client, and the server that it is connected to. */
export class SshTunnel implements Tunnel {
  readonly port: number;
  readonly #stack: AsyncDisposableStack;
  readonly #client: Deno.ChildProcess;
  readonly #server: Deno.ChildProcess;

  private constructor(
    { port, stack, client, server }: {
      port: number;
      stack: AsyncDisposableStack;
      client: Deno.ChildProcess;
      server: Deno.ChildProcess;
    },
  ) {
    this.port = port;
    this.#stack = stack;
    this.#client = client;
    this.#server = server;
  }

  /** Returns when the local port is forwarded. */
  static async open(ground: Ground, servicePort: number): Promise<SshTunnel> {
    await using stack = new AsyncDisposableStack();
    const folder = await makeFolder(stack);
    const serverPort = freePort();
    await writeFiles(folder, ground.farAddress, serverPort);
    const server = await startServer(stack, ground, folder);
    const port = freePort();
    const client = await startClient(stack, ground, {
      folder,
      serverPort,
      forward: `127.0.0.1:${port}:127.0.0.1:${servicePort}`,
    });
    return new SshTunnel({ port, stack: stack.move(), client, server });
  }

  pids(): { readonly near: readonly number[]; readonly far: readonly number[] } {
    // The server that listens does nothing any more; its children serve.
    return { near: [this.#client.pid], far: withDescendants(this.#server.pid) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function makeFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "aetherport-bench-ssh-" });
  const keep = undoOnSignal(() => Deno.removeSync(folder, { recursive: true }));
  stack.defer(async () => {
    keep();
    await Deno.remove(folder, { recursive: true });
  });
  return folder;
}

async function writeFiles(folder: string, address: string, port: number): Promise<void> {
  for (const name of ["host_key", "user_key"]) {
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`]);
  }
  const hostKey = await Deno.readTextFile(`${folder}/host_key.pub`);
  await Deno.writeTextFile(`${folder}/known_hosts`, `[${address}]:${port} ${hostKey}`);
  await Deno.writeTextFile(
    `${folder}/sshd_config`,
    [
      `ListenAddress ${address}:${port}`,
      `HostKey ${folder}/host_key`,
      `AuthorizedKeysFile ${folder}/user_key.pub`,
      "PidFile none",
      // The folder is in /tmp, which everybody may write to.
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin prohibit-password",
    ].join("\n"),
  );
}

async function startServer(
  stack: AsyncDisposableStack,
  { far }: Ground,
  folder: string,
): Promise<Deno.ChildProcess> {
  const path = await findServer();
  if (path === undefined) throw new Error(await whyNoSsh());
  if (Deno.uid() === 0) await mkdir(separationFolder, { recursive: true });
  const [program = "", ...args] = [...far, path, "-D", "-e", "-f", `${folder}/sshd_config`];
  const server = new Deno.Command(program, { args, stdin: "null", stderr: "piped" }).spawn();
  stack.defer(() => end(server));
  await untilPrinted(server.stderr, "Server listening");
  return server;
}

async function startClient(
  stack: AsyncDisposableStack,
  { near, farAddress }: Ground,
  { folder, serverPort, forward }: { folder: string; serverPort: number; forward: string },
): Promise<Deno.ChildProcess> {
  const options = {
    UserKnownHostsFile: `${folder}/known_hosts`,
    IdentitiesOnly: "yes",
    BatchMode: "yes",
    ExitOnForwardFailure: "yes",
    // It is run when forwards are set up, and tells so.
    PermitLocalCommand: "yes",
    LocalCommand: "echo forwarding",
  };
  const [program = "", ...args] = [
    ...[...near, "ssh", "-F", "none", "-N", "-L", forward, "-i", `${folder}/user_key`],
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ...["-p", String(serverPort), `${userInfo().username}@${farAddress}`],
  ];
  const client = new Deno.Command(program, { args, stdin: "null", stdout: "piped" }).spawn();
  stack.defer(() => end(client));
  await untilPrinted(client.stdout, "forwarding");
  return client;
}

/** Reads on to the end, so that nobody waits for a full pipe. */
async function untilPrinted(stream: ReadableStream<Uint8Array>, words: string): Promise<void> {
  const printed = Promise.withResolvers<void>();
  const read = async () => {
    let text = "";
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      text = (text + piece).slice(-4_096);
      if (text.includes(words)) printed.resolve();
    }
    printed.reject(new Error(`it ended before it said "${words}": ${text}`));
  };
  void read();
  await printed.promise;
}

/** Ends a process and those that it has started. */
async function end(child: Deno.ChildProcess): Promise<void> {
  for (const pid of withDescendants(child.pid).toReversed()) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
  await child.status;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}
