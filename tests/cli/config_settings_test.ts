import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { Option } from "commander";
import { BadInput } from "../../src/bad_input.ts";
import { configExample } from "../../src/cli/config_example.ts";
import { configKeysOf, parseConfig } from "../../src/cli/config_settings.ts";
import { PeerListOption } from "../../src/cli/environment.ts";
import {
  proxyCommand,
  type ProxyConfig,
  proxyFlags,
  type ProxyOptions,
} from "../../src/cli/proxy_command.ts";
import { ConfigError } from "../../src/config/config_error.ts";
import { defaultConfigPaths } from "../../src/config/config_file.ts";
import { formatServedSpec } from "../../src/forward/served_spec.ts";

const keyId = "a".repeat(52);
const url = (host: string) => `https://${host}/ingresses/${keyId}`;

/** What a proxy is asked to do. */
interface Asked {
  readonly options: ProxyOptions;
  readonly config: ProxyConfig | undefined;
}

/** What the proxy makes of a file, variables and flags; nothing else of this machine is read. */
async function ask(
  { file, variables = {}, args = [], mode = 0o600 }: {
    readonly file: string;
    readonly variables?: Record<string, string>;
    readonly args?: readonly string[];
    readonly mode?: number;
  },
): Promise<Asked> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(path, file);
  await Deno.chmod(path, mode);
  const asked = Promise.withResolvers<Asked>();
  const command = proxyCommand((options, config) =>
    Promise.resolve(asked.resolve({ options, config }))
  );
  command.exitOverride().configureOutput({ writeErr: () => {} });
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    await command.parseAsync(["--config", path, ...args], { from: "user" });
  } finally {
    for (const name of Object.keys(variables)) Deno.env.delete(name);
    await Deno.remove(path);
  }
  return await asked.promise;
}

/** A proxy's forwards, each with the host of its route. */
function forwardsOf({ forwards }: ProxyOptions): string[] {
  return forwards.map(({ spec, route }) => {
    const where = route === undefined ? "" : ` by ${new URL(route).hostname}`;
    return formatServedSpec(spec).replace("localhost:", "") + where;
  });
}

/** The problems of a file's text. */
function problemsOf(text: string): readonly string[] {
  let lines: readonly string[] = [];
  throws(() => parseConfig({ path: "c.toml", text }, proxyFlags()), (error) => {
    if (error instanceof ConfigError) lines = error.lines;
    return error instanceof ConfigError && error instanceof BadInput;
  }, text);
  return lines;
}

Deno.test("flags win over variables, and variables over the file", async () => {
  type Values = { file: string; variable: string; flag: readonly string[] };
  const base = 'allow = ["z:1"]\nice-server = ["turn:a:b@192.0.2.1"]\n';
  const rows: [
    variable: string,
    values: Values,
    read: (options: ProxyOptions) => unknown,
    results: readonly [file: unknown, variable: unknown, flag: unknown],
  ][] = [
    [
      "AETHERPORT_FORWARD",
      { file: 'forward = ["1:a:1", "2:a:2"]', variable: "3:b:3", flag: ["-f", "4:c:4"] },
      forwardsOf,
      [["1:a:1", "2:a:2"], ["3:b:3"], ["4:c:4"]],
    ],
    [
      "AETHERPORT_HOLD",
      { file: "hold = 10", variable: "20", flag: ["--hold", "30"] },
      ({ hold }) => hold,
      [10_000, 20_000, 30_000],
    ],
    [
      "AETHERPORT_RELAY_ONLY",
      { file: "relay-only = true", variable: "false", flag: ["--relay-only"] },
      ({ isRelayOnly }) => isRelayOnly,
      [true, false, true],
    ],
    [
      "AETHERPORT_EXIT_ON_FAILURE",
      { file: "exit-on-failure = true", variable: "no", flag: ["--exit-on-failure"] },
      ({ exitOnFailure }) => exitOnFailure,
      [true, false, true],
    ],
    [
      "AETHERPORT_LOG_FORMAT",
      { file: 'log-format = "json"', variable: "text", flag: ["--log-format", "json"] },
      ({ logging }) => logging.format,
      ["json", "text", "json"],
    ],
    [
      "AETHERPORT_VERBOSE",
      { file: "quiet = true", variable: "true", flag: ["--quiet"] },
      ({ logging }) => logging.level,
      ["quiet", "verbose", "quiet"],
    ],
    [
      "AETHERPORT_ALLOW_PEER",
      {
        file: `allow-peer = ["${keyId}"]`,
        variable: `${"b".repeat(51)}a`,
        flag: ["--allow-peer", `${"c".repeat(51)}a`],
      },
      ({ allowedPeers }) => allowedPeers.map((id) => id[0]).join(),
      ["a", "b", "c"],
    ],
  ];
  for (const [name, { file, variable, flag }, read, [ofFile, ofVariable, ofFlag]] of rows) {
    const text = `${base}${file}\n`;
    const variables = { [name]: variable };
    const at = (asked: Asked) => read(asked.options);
    deepEqual(at(await ask({ file: text })), ofFile, `${name}, file`);
    deepEqual(at(await ask({ file: text, variables })), ofVariable, `${name}, variable`);
    deepEqual(at(await ask({ file: text, variables, args: flag })), ofFlag, `${name}, flag`);
  }
});

