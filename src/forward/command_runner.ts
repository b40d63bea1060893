/** Runs the commands that a node offers, each for one stream. */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";
import { CommandConnection } from "./command_connection.ts";
import { commandEnvironment } from "./command_environment.ts";
import { DialError } from "./dial_error.ts";
import type { ExecCommand } from "./exec_command.ts";

const log = getLogger(["aetherport", "ingress"]);

/** Commands that run at once; further ones are refused. */
const maxRunningCount = 64;

/** The commands of one node, and those that run. */
export class CommandRunner {
  #commands: ReadonlyMap<string, ExecCommand> = new Map();
  readonly #secretVariables: readonly string[];
  readonly #running = new Set<CommandConnection>();

  /** Commands are not told the variables that hold secrets of the node. */
  constructor(commands: readonly ExecCommand[], secretVariables: readonly string[] = []) {
    this.replace(commands);
    this.#secretVariables = secretVariables;
  }

  /** Offers these and no others; what runs goes on. */
  replace(commands: readonly ExecCommand[]): void {
    this.#commands = new Map(commands.map((command) => [command.name, command]));
  }

  /** How many run. */
  get runningCount(): number {
    return this.#running.size;
  }

  /**
   * Starts a command: its stdin and stdout are the connection, and AETHERPORT_PEER names the peer to
   * it. Throws {@link DialError}.
   */
  start(name: string, peer: string): Connection {
    const command = this.#commands.get(name);
    if (command === undefined) {
      throw new DialError("unreachable", "no --allow-exec offers that command");
    }
    if (this.#running.size >= maxRunningCount) {
      throw new DialError("exhausted", `${maxRunningCount} commands run already`);
    }
    const connection = spawn(command, { peer, secretVariables: this.#secretVariables });
    this.#running.add(connection);
    void connection.ended.then(() => this.#running.delete(connection));
    return connection;
  }

  /** Tells what runs to end, and resolves when it has. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((connection) => {
      connection.close();
      return connection.ended;
    }));
  }

  /** Ends at once what still runs. */
  kill(): void {
    for (const connection of this.#running) connection.kill();
  }
}

function spawn(
  { name, argv: [program, ...args] }: ExecCommand,
  { peer, secretVariables }: { readonly peer: string; readonly secretVariables: readonly string[] },
): CommandConnection {
  try {
    const child = new Deno.Command(program, {
      args,
      clearEnv: true,
      env: commandEnvironment({ environment: Deno.env.toObject(), peer, secretVariables }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // A group of its own: what the command starts ends with it, and Ctrl-C here is not meant for it.
      detached: true,
    }).spawn();
    return new CommandConnection(child, { name, peer });
  } catch (error) {
    // What the peer is told says nothing of the program behind the name.
    log.warn("cannot start {command}: {problem}", {
      ...{ event: "command-failed", command: name, peer, problem: messageOf(error) },
    });
    throw new DialError("unreachable", "the command cannot be started");
  }
}
