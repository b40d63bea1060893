import { deepEqual, equal, match } from "node:assert/strict";
import packageConfig from "../../deno.json" with { type: "json" };

const main = new URL("../../main.ts", import.meta.url).pathname;

interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program as users do, with nothing on its stdin. */
async function run(
  args: readonly string[],
  { denoFlags = ["-A"], environment = {} }: {
    readonly denoFlags?: readonly string[];
    readonly environment?: Record<string, string>;
  } = {},
): Promise<Ending> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...denoFlags, main, ...args],
    stdin: "null",
    env: { NO_COLOR: "1", ...environment },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The one line that says what is wrong. */
function assertOneLine({ stdout, stderr }: Ending, pattern: RegExp): void {
  equal(stdout, "");
  equal(stderr.trimEnd().split("\n").length, 1, stderr);
  match(stderr, /^(aetherport: |\d\d:\d\d:\d\d error: )/);
  match(stderr, pattern);
}

Deno.test("tells its version, and loads no package for it", async () => {
  for (const flag of ["--version", "-V"]) {
    const ending = await run([flag], { denoFlags: ["--no-npm", "--no-remote"] });
    deepEqual(ending, { code: 0, stdout: `aetherport ${packageConfig.version}\n`, stderr: "" });
  }
});

Deno.test("tells its version after the command's name, too", async () => {
  const { code, stdout } = await run(["proxy", "--version"]);
  deepEqual([code, stdout], [0, `aetherport ${packageConfig.version}\n`]);
});

Deno.test("the help has every flag and examples, and ends with 0", async () => {
  for (const args of [["--help"], ["-h"], ["proxy", "--help"]]) {
    const { code, stdout, stderr } = await run(args);
    deepEqual([code, stderr], [0, ""]);
    const flags = [
      "forward",
      "allow",
      "reverse",
      "allow-listen",
      "proxy-protocol",
      "signal-type",
      "ice-server",
      "relay-only",
      "exit-on-failure",
      "verbose",
    ];
    for (const flag of [...flags, "quiet", "log-format", "help"]) {
      match(stdout, new RegExp(`--${flag}\\b`));
    }
    match(stdout, /Examples:/);
  }
});

Deno.test("help of a command is what its --help prints", async () => {
  for (const words of [[], ["bench"], ["cert"], ["cert", "show"], ["signal"], ["completions"]]) {
    const [help, flag] = await Promise.all([run(["help", ...words]), run([...words, "--help"])]);
    deepEqual(help, flag);
    equal(help.code, 0);
    match(help.stdout, new RegExp(`^Usage: aetherport ${["", ...words].join(" ").trim()}`));
  }
});