const peers = `
key = "own-key.pem"
cert = "/abs/own-cert.pem"
cacert = ["cacert.pem"]
[[peer]]
url = "${url("one.example")}"
forward = ["1:a:1"]
[[peer]]
url = "${url("two.example")}"
forward = ["2:a:2", "3:a:3"]
`;

Deno.test("each peer has its forwards", async () => {
  const { options } = await ask({ file: peers });
  deepEqual(forwardsOf(options), [
    "1:a:1 by one.example",
    "2:a:2 by two.example",
    "3:a:3 by two.example",
  ]);
  const { signaling } = options;
  deepEqual(signaling.type === "aetherlight" && signaling.ingressUrls, [
    url("one.example"),
    url("two.example"),
  ]);
});

Deno.test("an ingress URL as a flag takes the place of all peers and what is theirs", async () => {
  const args = ["--aetherlight-ingress-url", url("three.example"), "-f", "4:b:4"];
  deepEqual(forwardsOf((await ask({ file: peers, args })).options), ["4:b:4 by three.example"]);
  const { options } = await ask({ file: `forward = ["5:c:5"]\n${peers}`, args: args.slice(0, 2) });
  deepEqual(forwardsOf(options), ["5:c:5 by three.example"]);
});

Deno.test("a forward as a flag takes the place of all of the file's, and needs to know its peer", async () => {
  await rejects(ask({ file: peers, args: ["-f", "4:b:4"] }), /stands after the one it goes to/);
  const [one = ""] = peers.split('[[peer]]\nurl = "https://two');
  const { options } = await ask({ file: one, args: ["-f", "4:b:4"] });
  deepEqual(forwardsOf(options), ["4:b:4 by one.example"]);
});

Deno.test("paths begin at the file's folder", async () => {
  const { options, config } = await ask({ file: peers });
  const folder = config?.path.replace(/\/[^/]*$/, "");
  deepEqual(options.identityFiles, {
    keyPath: `${folder}/own-key.pem`,
    certPath: "/abs/own-cert.pem",
    caPaths: [`${folder}/cacert.pem`],
  });
});

