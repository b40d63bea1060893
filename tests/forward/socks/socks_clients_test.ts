/** Programs that people use proxies with: curl, and Chromium. */
import { equal, match } from "node:assert/strict";
import { createServer } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createSelfSigned } from "../../../src/identity/self_signed.ts";
import { LogRecorder } from "../../fakes/log_recorder.ts";
import { isInstalled } from "../../peers/peer_process.ts";
import { ProxyStage } from "./proxy_stage.ts";

const hasCurl = await isInstalled("curl", ["--version"], "the proxy");
const hasProxychains = hasCurl &&
  await isInstalled("proxychains4", ["-q", "true"], "the proxy");
const hasChromium = await isInstalled("chromium", ["--version"], "the proxy");

const page = "<title>only there</title>";

/** A page at a name that the ingress alone resolves. */
class Page implements AsyncDisposable {
  readonly stage: ProxyStage;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(credentials?: string) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response(page, { headers: { "content-type": "text/html" } }),
    );
    this.stage = new ProxyStage({
      allowed: [`127.0.0.1:${this.#server.addr.port}`],
      names: { "only.there.invalid:80": `127.0.0.1:${this.#server.addr.port}` },
      ...(credentials === undefined ? {} : { credentials }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await this.stage[Symbol.asyncDispose]();
  }
}

/** Runs a program to its end. */
async function run(program: string, args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const curl = (...args: readonly string[]) => run("curl", ["-sS", "-m", "20", "-q", ...args]);

for (
  const [name, credentials, args] of [
    ["SOCKS5", undefined, ["--socks5-hostname"]],
    ["SOCKS5 with a password", "me:secret", ["--proxy-user", "me:secret", "--socks5-hostname"]],
    ["HTTP CONNECT", undefined, ["-p", "-x"]],
    ["HTTP CONNECT with a password", "me:secret", ["--proxy-user", "me:secret", "-p", "-x"]],
  ] as const
) {
  Deno.test(`curl loads a page by ${name}`, { ignore: !hasCurl }, async () => {
    await using served = new Page(credentials);
    const { code, stdout, stderr } = await curl(
      ...args,
      `127.0.0.1:${served.stage.port}`,
      "http://only.there.invalid/",
    );
    equal(code, 0, stderr);
    equal(stdout, page);
  });
}

Deno.test("curl loads a page of HTTPS by HTTP CONNECT", { ignore: !hasCurl }, async () => {
  const { privateKeyPem: key, certificatePem: cert } = createSelfSigned(Date.now());
  const server = createServer({ key, cert }, (_, response) => response.end(page));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using stage = new ProxyStage({
    allowed: [target],
    names: { "only.there.invalid:443": target },
  });
  const proxy = `http://127.0.0.1:${stage.port}`;
  const { stdout, stderr } = await curl("-k", "-x", proxy, "https://only.there.invalid/");
  equal(stdout, page, stderr);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("curl says what the proxy has refused", { ignore: !hasCurl }, async () => {
  await LogRecorder.start();
  await using served = new Page("me:secret");
  const address = `127.0.0.1:${served.stage.port}`;
  const ask = (user: string, way: readonly string[]) =>
    curl("--proxy-user", user, ...way, address, "http://10.0.0.5/");
  const refusals: [user: string, way: readonly string[], stderr: RegExp][] = [
    ["me:wrong", ["--socks5-hostname"], /User was rejected by the SOCKS5 server/],
    ["me:secret", ["--socks5-hostname"], /\(2\)/],
    ["me:wrong", ["-p", "-x"], /407/],
    ["me:secret", ["-p", "-x"], /403/],
  ];
  for (const [user, way, expected] of refusals) {
    const { code, stderr } = await ask(user, way);
    match(stderr, expected);
    equal(code === 0, false);
  }
});

for (const protocol of ["socks5", "http"]) {
  Deno.test(`proxychains takes curl through ${protocol}`, { ignore: !hasProxychains }, async () => {
    await using served = new Page("me:secret");
    const settings = await Deno.makeTempFile();
    const proxy = `${protocol} 127.0.0.1 ${served.stage.port} me secret`;
    await Deno.writeTextFile(settings, `strict_chain\nproxy_dns\n[ProxyList]\n${proxy}\n`);
    const { stdout, stderr } = await run("proxychains4", [
      ...["-q", "-f", settings],
      ...["curl", "-sS", "-m", "20", "-q", "http://only.there.invalid/"],
    ]);
    await Deno.remove(settings);
    equal(stdout, page, stderr);
  });
}

Deno.test("Chromium loads a page by SOCKS5", { ignore: !hasChromium }, async () => {
  await using served = new Page();
  const profile = await Deno.makeTempDir();
  const { stdout, stderr } = await run("chromium", [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    ...["--disable-background-networking", "--no-first-run", `--user-data-dir=${profile}`],
    `--proxy-server=socks5://127.0.0.1:${served.stage.port}`,
    "--dump-dom",
    "http://only.there.invalid/",
  ]);
  await Deno.remove(profile, { recursive: true });
  match(stdout, /only there/, stderr);
});
