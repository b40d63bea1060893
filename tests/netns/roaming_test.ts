/** A node whose host gets another address, as when a laptop joins another network. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { NodeProcess, programCommand } from "../../demo/node_process.ts";
import { PeerProcess } from "../peers/peer_process.ts";
import { AetherlightStage } from "../program/aetherlight_stage.ts";
import { canMakeNetworks, internetAddress, Networks, type Place } from "./networks.ts";
import { within } from "./within.ts";

const options = { ignore: !await canMakeNetworks("a host that gets another address") };
const signalPort = 8_080;

/** What runs in the namespaces, and is stopped in the end. */
class RoamingStage implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #identities: AetherlightStage;
  readonly networks: Networks;

  private constructor(identities: AetherlightStage, networks: Networks) {
    this.#identities = this.#stack.use(identities);
    this.networks = this.#stack.use(networks);
  }

  static async open(): Promise<RoamingStage> {
    const identities = await AetherlightStage.open("near", "far");
    return new RoamingStage(identities, await Networks.open({ mapping: "endpoint-independent" }));
  }

  /** Runs a program; it is stopped in the end. */
  run(place: Place, ...words: readonly string[]): PeerProcess {
    const [program = "", ...args] = [...this.networks.command(place), ...words];
    const process = new PeerProcess(program, args);
    this.#stack.defer(() => process.stop());
    return process;
  }

  /** Runs a script beside this one. */
  script(place: Place, name: string, ...args: readonly string[]): PeerProcess {
    const path = fileURLToPath(new URL(name, import.meta.url));
    return this.run(place, Deno.execPath(), "run", "--quiet", "--allow-all", path, ...args);
  }

  /** Runs a node; it is stopped in the end. */
  node(place: Place, name: "near" | "far", ...args: readonly string[]): NodeProcess {
    const command = [...this.networks.command(place), ...programCommand];
    const flags = [...this.#identities.identityFlags(name), "--ice-server", "none", ...args];
    const node = new NodeProcess(flags, { command });
    this.#stack.defer(async () => void await node.stop());
    return node;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

Deno.test(
  "a connection goes on when the host of its node gets another address",
  options,
  async () => {
    await using stage = await within("namespaces", RoamingStage.open());
    const address = `${internetAddress}:${signalPort}`;
    const flagsOfServer = ["--listen-addr", address, "--kv", ":memory:"];
    const server = stage.run("internet", ...programCommand, "signal", ...flagsOfServer);
    const service = stage.script("internet", "echo.ts");
    const [, port] = await service.waitFor(/^serving port (\d+)$/m);
    await server.waitFor(/^listening on http:/m);
    const target = `127.0.0.1:${port}`;
    const flags = ["--allow", target, "--aetherlight-base-url", `http://${address}`];
    const far = stage.node("internet", "far", ...flags);
    const near = stage.node(
      "nearHome",
      "near",
      ...[
        "--aetherlight-ingress-url",
        await far.nextText(),
        "--forward",
        `127.0.0.1:7000:${target}`,
      ],
    );
    await within("a link", near.event("link-up"));
    const talk = stage.script("nearHome", "talk.ts", "7000");
    await talk.write("before\n");
    await talk.waitFor(/^before$/m);

    await stage.networks.move("near", { from: "192.168.1.2", to: "192.168.1.77" });
    await talk.write("after\n");
    await talk.waitFor(/^after$/m);
    const moved = await within("another path", near.line(/the link goes another way/));
    assert.match(String(moved?.local), /^(192\.168\.1\.77|203\.0\.113\.2):/);
    assert.doesNotMatch(talk.printed, /broken|ended/);
  },
);
