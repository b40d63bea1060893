import { deepEqual, equal, match, ok } from "node:assert/strict";
import { NodeProcess } from "../../demo/node_process.ts";
import { LinkStatus, notifyReady, notifyReloading } from "../../src/cli/service_manager.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { AetherlightStage } from "../program/aetherlight_stage.ts";
import { freePort } from "../program/local_service.ts";

const isPython = await isInstalled("python3", ["--version"], "a service manager's socket");
const ignore = Deno.build.os !== "linux" || !isPython;

/** A datagram socket as systemd has it; prints what comes, and the time in us. */
const receiver = `
import json, socket, sys, time
name = sys.argv[1]
receiving = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiving.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
while True:
    text = receiving.recv(8192).decode()
    print(json.dumps([text, time.monotonic_ns() // 1000]), flush=True)
`;

/** Whoever is told. */
class Manager implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(readonly path: string) {
    this.#child = new Deno.Command("python3", {
      args: ["-c", receiver, path],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
  }

  static async start(path: string): Promise<Manager> {
    const manager = new Manager(path);
    equal((await manager.#lines.next()).value, "bound");
    return manager;
  }

  /** The next message, and when it was there, in us. */
  async next(): Promise<[text: string, time: number]> {
    return JSON.parse((await this.#lines.next()).value);
  }

  /** The next message that is no sign of life. */
  async nextState(): Promise<string> {
    for (;;) {
      const [text] = await this.next();
      if (text !== "WATCHDOG=1") return text;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#lines.return?.();
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

function abstractName(): string {
  return `@aetherport-test-${crypto.randomUUID()}`;
}

/** As this process's variables, for what is called in it. */
async function withVariables(
  variables: Record<string, string>,
  test: () => Promise<void>,
): Promise<void> {
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    await test();
  } finally {
    for (const name of Object.keys(variables)) Deno.env.delete(name);
  }
}

Deno.test({
  name: "an ingress is ready when it waits, an egress when it listens; links are told, and the end",
  ignore,
  fn: async () => {
    await using stage = await AetherlightStage.open("home", "laptop");
    const server = await stage.server();
    await using ofIngress = await Manager.start(stage.path("ingress.sock"));
    await using ofEgress = await Manager.start(abstractName());
    const ingress = new NodeProcess([
      ...["--ice-server", "none", "--allow", "127.0.0.1:9"],
      ...[...stage.identityFlags("home"), "--aetherlight-base-url", server.url],
    ], { env: { NOTIFY_SOCKET: ofIngress.path } });
    const url = await ingress.nextText();
    equal(await ofIngress.nextState(), "READY=1\nSTATUS=no link is up");
    ok(ingress.log.some(({ event }) => event === "waiting"));
    const egress = new NodeProcess([
      ...["--ice-server", "none", "--forward", `127.0.0.1:${freePort()}:127.0.0.1:9`],
      ...[...stage.identityFlags("laptop"), "--aetherlight-ingress-url", url],
    ], { env: { NOTIFY_SOCKET: ofEgress.path } });
    equal(await ofEgress.nextState(), "READY=1\nSTATUS=no link is up");
    ok(egress.log.some(({ event }) => event === "listening"));
    equal(await ofEgress.nextState(), "STATUS=1 link is up");
    equal(await ofIngress.nextState(), "STATUS=1 link is up");
    equal((await egress.stop()).code, 0);
    equal(await ofEgress.nextState(), "STOPPING=1\nSTATUS=ending");
    equal(await ofIngress.nextState(), "STATUS=no link is up");
    equal((await ingress.stop()).code, 0);
    equal(await ofIngress.nextState(), "STOPPING=1\nSTATUS=ending");
  },
});

Deno.test({
  name: "an ingress that does not get to wait is not ready",
  ignore,
  fn: async () => {
    await using stage = await AetherlightStage.open("home");
    await using manager = await Manager.start(abstractName());
    const ingress = new NodeProcess([
      ...["--ice-server", "none", "--allow", "127.0.0.1:9", ...stage.identityFlags("home")],
      ...["--aetherlight-base-url", `http://127.0.0.1:${freePort()}`],
    ], { env: { NOTIFY_SOCKET: manager.path } });
    await ingress.event("signal-lost");
    await ingress.stop();
    equal(await manager.nextState(), "STOPPING=1\nSTATUS=ending");
  },
});

Deno.test({
  name: "a reload does not end a node that has nothing to read anew",
  ignore,
  fn: async () => {
    await using manager = await Manager.start(abstractName());
    const args = ["--ice-server", "none", "--forward", `127.0.0.1:${freePort()}:127.0.0.1:9`];
    const node = new NodeProcess(args, { env: { NOTIFY_SOCKET: manager.path } });
    match(await manager.nextState(), /^READY=1\n/);
    node.kill("SIGHUP");
    equal((await node.stop()).code, 0);
    match(await manager.nextState(), /^STOPPING=1\n/);
  },
});

Deno.test({
  name: "shows its life as often as is asked for, and not in another process's place",
  ignore,
  fn: async () => {
    const env = { WATCHDOG_USEC: "100000" };
    const args = ["--ice-server", "none", "--forward", `127.0.0.1:${freePort()}:127.0.0.1:9`];
    await using manager = await Manager.start(abstractName());
    const node = new NodeProcess(args, { env: { ...env, NOTIFY_SOCKET: manager.path } });
    match((await manager.next())[0], /^READY=1\n/);
    for (let count = 0; count < 4; count++) equal((await manager.next())[0], "WATCHDOG=1");
    await node.stop();
    await using ofOther = await Manager.start(abstractName());
    const other = new NodeProcess(args, {
      env: { ...env, WATCHDOG_PID: "1", NOTIFY_SOCKET: ofOther.path },
    });
    match((await ofOther.next())[0], /^READY=1\n/);
    await other.stop();
    match((await ofOther.next())[0], /^STOPPING=1\n/);
  },
});

Deno.test({
  name: "a reload has the time at which it began",
  ignore,
  fn: async () => {
    await using manager = await Manager.start(abstractName());
    await withVariables({ NOTIFY_SOCKET: manager.path }, async () => {
      notifyReady("before");
      const [, before] = await manager.next();
      notifyReloading();
      const [text, after] = await manager.next();
      match(text, /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
      const time = Number(text.split("=").at(-1));
      ok(before <= time && time <= after, `${before} ${time} ${after}`);
      notifyReady("two\nlines");
      deepEqual((await manager.next())[0], "READY=1\nSTATUS=two lines");
    });
  },
});

Deno.test({
  name: "a service manager that is not there is warned of once, and the node goes on",
  ignore,
  fn: async () => {
    for (const NOTIFY_SOCKET of [abstractName(), "relative", "vsock:2:1", `/${"x".repeat(108)}`]) {
      const node = new NodeProcess(
        ["--ice-server", "none", "--forward", `127.0.0.1:${freePort()}:127.0.0.1:9`],
        { env: { NOTIFY_SOCKET } },
      );
      await node.event("notify-failed");
      await node.stop();
      equal(node.log.filter(({ event }) => event === "notify-failed").length, 1);
    }
  },
});

Deno.test("links are counted while they are up, each once", () => {
  const status = new LinkStatus("idle");
  const heard: string[] = [];
  const observer = {
    handleUp: () => heard.push("up"),
    handleClosed: (reason: string) => heard.push(reason),
  };
  const [first, second, third] = [0, 0, 0].map(() => status.watch(observer));
  equal(status.text, "idle");
  first?.handleUp();
  equal(status.text, "1 link is up");
  second?.handleUp();
  equal(status.text, "2 links are up");
  third?.handleClosed("never up");
  first?.handleClosed("gone");
  second?.handleClosed("gone");
  equal(status.text, "idle");
  deepEqual(heard, ["up", "up", "never up", "gone", "gone"]);
});

Deno.test({
  name: "the unit is one that systemd takes, and exposes little",
  ignore: !await isInstalled("systemd-analyze", ["--version"], "the unit"),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const unit = new URL("../../deploy/aetherport.service", import.meta.url);
      const text = await Deno.readTextFile(unit);
      const path = `${folder}/aetherport.service`;
      // It has to be there.
      await Deno.writeTextFile(path, text.replace(/(?<=^ExecStart=).*$/m, "/bin/true"));
      const guide = await Deno.readTextFile(new URL("README.md", unit));
      const [, edit = ""] = /^```\n(\[Service\]\n.*?)^```$/ms.exec(guide) ?? [];
      match(edit, /^LoadCredential=$/m);
      await Deno.mkdir(`${path}.d`);
      await Deno.writeTextFile(`${path}.d/override.conf`, edit);
      for (
        const args of [["verify", "--man=no"], ["security", "--offline=true", "--threshold=20"]]
      ) {
        const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
          args: ["--no-pager", ...args, path],
        }).output();
        const decoder = new TextDecoder();
        equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("a node under the unit is asked by root, in a folder that systemd makes for it alone", async () => {
  const folder = new URL("../../deploy/", import.meta.url);
  const unit = await Deno.readTextFile(new URL("aetherport.service", folder));
  match(unit, /^RuntimeDirectory=aetherport$/m);
  match(unit, /^RuntimeDirectoryMode=0700$/m);
  match(unit, /^Environment=AETHERPORT_CONTROL_SOCKET=%t\/aetherport\/node\.sock$/m);
  const guide = await Deno.readTextFile(new URL("README.md", folder));
  match(guide, /^sudo aetherport status --control-socket \/run\/aetherport\/node\.sock$/m);
});

Deno.test("a node under the unit reads its files anew at systemctl reload", async () => {
  const unit = await Deno.readTextFile(
    new URL("../../deploy/aetherport.service", import.meta.url),
  );
  match(unit, /^ExecReload=kill -HUP \$MAINPID$/m);
});

Deno.test("what a node under the unit reads as its own user is in a folder that it may enter", async () => {
  const folder = new URL("../../deploy/", import.meta.url);
  const guide = await Deno.readTextFile(new URL("README.md", folder));
  match(guide, /^install -d -m 755 \/etc\/aetherport$/m);
  const unit = await Deno.readTextFile(new URL("aetherport.service", folder));
  const files = [...unit.matchAll(/=%d\/(.*)$/gm)].map(([, name]) => name);
  const handedOver = [...unit.matchAll(/^LoadCredential=(.*):\/etc\/aetherport\/(.*)$/gm)];
  // Keys are nobody's but root's, and named as they are handed over.
  deepEqual(handedOver.map(([, credential]) => credential), files);
  deepEqual(handedOver.map(([, , file]) => file), files);
});