Deno.test("so do those of a control socket and of a TURN server's secret, where they are relative", () => {
  const rows: [text: string, attribute: string, value: unknown][] = [
    ['control-socket = "c.sock"', "controlSocket", { path: "/etc/x/c.sock" }],
    ['control-socket = "/run/c.sock"', "controlSocket", { path: "/run/c.sock" }],
    ['control-socket = "none"', "controlSocket", "none"],
    ...[
      ["a%2Fb%20c&transport=tcp", "/etc/x/a/b c"],
      ["../d", "/etc/d"],
      ["/run/e", "/run/e"],
      ["%2Frun/f", "/run/f"],
    ].map(([query, name]): [string, string, unknown] => [
      `ice-server = ["turn:u@h?secret-file=${query}"]`,
      "iceServer",
      name,
    ]),
  ];
  for (const [text, attribute, expected] of rows) {
    const value = parseConfig({ path: "/etc/x/c.toml", text }, proxyFlags()).values[attribute];
    const [server] = [value].flat() as { readonly secret?: { readonly name: string } }[];
    deepEqual(server?.secret?.name ?? value, expected, text);
  }
  const [bad = ""] = problemsOf('ice-server = ["turn:u@h?secret-file=%zz"]');
  match(bad, /^c\.toml:1: ice-server\[0\]: .*badly escaped/);
});

Deno.test("every kind of mistake is told with its line, its key and what was expected", () => {
  const kinds: readonly [text: string, problem: RegExp][] = [
    ["a = \n", /^c\.toml:1: not TOML, column \d+: \w/],
    ["\nhold = 1\nhold = 2\n", /^c\.toml:3: not TOML, /],
    ["\nfrwd = []\n", /^c\.toml:2: frwd: unknown key: expected one of forward, .*peer$/],
    ["toString = 1\n", /^c\.toml:1: toString: unknown key/],
    ["\n[x.y]\nz = 1\n", /^c\.toml:2: x: unknown key/],
    ["config = 'x'\n", /^c\.toml:1: config: unknown key/],
    [
      "aetherlight-ingress-url = ['x']\n",
      /^c\.toml:1: aetherlight-ingress-url: unknown key: .*\burl of a \[\[peer\]\]/,
    ],
    ["relay-only = 'yes'\n", /^c\.toml:1: relay-only: expected true or false, found a text$/],
    ["#\nkey = 5\n", /^c\.toml:2: key: expected a text in quotes, found 5$/],
    ["key = ''\n", /^c\.toml:1: key: expected a text that is not empty$/],
    ["key = 1979-05-27\n", /^c\.toml:1: key: expected a text in quotes, found a date$/],
    ["hold = 1.5\n", /^c\.toml:1: hold: expected a text in quotes or a whole number, found 1\.5$/],
    ["hold = 100000\n", /^c\.toml:1: hold: .*not a number of seconds, 0 to 86400$/],
    ["allow = 'a:1'\n", /^c\.toml:1: allow: expected a list of texts, .* found a text$/],
    ["allow = [\n'a:1',\n{}]\n", /^c\.toml:3: allow\[1\]: expected a text .*, found a table$/],
    [
      "allow = ['a:1',\n\n'b']\n",
      /^c\.toml:3: allow\[1\]: --allow "b", column 2: a port is missing/,
    ],
    ["signal-type = 'x'\n", /^c\.toml:1: signal-type: expected "tty" or "aetherlight", found/],
    ["quiet = true\nverbose = true\n", /^c\.toml:2: verbose: excludes quiet \(line 1\): leave one/],
    ["ice-server = ['x:y']\n", /^c\.toml:1: ice-server\[0\]: --ice-server: not a stun: or turn:/],
    [
      "\n[peer]\nurl = 'x'\n",
      /^c\.toml:2: peer: expected tables, each begun by \[\[peer\]\], found a/,
    ],
    ["peer = [1]\n", /^c\.toml:1: peer\[0\]: expected a table, found 1$/],
    ["\n[[peer]]\nforward = []\n", /^c\.toml:2: peer\[0\]: a url is missing/],
    ["[[peer]]\nurl = 5\n", /^c\.toml:2: peer\[0\]\.url: expected a text in quotes/],
    [
      "[[peer]]\nurl = 'http://x'\n",
      /^c\.toml:2: peer\[0\]\.url: "http:\/\/x" is not an ingress URL/,
    ],
    [
      `[[peer]]\nurl = '${url("a")}'\n\n[[peer]]\nurl = '${url("a")}'\n`,
      /^c\.toml:5: peer\[1\]\.url: another \[\[peer\]\] has the same one \(line 2\)/,
    ],
    [
      `[[peer]]\nurl = '${url("a")}'\nhold = 5\n`,
      /^c\.toml:3: peer\[0\]\.hold: unknown key: expected one of url, forward/,
    ],
    [
      `[[peer]]\nurl = '${url("a")}'\nforward = ['1:a:1',\n'x']\n`,
      /^c\.toml:4: peer\[0\]\.forward\[1\]: --forward "x", column \d+: /,
    ],
  ];
  for (const [text, problem] of kinds) {
    const lines = problemsOf(text);
    equal(lines.length, 1, `${text}: ${lines.join("\n")}`);
    match(lines[0] ?? "", problem);
  }
});

