import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { BadInput } from "../../src/bad_input.ts";
import { proxyCommand, type ProxyOptions } from "../../src/cli/proxy_command.ts";
import type { ProxyCredentials } from "../../src/forward/socks/proxy_credentials.ts";
import { type SocksSpec } from "../../src/forward/socks/socks_spec.ts";
import { formatEndpoint } from "../../src/socket/endpoint.ts";

const isWindows = Deno.build.os === "windows";
const secretVariable = "AETHERPORT_SOCKS_AUTH";

/** What the proxy is asked to do. */
async function proxyOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ProxyOptions> {
  const { promise, resolve } = Promise.withResolvers<ProxyOptions>();
  const command = proxyCommand((options) => Promise.resolve(resolve(options)));
  command.exitOverride().configureOutput({ writeErr: () => {} });
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  try {
    await command.parseAsync(args, { from: "user" });
  } finally {
    for (const name of Object.keys(environment)) Deno.env.delete(name);
  }
  return await promise;
}

function socksOf({ forwards }: ProxyOptions): SocksSpec[] {
  return forwards.flatMap(({ spec }) => "socks" in spec ? [spec] : []);
}

function verify(credentials: ProxyCredentials | undefined, pair: string): boolean | undefined {
  return credentials?.verifyPair(Buffer.from(pair));
}

async function withSecretFile(
  text: string,
  mode: number,
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    if (!isWindows) await Deno.chmod(path, mode);
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

async function expectBadInput(
  args: readonly string[],
  message: RegExp,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  await rejects(proxyOptions(args, environment), (error: Error) => {
    match(error.message, message);
    equal(error.message.includes("secret"), false);
    return error instanceof BadInput;
  });
}

Deno.test("--socks may be repeated, and its host left out", async () => {
  const options = await proxyOptions(["-D", "1080", "--socks", "[::1]:0", "-f", "1:a:2"]);
  deepEqual(socksOf(options).map(({ listen }) => formatEndpoint(listen)), [
    "localhost:1080",
    "[::1]:0",
  ]);
  equal(options.forwards.length, 3);
});

Deno.test("--socks goes to the ingress URL that stands before it", async () => {
  const url = (id: string) => `https://light.example.org/ingresses/${id.repeat(51)}a`;
  const urls = (id: string) => ["--aetherlight-ingress-url", url(id)];
  const keys = ["--key", "key.pem", "--cert", "cert.pem"];
  const { forwards } = await proxyOptions([
    ...keys,
    ...[...urls("a"), "-D", "1", "-f", "2:x:3", ...urls("b"), "-D", "4"],
  ]);
  deepEqual(forwards.map(({ route }) => route), [url("a"), url("a"), url("b")]);
  const { forwards: [only] } = await proxyOptions([...keys, "-D", "1", ...urls("c")]);
  equal(only?.route, url("c"));
  await expectBadInput(
    [...keys, "-D", "1", ...urls("a"), ...urls("b")],
    /--socks and --stdio stands after/,
  );
});

Deno.test("users and passwords come from a file or a variable", async () => {
  const [open] = socksOf(await proxyOptions([], { AETHERPORT_SOCKS: "1080" }));
  equal(open?.socks.credentials, undefined);
  const [spec] = socksOf(
    await proxyOptions(["-D", "0.0.0.0:1"], { [secretVariable]: "me:secret" }),
  );
  equal(verify(spec?.socks.credentials, "me:secret"), true);
  await withSecretFile("me:secret\r\nyou:pass:word\n", 0o600, async (path) => {
    for (const args of [["--socks-auth-file", path], []]) {
      const [spec] = socksOf(
        await proxyOptions(["-D", "0.0.0.0:1", ...args], {
          AETHERPORT_SOCKS_AUTH_FILE: path,
          [secretVariable]: "nobody:else",
        }),
      );
      for (const pair of ["me:secret", "you:pass:word"]) {
        equal(verify(spec?.socks.credentials, pair), true, pair);
      }
      equal(verify(spec?.socks.credentials, "nobody:else"), false);
    }
  });
});

Deno.test("what cannot be listened on, or guarded, is bad input that shows no password", async () => {
  await expectBadInput(["-D", "10.0.0.1080"], /--socks.*column 1.*Example: --socks 1080/);
  await expectBadInput(["-D", "0.0.0.0:1080"], /0\.0\.0\.0:1080 is open to other hosts/);
  await expectBadInput([], /AETHERPORT_SOCKS: --socks "x"/, { AETHERPORT_SOCKS: "x" });
  await expectBadInput(["-D", "1"], /AETHERPORT_SOCKS_AUTH, line 1/, {
    [secretVariable]: "secret",
  });
  await expectBadInput(["-D", "1", "--socks-auth-file", "/nowhere"], /"\/nowhere" cannot be read/);
  await expectBadInput(["-w", "a:1", "--socks-auth-file", "/nowhere"], /needs --socks/);
  await withSecretFile("me:secret\n\nsecret", 0o600, async (path) => {
    await expectBadInput(["-D", "1", "--socks-auth-file", path], /line 3 is not user:password/);
  });
});

Deno.test(
  "a file of passwords that others can read is refused",
  { ignore: isWindows },
  async () => {
    await withSecretFile("me:secret", 0o640, async (path) => {
      await expectBadInput(
        ["-D", "1", "--socks-auth-file", path],
        /can be read by others.*chmod 600/,
      );
    });
  },
);
