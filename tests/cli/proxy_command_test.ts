import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { proxyCommand, type ProxyConfig, type ProxyOptions } from "../../src/cli/proxy_command.ts";

const keyId = "a".repeat(52);
const url = (host: string) => `https://${host}/ingresses/${keyId}`;

/** What the proxy was asked to do, and the file that it is to follow. */
interface Asked {
  readonly options: ProxyOptions;
  readonly config: ProxyConfig | undefined;
}

/** A user's folder of config files, which is where the proxy looks for one. */
class Home implements AsyncDisposable {
  readonly #before = Deno.env.get("XDG_CONFIG_HOME");

  private constructor(readonly folder: string) {
    Deno.env.set("XDG_CONFIG_HOME", folder);
  }

  static async open(config: string): Promise<Home> {
    const home = new Home(await Deno.makeTempDir());
    await Deno.mkdir(`${home.folder}/aetherport`);
    await Deno.writeTextFile(home.path, config);
    return home;
  }

  get path(): string {
    return `${this.folder}/aetherport/config.toml`;
  }

  /** What the proxy makes of its arguments there. */
  async ask(...args: readonly string[]): Promise<Asked> {
    const asked = Promise.withResolvers<Asked>();
    const command = proxyCommand((options, config) =>
      Promise.resolve(asked.resolve({ options, config }))
    );
    await command.exitOverride().parseAsync(args, { from: "user" });
    return await asked.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#before === undefined) Deno.env.delete("XDG_CONFIG_HOME");
    else Deno.env.set("XDG_CONFIG_HOME", this.#before);
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Of a node that runs all the time, with something of every kind. */
const everything = `
key = "key.pem"
cert = "cert.pem"
cacert = ["cacert.pem"]
allow-peer = ["${keyId}"]
ice-server = ["turn:me:secret@192.0.2.1"]
relay-only = true
hold = 5
quiet = true
forward = ["1:a:1"]
socks = ["2"]
socks-auth-file = "none/socks.auth"
reverse = ["3:a:3"]
allow = ["*:*"]
allow-listen = ["*:*"]
allow-exec = ["sh=sh"]
policy = "policy.toml"
audit-log = "audit.jsonl"
proxy-protocol = ["v2=a:1"]
signal-type = "aetherlight"
aetherlight-base-url = ["https://light.example"]
control-socket = "node.sock"
exit-on-failure = true
[[peer]]
url = "${url("one.example")}"
forward = ["4:a:4"]
`;

Deno.test("--stdio takes who calls whom from the default file, and nothing else", async () => {
  await using home = await Home.open(everything);
  const { options, config } = await home.ask("-W", "a:22");
  equal(config, undefined);
  const { identityFiles, allowedPeers, iceServers, isRelayOnly, hold, logging } = options;
  equal(identityFiles?.keyPath, `${home.folder}/aetherport/key.pem`);
  deepEqual([allowedPeers, iceServers.length, isRelayOnly], [[keyId], 1, true]);
  deepEqual([hold, logging.level], [5_000, "quiet"]);
  deepEqual([options.signaling.type, options.stdio?.route], ["aetherlight", url("one.example")]);
  const { forwards, reverses, allows, commands, proxyRules } = options;
  deepEqual([forwards, reverses, allows, commands, proxyRules], [[], [], [], [], []]);
  deepEqual([options.policyPath, options.auditLogPath], [undefined, undefined]);
  deepEqual([options.controlSocket, options.exitOnFailure], ["none", false]);
});

Deno.test("--stdio with flags of its own goes where they say, with the file's identity", async () => {
  await using home = await Home.open(everything);
  const there = url("two.example");
  const { options } = await home.ask("--aetherlight-ingress-url", there, "-W", "a:22");
  equal(options.stdio?.route, there);
  deepEqual(options.signaling.type === "aetherlight" && options.signaling.ingressUrls, [there]);
  const allowing = await home.ask("-W", "a:22", "--allow", "a:80");
  equal(allowing.options.allows.length, 1);
});

Deno.test("--stdio takes all of a file that it is told of", async () => {
  await using home = await Home.open(everything);
  await rejects(home.ask("-W", "a:22", "--config", home.path), /socks\.auth" cannot be read/);
});

Deno.test("--stdio has a control socket only where one is asked for", async () => {
  const call = ["--aetherlight-ingress-url", url("a"), "-W", "a:22", "--key", "k", "--cert", "c"];
  await using home = await Home.open("");
  equal((await home.ask(...call)).options.controlSocket, "none");
  const path = "/run/call.sock";
  deepEqual((await home.ask(...call, "--control-socket", path)).options.controlSocket, { path });
  equal((await home.ask("-f", "1:a:2")).options.controlSocket, undefined);
});

Deno.test("--config none reads no file, neither the default one nor one of that name", async () => {
  await using home = await Home.open("new = 1\n");
  await rejects(home.ask("--allow", "a:80"), /config\.toml/);
  const { options, config } = await home.ask("--config", "none", "--allow", "a:80");
  deepEqual([config, options.allows.length, options.identityFiles], [undefined, 1, undefined]);
  await rejects(home.ask("--config", "none"), ({ message }: Error) => {
    match(message, /^nothing to do/);
    return true;
  });
});