Deno.test("a new flag is a new key, of a peer too where it is routed", () => {
  const flags = [
    ...proxyFlags(),
    new PeerListOption("--socks <address>", "x", (text) => `at ${text}`),
    new Option("--idle <seconds>", "x").argParser(Number),
    new Option("--rules <file>", "x"),
  ];
  const text = `socks = [1080]\nidle = 5\nrules = "r.toml"\n${peers}socks = ["x:1"]\n`;
  const { values, ownValues } = parseConfig({ path: "/etc/c.toml", text }, flags);
  const { socks, idle, rules } = values;
  deepEqual({ socks, idle, rules }, {
    socks: ["at 1080", "at x:1"],
    idle: 5,
    rules: "/etc/r.toml",
  });
  deepEqual(ownValues.socks, ["at 1080"]);
});

Deno.test("all problems are told, in the order of their lines", () => {
  const lines = problemsOf("hold = 'x'\nallow = [1,\n2]\nnew = 1\nrelay-only = 1\n");
  deepEqual(lines.map((line) => line.split(": ").slice(0, 2).join()), [
    "c.toml:1,hold",
    "c.toml:2,allow[0]",
    "c.toml:3,allow[1]",
    "c.toml:4,new",
    "c.toml:5,relay-only",
  ]);
});

Deno.test("a secret in the file is not repeated", () => {
  for (
    const text of ['ice-server = ["turn:me:s3cret@h:0"]', 'key = ["s3cret"]', "quiet = 's3cret'"]
  ) {
    equal(problemsOf(text).join().includes("3cret"), false, text);
  }
});

Deno.test("what makes no sense together is told with the file's name", async () => {
  await rejects(ask({ file: "" }), /\.toml: nothing to do: /);
  await rejects(
    ask({ file: 'allow = ["a:1"]\nrelay-only = true\n' }),
    /\.toml: --relay-only needs/,
  );
  const two = `forward = ["9:a:1"]\n${peers}`;
  await rejects(ask({ file: two }), /\.toml: .*in its \[\[peer\]\]/);
});

Deno.test("what is found where a value is used is told with its line, where the file has it", async () => {
  const rows: [file: string, problem: RegExp][] = [
    [
      'socks = ["1080",\n"0.0.0.0:1080"]\n',
      /\.toml:2: socks\[1\]: --socks .* is open to other hosts/,
    ],
    ['\nsocks = ["1"]\nsocks-auth-file = "no"\n', /\.toml:3: socks-auth-file: .*cannot be read/],
    ['allow-exec = ["a=b",\n"c=d",\n"a=e"]\n', /\.toml:3: allow-exec\[2\]: .*two commands/],
    [
      'allow = ["a:1"]\nice-server = ["stun:h", "turn:u@h?secret-file=no"]\n',
      /\.toml:2: ice-server\[1\]: .*cannot be read/,
    ],
  ];
  for (const [file, problem] of rows) await rejects(ask({ file }), problem);
  const args = ["--socks", "0.0.0.0:1080"];
  await rejects(ask({ file: 'socks = ["1080"]\n', args }), /\.toml: --socks .* is open to other/);
});

