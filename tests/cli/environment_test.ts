import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { formatServedSpec } from "../../src/forward/served_spec.ts";
import { Command, Option } from "commander";
import { BadInput } from "../../src/bad_input.ts";
import { addFlag, applyEnvironment, ListOption, variableOf } from "../../src/cli/environment.ts";
import { proxyCommand, type ProxyOptions } from "../../src/cli/proxy_command.ts";
import { publicIceServers } from "../../src/link/ice_server.ts";

/** A command that takes flags of every kind, and its values. */
function parse(args: readonly string[], environment: Record<string, string>) {
  const command = new Command("test");
  addFlag(command, new ListOption("-n, --number <n>", "numbers", readNumber));
  addFlag(command, new Option("--log-format <format>", "x").choices(["a", "b"]).default("a"));
  addFlag(command, new Option("--name <name>", "x"));
  addFlag(command, new Option("-l, --loud", "x"));
  command.exitOverride().parse(args, { from: "user" });
  applyEnvironment(command, environment);
  return command.opts();
}

function readNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new BadInput(`${JSON.stringify(text)} is no number`);
  return Number(text);
}

/** What the proxy is asked to do by flags and the environment. */
async function proxyOptions(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<ProxyOptions> {
  const { promise, resolve } = Promise.withResolvers<ProxyOptions>();
  const command = proxyCommand((options) => Promise.resolve(resolve(options)));
  command.exitOverride().configureOutput({ writeErr: () => {} });
  const before = Object.keys(environment).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  try {
    await command.parseAsync(args, { from: "user" });
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
  return await promise;
}

const allow = { AETHERPORT_ALLOW: "127.0.0.1:80" };

Deno.test("a flag's variable is AETHERPORT_ and its name", () => {
  equal(variableOf(new Option("-x, --log-format <f>")), "AETHERPORT_LOG_FORMAT");
  equal(variableOf(new Option("--quiet")), "AETHERPORT_QUIET");
});

Deno.test("the help names the variable", () => {
  const command = addFlag(new Command(), new Option("--log-format <f>", "how"));
  match(command.helpInformation(), /how \(env AETHERPORT_LOG_FORMAT\)/);
});

Deno.test("variables fill in for flags, and flags win", () => {
  const environment = {
    AETHERPORT_NUMBER: "1,2",
    AETHERPORT_LOG_FORMAT: "b",
    AETHERPORT_NAME: "x,y",
    AETHERPORT_LOUD: "true",
  };
  deepEqual({ ...parse([], environment) }, {
    number: [1, 2],
    logFormat: "b",
    name: "x,y",
    loud: true,
  });
  deepEqual({ ...parse(["-n", "3", "-n", "4", "--log-format", "a", "--name", "z"], environment) }, {
    number: [3, 4],
    logFormat: "a",
    name: "z",
    loud: true,
  });
});

Deno.test("a list may have blanks around its commas", () => {
  deepEqual(parse([], { AETHERPORT_NUMBER: " 1 , 2,3 " }).number, [1, 2, 3]);
});

Deno.test("an empty variable is as good as none", () => {
  for (const text of ["", " "]) {
    const options = parse([], { AETHERPORT_NUMBER: text, AETHERPORT_LOUD: text });
    equal(options.number, undefined);
    equal(options.loud, undefined);
  }
});

Deno.test("truth is written in four ways", () => {
  for (const text of ["1", "true", "yes", "on", "TRUE", " On "]) {
    equal(parse([], { AETHERPORT_LOUD: text }).loud, true, text);
  }
  for (const text of ["0", "false", "no", "off", "False"]) {
    equal(parse([], { AETHERPORT_LOUD: text }).loud, false, text);
  }
  equal(parse(["--loud"], { AETHERPORT_LOUD: "false" }).loud, true);
});

Deno.test("a bad value names the variable", () => {
  const bad: [variable: string, text: string][] = [
    ["AETHERPORT_NUMBER", "1,x"],
    ["AETHERPORT_NUMBER", "1,,2"],
    ["AETHERPORT_NUMBER", "1,"],
    ["AETHERPORT_LOG_FORMAT", "c"],
    ["AETHERPORT_LOUD", "maybe"],
  ];
  for (const [variable, text] of bad) {
    let message = "accepted";
    try {
      parse([], { [variable]: text });
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      message = error.message;
    }
    match(message, new RegExp(`^${variable}: `), text);
  }
});

Deno.test("every flag of the proxy has a variable that takes effect", async () => {
  const options = await proxyOptions([], {
    AETHERPORT_FORWARD: "8080:10.0.0.5:80, [::1]:81:[2001:db8::1]:82",
    AETHERPORT_ALLOW: "127.0.0.1:80,*:443",
    AETHERPORT_SIGNAL_TYPE: "tty",
    AETHERPORT_ICE_SERVER: "stun:192.0.2.1:3478,turn:me:secret@192.0.2.2",
    AETHERPORT_RELAY_ONLY: "true",
    AETHERPORT_EXIT_ON_FAILURE: "true",
    AETHERPORT_VERBOSE: "1",
    AETHERPORT_LOG_FORMAT: "json",
  });
  deepEqual(options.forwards.map(({ spec }) => "target" in spec && spec.target), [
    { kind: "tcp", host: "10.0.0.5", port: 80 },
    { kind: "tcp", host: "2001:db8::1", port: 82 },
  ]);
  deepEqual(options.allows, [{ kind: "tcp", host: "127.0.0.1", port: 80 }, {
    kind: "tcp",
    host: "*",
    port: 443,
  }]);
  deepEqual(options.signaling, { type: "tty" });
  deepEqual(options.iceServers.map(({ scheme, address }) => `${scheme} ${address}`), [
    "stun 192.0.2.1:3478",
    "turn 192.0.2.2",
  ]);
  equal(options.isRelayOnly, true);
  equal(options.exitOnFailure, true);
  deepEqual(options.logging, { level: "verbose", format: "json" });
});

Deno.test("the proxy's variables for less output and for aetherlight take effect", async () => {
  const keyId = "a".repeat(52);
  const ingressUrl = `https://light.example.org/ingresses/${keyId}`;
  const options = await proxyOptions([], {
    ...allow,
    AETHERPORT_QUIET: "yes",
    AETHERPORT_SIGNAL_TYPE: "aetherlight",
    AETHERPORT_AETHERLIGHT_BASE_URL: "https://light.example.org",
    AETHERPORT_AETHERLIGHT_INGRESS_URL: ingressUrl,
    AETHERPORT_KEY: "a-key.pem",
    AETHERPORT_CERT: "a-cert.pem",
    AETHERPORT_CACERT: "one.pem,two.pem",
    AETHERPORT_ALLOW_PEER: keyId,
  });
  const files = { keyPath: "a-key.pem", certPath: "a-cert.pem", caPaths: ["one.pem", "two.pem"] };
  equal(options.logging.level, "quiet");
  deepEqual(options.signaling, {
    type: "aetherlight",
    baseUrls: ["https://light.example.org"],
    ingressUrls: [ingressUrl],
    identityFiles: files,
  });
  deepEqual(options.identityFiles, files);
  deepEqual(options.allowedPeers, [keyId]);
});

const keyId = "a".repeat(52);
const [oneUrl, otherUrl] = ["one", "other"].map((name) =>
  `https://${name}.example/ingresses/${keyId}`
);
const calling = ["--key", "k", "--cert", "c", "--aetherlight-ingress-url", oneUrl ?? ""];
const base = ["--aetherlight-base-url", "https://x.example", "--cacert", "ca"];

Deno.test("-L is --forward, and -N is nothing", async () => {
  const options = await proxyOptions(["-N", "-L", "1:a:2", "-f", "3:b:4", "-L/s:/t"], {
    AETHERPORT_FORWARD: "8080:10.0.0.5:80",
    AETHERPORT_L: "nonsense",
  });
  deepEqual(options.forwards.map(({ spec }) => formatServedSpec(spec)), [
    "localhost:1:a:2",
    "localhost:3:b:4",
    "/s:/t",
  ]);
});

Deno.test("--stdio names a port, a socket or a command, and goes to the URL before it", async () => {
  const targets = [
    ["10.0.0.5:22", { kind: "tcp", host: "10.0.0.5", port: 22 }],
    ["[::1]:22", { kind: "tcp", host: "::1", port: 22 }],
    ["unix:/run/s", { kind: "unix", path: "/run/s" }],
    ["exec:backup", { kind: "exec", name: "backup" }],
  ] as const;
  for (const [text, target] of targets) {
    const { stdio } = await proxyOptions(["-W", text, ...calling], {});
    deepEqual(stdio, { target, route: oneUrl });
  }
  const flags = [...calling, "-W", "a:1", "--aetherlight-ingress-url", otherUrl ?? ""];
  equal((await proxyOptions(flags, {})).stdio?.route, oneUrl);
  equal((await proxyOptions(calling, { AETHERPORT_STDIO: "a:1" })).stdio?.route, oneUrl);
});

Deno.test("--allow-exec offers a command, and allows it", async () => {
  const options = await proxyOptions(["--allow-exec", "a=cat -n"], {});
  deepEqual(options.commands, [{ name: "a", argv: ["cat", "-n"] }]);
  deepEqual(options.allows, [{ kind: "exec", name: "a" }]);
  const { commands } = await proxyOptions([], { AETHERPORT_ALLOW_EXEC: "a=echo 1,b=2\nb=tac" });
  deepEqual(commands, [{ name: "a", argv: ["echo", "1,b=2"] }, { name: "b", argv: ["tac"] }]);
});

Deno.test("under a policy --allow-exec offers a command, and allows it to nobody", async () => {
  const flags = ["--allow-exec", "a=cat -n", "--policy", "policy.toml"];
  const options = await proxyOptions(flags, {});
  deepEqual(options.commands, [{ name: "a", argv: ["cat", "-n"] }]);
  deepEqual(options.allows, []);
});

for (
  const [args, problem] of [
    [["-W", "a:1"], /--stdio leaves no stdin for pasted texts/],
    [["-W", "a:1", "-t", "tty"], /--stdio leaves no stdin for pasted texts/],
    [[...base, "-W", "a:1", ...calling], /--stdio excludes/],
    [["-W", "a:1", "--stdio", "b:2", ...calling], /--stdio may be given once, and "b:2"/],
    [["-W", "a", ...calling], /--stdio "a", column 2/],
    [["-W", "a:1/udp", ...calling], /--stdio "a:1\/udp", column 3/],
    [["--allow-exec", "a=cat '"], /--allow-exec .*column 7.*Example/],
    [["--allow-exec", "a=cat", "--allow-exec", "a=tac"], /names two commands "a"/],
  ] as const
) {
  Deno.test(`[${args.join(" ")}] is bad input`, async () => {
    await rejects(proxyOptions(args, {}), (error) => {
      match(String(error), problem);
      return error instanceof BadInput;
    });
  });
}

Deno.test("the proxy's flags win over its variables", async () => {
  const options = await proxyOptions(
    [
      ...["--forward", "1:a:2", "-w", "b:3", "--ice-server", "none", "--exit-on-failure"],
      ...["--log-format", "text"],
    ],
    {
      AETHERPORT_FORWARD: "8080:10.0.0.5:80",
      AETHERPORT_ALLOW: "127.0.0.1:80",
      AETHERPORT_ICE_SERVER: "stun:192.0.2.1",
      AETHERPORT_EXIT_ON_FAILURE: "false",
      AETHERPORT_LOG_FORMAT: "json",
    },
  );
  deepEqual(options.forwards.map(({ spec }) => "target" in spec && formatServedSpec(spec)), [
    "localhost:1:a:2",
  ]);
  deepEqual(options.allows, [{ kind: "tcp", host: "b", port: 3 }]);
  deepEqual(options.iceServers, []);
  equal(options.exitOnFailure, true);
  equal(options.logging.format, "text");
});

Deno.test("a flag wins over the variable of the flag that it excludes", async () => {
  const options = await proxyOptions(["--verbose"], { ...allow, AETHERPORT_QUIET: "true" });
  equal(options.logging.level, "verbose");
});

Deno.test("what is not said has its default", async () => {
  const options = await proxyOptions(["--allow", "127.0.0.1:80"], {});
  deepEqual(options, {
    ...options,
    forwards: [],
    signaling: { type: "tty" },
    identityFiles: undefined,
    allowedPeers: [],
    iceServers: publicIceServers,
    secretVariables: [],
    isRelayOnly: false,
    exitOnFailure: false,
    logging: { level: "normal", format: "text" },
  });
});

Deno.test("flags may be repeated", async () => {
  const args = ["-f", "1:a:2", "-f", "3:b:4", "--allow", "c:5", "-w", "d:6"];
  const { forwards, allows } = await proxyOptions(args, {});
  deepEqual(forwards.map(({ spec }) => "target" in spec && formatServedSpec(spec)), [
    "localhost:1:a:2",
    "localhost:3:b:4",
  ]);
  deepEqual(allows, [{ kind: "tcp", host: "c", port: 5 }, { kind: "tcp", host: "d", port: 6 }]);
});

Deno.test("a bad value of the proxy's variables names the variable", async () => {
  const bad: [variable: string, text: string][] = [
    ["AETHERPORT_FORWARD", "8080:80"],
    ["AETHERPORT_FORWARD", "8080:a:80,"],
    ["AETHERPORT_ALLOW", "127.1:80"],
    ["AETHERPORT_SIGNAL_TYPE", "pigeon"],
    ["AETHERPORT_EXIT_ON_FAILURE", "perhaps"],
    ["AETHERPORT_VERBOSE", "2"],
    ["AETHERPORT_QUIET", "x"],
    ["AETHERPORT_LOG_FORMAT", "xml"],
  ];
  for (const [variable, text] of bad) {
    await rejects(
      proxyOptions([], { ...allow, [variable]: text }),
      (error: Error) => error instanceof BadInput && error.message.startsWith(`${variable}: `),
      `${variable}=${text}`,
    );
  }
});

Deno.test("a bad ICE server in the environment names the variable", async () => {
  await rejects(
    proxyOptions([], { ...allow, AETHERPORT_ICE_SERVER: "stun:192.0.2.1,http://192.0.2.1" }),
    (error: Error) => error.message.startsWith("AETHERPORT_ICE_SERVER: "),
  );
});

Deno.test("the secrets of TURN servers may be in files and in the environment", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "from a file\n");
    const args = [
      `turn:me@192.0.2.1?secret-file=${file}`,
      "turns:me@192.0.2.2?secret-env=MY_TURN_SECRET",
      "turn:me:in%20the%20URL@192.0.2.3",
    ].flatMap((url) => ["--ice-server", url]);
    const environment = { ...allow, MY_TURN_SECRET: "from the environment" };
    const { iceServers, secretVariables, isRelayOnly } = await proxyOptions(
      [...args, "--relay-only"],
      environment,
    );
    equal(isRelayOnly, true);
    deepEqual(secretVariables, ["MY_TURN_SECRET"]);
    deepEqual(iceServers.map(({ password, secret }) => [password, secret]), [
      ["from a file", undefined],
      ["from the environment", undefined],
      ["in the URL", undefined],
    ]);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("refuses what makes no sense together", async () => {
  const refused: string[][] = [
    [],
    ["--verbose"],
    ["-w", "a:1", "--ice-server", "none", "--ice-server", "stun:192.0.2.1"],
    ["-w", "a:1", "--relay-only"],
    ["-w", "a:1", "--relay-only", "--ice-server", "stun:192.0.2.1"],
    ["-w", "a:1", "--relay-only", "--ice-server", "none"],
    ["-w", "a:1", "--ice-server", "turn:me@192.0.2.1?secret-file=/there/is/none"],
  ];
  for (const args of refused) await rejects(proxyOptions(args, {}), BadInput, args.join(" "));
  await rejects(proxyOptions(["-w", "a:1", "--verbose", "--quiet"], {}), /cannot be used with/);
});