Deno.test("bad usage ends with 2 and one line on stderr", async () => {
  const bad: [args: string[], pattern: RegExp][] = [
    [[], /nothing to do: give --forward/],
    [["frobnicate"], /"frobnicate" is no command/],
    [["toString"], /"toString" is no command/],
    [["--frobnicate"], /unknown option '--frobnicate'/],
    [["--alow", "a:1"], /unknown option '--alow' \(Did you mean --allow\?\)/],
    [["benhc"], /"benhc" is no command .*\(Did you mean bench\?\)/],
    [["bench", "--durtion", "1"], /'--durtion' \(Did you mean --duration\?\)/],
    [["cert", "genrate"], /there is no "cert genrate".*\(Did you mean generate\?\)/],
    [["help", "singal"], /"singal" is no command .*\(Did you mean signal\?\)/],
    [["-q", "status"], /a command comes before its flags: aetherport status \[flags\]/],
    [["-v", "cert", "show", "--json"], /comes before its flags: aetherport cert/],
    [["forward", "--pid", "7"], /no sub-command was given: use forward add, remove or list/],
    [["forward", "foo", "--pid", "7"], /there is no "forward foo": use forward add, remove or/],
    [["cert", "--name", "a"], /no sub-command was given: use cert generate, .* or show/],
    [["--allow"], /argument missing/],
    [["--allow", "127.0.0.1:80", "extra"], /too many arguments/],
    [["--allow", "127.0.0.1"], /column 10: a port is missing.*Example:/],
    [["-f", "8080:80"], /column 8: .*Example:/],
    [["-R", "8080:80"], /--reverse "8080:80", column 8: .*Example: --reverse/],
    [["-R", "/run/a.sock:a:80"], /--reverse .*listens on a port, not a path/],
    [["-R", "53:a:53/udp"], /--reverse .*takes no datagrams/],
    [["--allow-listen", "x y:80"], /--allow-listen .*is not a host name/],
    [["--proxy-protocol", "127.0.0.1:80"], /--proxy-protocol .*expected v1=host:port/],
    [["--proxy-protocol", "v3=127.0.0.1:80"], /--proxy-protocol .*expected v1=host:port/],
    [["--proxy-protocol", "v2=exec:ssh"], /--proxy-protocol .*takes no header/],
    [
      ["-w", "a:1", "--proxy-protocol", "v1=localhost:1", "--proxy-protocol", "v2=127.0.0.1:1"],
      /--proxy-protocol names two versions .*: v1=localhost:1 and v2=127\.0\.0\.1:1/,
    ],
    [["--signal-type", "pigeon", "-w", "a:1"], /pigeon/],
    [["--ice-server", "http://x", "-w", "a:1"], /--ice-server: not a stun: or turn: URL/],
    [["--relay-only", "-w", "a:1"], /--relay-only needs a TURN server: --ice-server turn:/],
    [["proxy", "--log-format", "xml", "-w", "a:1"], /xml/],
  ];
  const endings = await Promise.all(bad.map(([args]) => run(args)));
  for (const [position, [args, pattern]] of bad.entries()) {
    const ending = endings[position];
    equal(ending?.code, 2, args.join(" "));
    if (ending !== undefined) assertOneLine(ending, pattern);
  }
});

Deno.test("a badly escaped secret is bad usage, too", async () => {
  const ending = await run(["--ice-server", "turn:a:%zz@192.0.2.1", "-w", "a:1"]);
  equal(ending.code, 2);
  assertOneLine(ending, /--ice-server: /);
});

Deno.test("a bad variable ends with 2 and names the variable", async () => {
  const ending = await run([], { environment: { AETHERPORT_ALLOW: "127.1:80" } });
  equal(ending.code, 2);
  assertOneLine(ending, /AETHERPORT_ALLOW: /);
});

Deno.test("a listener that cannot bind ends with 1, names the address, and no offer is printed", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const forward = `127.0.0.1:${port}:10.0.0.5:80`;
  const ending = await run(["-f", forward, "--ice-server", "none"]);
  taken.close();
  equal(ending.code, 1);
  assertOneLine(ending, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: `));
});

Deno.test("stdin that ends before the exchange ends it with 1", async () => {
  const ending = await run(["-w", "127.0.0.1:80", "--ice-server", "none", "--quiet"]);
  equal(ending.code, 1);
  assertOneLine(ending, /stdin ended before offer and answer were exchanged/);
});

Deno.test("stdout carries the offer and nothing else", async () => {
  const ending = await run(["-f", "127.0.0.1:0:10.0.0.5:80", "--ice-server", "none"]);
  equal(ending.code, 1);
  match(ending.stdout, /^aetherport-offer:1:[\dA-Za-z+/:\n]+:aetherport-end\n$/);
});

Deno.test("a failure's stack trace is shown to those who ask for it", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const forward = `127.0.0.1:${taken.addr.port}:10.0.0.5:80`;
  const { code, stderr } = await run(["--verbose", "-f", forward, "--ice-server", "none"]);
  taken.close();
  equal(code, 1);
  match(stderr, /error: cannot listen on .*\n.*Error: cannot listen on [^\n]*\n\s+at /);
});