Deno.test("warns of a TURN server's secret that other users can read", async () => {
  const hidden = "turn:me@192.0.2.1?secret-env=HOME";
  const rows: [server: string, mode: number, count: number][] = [
    ["turn:me:secret@192.0.2.1", 0o644, 1],
    ["turn:me:secret@192.0.2.1", 0o640, 1],
    ["turn:me:secret@192.0.2.1", 0o600, 0],
    [hidden, 0o644, 0],
    ["stun:192.0.2.1", 0o644, 0],
  ];
  for (const [server, mode, count] of rows) {
    const { config } = await ask({ file: `allow = ["a:1"]\nice-server = ["${server}"]\n`, mode });
    const warnings = config?.first.warnings ?? [];
    equal(
      warnings.length,
      Deno.build.os === "windows" ? 0 : count,
      `${server} ${mode.toString(8)}`,
    );
    equal(warnings.join().includes("me:secret"), false);
  }
});

Deno.test("a file that cannot be read is bad input", async () => {
  const folder = await Deno.makeTempDir();
  const path = (name: string) => `${folder}/${name}`;
  await Deno.writeFile(path("latin1.toml"), Uint8Array.of(0x23, 0xe9, 0x0a));
  await Deno.writeTextFile(path("long.toml"), "#".repeat(300_000));
  const bad: [path: string, problem: RegExp][] = [
    [path("none.toml"), /none\.toml": there is no such file/],
    [path("latin1.toml"), /it is not UTF-8/],
    [path("long.toml"), /it is longer than 262144 bytes/],
    [folder, /it is no file/],
  ];
  for (const [file, problem] of bad) {
    const command = proxyCommand(() => Promise.resolve());
    await rejects(
      command.exitOverride().parseAsync(["--config", file], { from: "user" }),
      (error) => error instanceof BadInput && problem.test(error.message),
      file,
    );
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the file is looked for in the user's folder, then in the system's", () => {
  const system = "/etc/aetherport/config.toml";
  deepEqual(defaultConfigPaths({ HOME: "/home/me" }), [
    "/home/me/.config/aetherport/config.toml",
    system,
  ]);
  deepEqual(defaultConfigPaths({ HOME: "/home/me", XDG_CONFIG_HOME: "/x" }), [
    "/x/aetherport/config.toml",
    system,
  ]);
  deepEqual(defaultConfigPaths({ HOME: "/home/me", XDG_CONFIG_HOME: "x" }), [
    "/home/me/.config/aetherport/config.toml",
    system,
  ]);
  deepEqual(defaultConfigPaths({}), [system]);
});

Deno.test("the example shows every key, which works without its comment", async () => {
  for (const { name } of configKeysOf(proxyFlags())) {
    if (name !== "aetherlight-ingress-url") {
      match(configExample, new RegExp(`^(# )?${name} = `, "m"));
    }
  }
  const folder = await Deno.makeTempDir();
  const secret = `${folder}/secret`;
  await Deno.writeTextFile(secret, "me:secret", { mode: 0o600 });
  // The two that exclude each other are false there.
  const full = configExample.replace(/^# ([\w-]+ = )/gm, "$1")
    .replace("/run/secrets/turn", secret).replace("socks.auth", secret);
  parseConfig({ path: "c.toml", text: full }, proxyFlags());
  const waiting = full.replace(/^stdio = .*$/m, "");
  const { options } = await ask({ file: waiting });
  deepEqual([options.forwards.length, options.reverses.length], [5, 1]);
  const calling = full.replace(/^aetherlight-base-url = .*$/m, "");
  equal((await ask({ file: calling })).options.stdio?.target.kind, "tcp");
  await Deno.remove(folder, { recursive: true });
});
