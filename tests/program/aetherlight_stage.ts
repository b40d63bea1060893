/**
 * What the tests of aetherlight play on: a temporary folder with a CA and nodes' certificates,
 * signaling servers and nodes, all of them real processes that are stopped at the end.
 */
import assert from "node:assert/strict";
import { NodeProcess, programCommand } from "../../demo/node_process.ts";
import type { NodeIdentityFiles } from "../../src/identity/node_identity.ts";
import { freePort } from "./local_service.ts";
import { runProgram } from "./run_program.ts";

/** What `cert show --json` says, as far as it is looked at. */
export interface Shown {
  readonly name: string;
  readonly keyId: string;
  readonly fingerprint: string;
}

/** A node that waits, and where. */
export interface Ingress {
  readonly node: NodeProcess;
  readonly url: string;
}

/** A node that calls, and the local port that it forwards. */
export interface Egress {
  readonly node: NodeProcess;
  readonly port: number;
}

/** How a signaling server is started. */
export interface ServerOptions {
  readonly kv?: string;
  /** 0 picks a free one. */
  readonly port?: number;
}

/** `aetherport signal` as a process. */
export class ServerProcess {
  readonly url: string;
  readonly #child: Deno.ChildProcess;
  readonly #isRead: Promise<void>;

  private constructor(
    { url, child, isRead }: { url: string; child: Deno.ChildProcess; isRead: Promise<void> },
  ) {
    this.url = url;
    this.#child = child;
    this.#isRead = isRead;
  }

  /** Returns when it listens. Throws what it printed where it does not. */
  static async start({ kv = ":memory:", port = 0 }: ServerOptions = {}): Promise<ServerProcess> {
    const [program = "", ...first] = programCommand;
    const child = new Deno.Command(program, {
      args: [...first, "signal", "--listen-addr", `127.0.0.1:${port}`, "--kv", kv],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const listening = Promise.withResolvers<string>();
    const isRead = readAddress(child.stderr, listening);
    return new ServerProcess({ url: await listening.promise, child, isRead });
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Ends it and returns when it has ended. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It was ended before.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.#isRead;
    return await this.#child.status;
  }
}

async function readAddress(
  stderr: ReadableStream<Uint8Array>,
  listening: PromiseWithResolvers<string>,
): Promise<void> {
  let text = "";
  for await (const piece of stderr.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const [, url] = /listening on (http:\S+)\n/.exec(text) ?? [];
    if (url !== undefined) listening.resolve(url);
  }
  listening.reject(new Error(`the signaling server did not listen: ${text}`));
}

/** The folder, and the processes of one test. */
export class AetherlightStage implements AsyncDisposable {
  readonly folder: string;
  readonly #nodes: NodeProcess[] = [];
  readonly #servers: ServerProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes a folder with a CA and a certificate for each name. */
  static async open(...names: readonly string[]): Promise<AetherlightStage> {
    const stage = new AetherlightStage(await Deno.makeTempDir({ prefix: "aetherlight-" }));
    await stage.cert("generate-ca", ...stage.authorityFlags());
    await Promise.all(names.map((name) => stage.generate(name)));
    return stage;
  }

  /** A file of the folder. */
  path(file: string): string {
    return `${this.folder}/${file}`;
  }

  /** Runs `aetherport cert`; throws what it printed where it fails. Returns its stdout. */
  async cert(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await runProgram(["cert", ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** Makes a node's key and certificate, and its authority where there is none. */
  async generate(
    name: string,
    { authority = "", flags = [] }: {
      /** Goes before the names of the authority's files. */
      readonly authority?: string;
      readonly flags?: readonly string[];
    } = {},
  ): Promise<void> {
    const { keyPath, certPath } = this.files(name);
    const own = ["--key", keyPath, "--cert", certPath];
    await this.cert(
      "generate",
      "--name",
      name,
      ...own,
      ...this.authorityFlags(authority),
      ...flags,
    );
  }

  /** What a node's certificate says. */
  async show(name: string): Promise<Shown> {
    return JSON.parse(await this.cert("show", "--json", this.files(name).certPath));
  }

  /** The authority's files as `cert` takes them. */
  authorityFlags(authority = ""): string[] {
    const [cakey, cacert] = [`${authority}cakey.pem`, `${authority}cacert.pem`].map((file) =>
      this.path(file)
    );
    return ["--cakey", cakey ?? "", "--cacert", cacert ?? ""];
  }

  /** A node's files. */
  files(name: string): NodeIdentityFiles {
    const [keyPath, certPath] = [this.path(`${name}-key.pem`), this.path(`${name}-cert.pem`)];
    return { keyPath, certPath, caPaths: [this.path("cacert.pem")] };
  }

  /** A node's key and certificate, without authorities. */
  keyFlags(name: string): string[] {
    const { keyPath, certPath } = this.files(name);
    return ["--key", keyPath, "--cert", certPath];
  }

  /** A node's key, certificate and trusted authorities. */
  identityFlags(name: string, authorities: readonly string[] = ["cacert.pem"]): string[] {
    const trusted = authorities.flatMap((file) => ["--cacert", this.path(file)]);
    return [...this.keyFlags(name), ...trusted];
  }

  /** Starts a signaling server; returns when it listens. */
  async server(options?: ServerOptions): Promise<ServerProcess> {
    const server = await ServerProcess.start(options);
    this.#servers.push(server);
    return server;
  }

  /** Starts a node that uses no STUN server. */
  node(...args: readonly string[]): NodeProcess {
    const node = new NodeProcess(["--ice-server", "none", ...args]);
    this.#nodes.push(node);
    return node;
  }

  /** Starts a node that waits at a server and may reach the target; returns when it waits. */
  async ingress(
    { name, at, target, identity = this.identityFlags(name) }: {
      readonly name: string;
      /** The server's base URL. */
      readonly at: string;
      readonly target: string;
      readonly identity?: readonly string[];
    },
  ): Promise<Ingress> {
    const node = this.node(...identity, "--aetherlight-base-url", at, "--allow", target);
    const url = await node.nextText();
    await node.event("waiting");
    return { node, url };
  }

  /** Starts a node that calls an ingress and forwards a port to the target; returns when it listens. */
  async egress(
    { name, url, target, identity = this.identityFlags(name) }: {
      readonly name: string;
      readonly url: string;
      readonly target: string;
      readonly identity?: readonly string[];
    },
  ): Promise<Egress> {
    const port = freePort();
    const forward = ["--forward", `127.0.0.1:${port}:${target}`];
    const node = this.node(...identity, "--aetherlight-ingress-url", url, ...forward);
    await node.event("listening");
    return { node, port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
    await Promise.all(this.#servers.map((server) => server.end()));
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** So many lines of the log have this event. */
export function eventCount(node: NodeProcess, name: string): number {
  return node.log.filter(({ event }) => event === name).length;
}
