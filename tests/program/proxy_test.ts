/** Nodes that reach their signaling server and their TURN server through a proxy only. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { HttpProxy } from "../fakes/http_proxy.ts";
import { makeCertificate } from "../netns/certificate.ts";
import { Coturn, coturnUser, isCoturnInstalled } from "../peers/coturn.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { AetherlightStage } from "./aetherlight_stage.ts";
import { echo, exchange, freePort, serve } from "./local_service.ts";
import { runProgram } from "./run_program.ts";

const hasOpenssl = await isInstalled("openssl", ["version"], "TLS through a proxy");
const hasCoturn = await isCoturnInstalled("TURN through a proxy");

/** Only the proxy knows it: the top-level name is of no network (RFC 6761). */
const name = "light.only-the-proxy-knows.test";
const credentials = "me:s3cret%2Fproxy";
const knownCredentials = "me:s3cret/proxy";

/** No variable of the machine's is to count, and Deno is to ask for no newer one. */
const noProxies: Record<string, string> = {
  DENO_NO_UPDATE_CHECK: "1",
  ...Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((each) => [
      [each, ""],
      [each.toLowerCase(), ""],
    ]),
  ),
};

interface Nodes {
  readonly stage: AetherlightStage;
  readonly baseUrl: string;
  readonly env: Record<string, string>;
}

function waitingNode({ stage, baseUrl, env }: Nodes, ...args: string[]): NodeProcess {
  return new NodeProcess([
    ...["--ice-server", "none", ...stage.identityFlags("home")],
    ...["--aetherlight-base-url", baseUrl, "--allow", "127.0.0.1:9", ...args],
  ], { env: { ...noProxies, ...env } });
}

/** An ingress and an egress find each other, and data goes over their link. */
async function assertMeet(nodes: Nodes): Promise<void> {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  const ingress = waitingNode(nodes, "--allow", target);
  const url = await ingress.nextText();
  await ingress.event("waiting");
  const port = freePort();
  const egress = new NodeProcess([
    ...["--ice-server", "none", ...nodes.stage.identityFlags("laptop")],
    ...["--aetherlight-ingress-url", url, "--forward", `127.0.0.1:${port}:${target}`],
  ], { env: { ...noProxies, ...nodes.env } });
  await egress.event("listening");
  equal(String(await exchange({ port, payload: new TextEncoder().encode("hello") })), "hello");
  await Promise.all([ingress.stop(), egress.stop()]);
  for (const { log } of [ingress, egress]) ok(!JSON.stringify(log).includes("s3cret"));
}

Deno.test("nodes meet at a server that only the proxy can reach, over HTTP", async () => {
  await using stage = await AetherlightStage.open("home", "laptop");
  const server = await stage.server();
  const destinations = { [`${name}:80`]: server.port };
  await using proxy = await HttpProxy.start({ destinations, credentials: knownCredentials });
  const env = { http_proxy: proxy.url(credentials), NO_PROXY: "127.0.0.1,example.org" };
  await assertMeet({ stage, baseUrl: `http://${name}`, env });
  ok(proxy.asked.length > 0);
  ok(proxy.asked.every((line) => line.includes(` http://${name}/`)), proxy.asked.join("\n"));
});

Deno.test({
  name: "nodes meet at a server that only the proxy can reach, over TLS, by WebSocket",
  ignore: !hasOpenssl,
  fn: async () => {
    await using stage = await AetherlightStage.open("home", "laptop");
    const server = await stage.server();
    const { certPath, keyPath, caPath } = await makeCertificate(stage.folder, name);
    await using tls = await serveTls({ certPath, keyPath, port: server.port });
    const destinations = { [`${name}:443`]: tls.port };
    await using proxy = await HttpProxy.start({ destinations, credentials: knownCredentials });
    await using other = await HttpProxy.start();
    const env = {
      HTTPS_PROXY: proxy.url(credentials),
      ALL_PROXY: other.url(),
      DENO_CERT: caPath,
    };
    await assertMeet({ stage, baseUrl: `https://${name}`, env });
    deepEqual(new Set(proxy.asked), new Set([`CONNECT ${name}:443 HTTP/1.1`]));
    deepEqual(other.asked, []);
    ok(tls.heads.some((head) => /^GET .*\r\nupgrade: websocket\r\n/is.test(head)));
  },
});

Deno.test("what NO_PROXY names is reached directly", async () => {
  await using stage = await AetherlightStage.open("home");
  const server = await stage.server();
  await using proxy = await HttpProxy.start();
  for (const list of ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "*"]) {
    const env = { HTTP_PROXY: proxy.url(), ALL_PROXY: proxy.url(), NO_PROXY: list };
    const node = waitingNode({ stage, baseUrl: server.url, env });
    await node.event("waiting");
    await node.stop();
  }
  deepEqual(proxy.asked, []);
});

Deno.test("a proxy that refuses is named, without its password", async () => {
  await using stage = await AetherlightStage.open("home");
  const cases: [scheme: string, status: number, problem: RegExp][] = [
    ["http", 407, /cannot be reached .*: it wants another user and password \(HTTP 407\)/],
    ["https", 407, /cannot be reached .*: it wants another user and password \(HTTP 407\)/],
    ["http", 502, /is not available .* \(HTTP 502\)/],
    ["https", 502, /cannot be reached .*: it does not connect there/],
  ];
  await Promise.all(cases.map(async ([scheme, status, problem]) => {
    await using proxy = await HttpProxy.start({ status });
    const env = { ALL_PROXY: proxy.url(credentials) };
    const node = waitingNode({ stage, baseUrl: `${scheme}://${name}`, env });
    const { message } = await node.event("signal-lost");
    await node.stop();
    match(message, problem);
    match(
      message,
      new RegExp(`through the proxy http://127\\.0\\.0\\.1:${proxy.port} \\(ALL_PROXY\\)`),
    );
    ok(!JSON.stringify(node.log).includes("s3cret"));
  }));
});

Deno.test("a variable that names no proxy is bad input, and its value is not told", async () => {
  await using stage = await AetherlightStage.open("home");
  const args = [
    ...["--ice-server", "none", "--allow", "127.0.0.1:9", ...stage.identityFlags("home")],
    ...["--aetherlight-base-url", `https://${name}`],
  ];
  for (const value of ["ftp://me:s3cret@127.0.0.1", "http://me:s3cret@", "http://%zz:s3cret@a"]) {
    const { code, stdout, stderr } = await runProgram(args, { ...noProxies, https_proxy: value });
    deepEqual([code, stdout], [2, ""]);
    match(stderr, /https_proxy (is no URL of a proxy|has a user or password).*\n$/);
    ok(!stderr.includes("s3cret"));
  }
});

for (const [scheme, query] of [["turn", "?transport=tcp"], ["turns", ""]] as const) {
  Deno.test({
    name: `nodes link through a ${scheme}: server that only the proxy can reach`,
    ignore: !hasCoturn || !hasOpenssl,
    fn: async () => {
      await using stage = await AetherlightStage.open();
      const certificate = await makeCertificate(stage.folder, name);
      const coturn = await Coturn.start({ certificate });
      try {
        const port = scheme === "turn" ? coturn.port : coturn.tlsPort;
        const destinations = { [`${name}:443`]: port };
        await using proxy = await HttpProxy.start({ destinations, credentials: knownCredentials });
        const env = {
          ...noProxies,
          ...{ HTTPS_PROXY: proxy.url(credentials), DENO_CERT: certificate.caPath },
          AETHERPORT_ICE_SERVER: `${scheme}:${coturnUser.username}:${
            encodeURIComponent(coturnUser.password)
          }@${name}:443${query}`,
        };
        await using service = await serve(echo);
        const target = `127.0.0.1:${service.port}`;
        const local = freePort();
        const offering = new NodeProcess(
          ["--relay-only", "--forward", `127.0.0.1:${local}:${target}`],
          { env },
        );
        const answering = new NodeProcess(["--relay-only", "--allow", target], { env });
        await joinByPaste(offering, answering);
        const payload = new TextEncoder().encode("hello");
        equal(String(await exchange({ port: local, payload })), "hello");
        await Promise.all([offering.stop(), answering.stop()]);
        deepEqual(new Set(proxy.asked), new Set([`CONNECT ${name}:443 HTTP/1.1`]));
      } finally {
        await coturn.stop();
      }
    },
  });
}

/** TLS in front of a port on loopback; notes how each connection begins. */
async function serveTls(
  { certPath, keyPath, port }: {
    readonly certPath: string;
    readonly keyPath: string;
    readonly port: number;
  },
): Promise<AsyncDisposable & { readonly port: number; readonly heads: string[] }> {
  const heads: string[] = [];
  const listener = Deno.listenTls({
    ...{ hostname: "127.0.0.1", port: 0 },
    cert: await Deno.readTextFile(certPath),
    key: await Deno.readTextFile(keyPath),
  });
  const open = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const connection of listener) {
      const passing = pass(connection, port, heads).finally(() => open.delete(passing));
      open.add(passing);
    }
  })();
  return {
    port: listener.addr.port,
    heads,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      await Promise.all(open);
    },
  };
}

async function pass(connection: Deno.Conn, port: number, heads: string[]): Promise<void> {
  const upstream = await Deno.connect({ hostname: "127.0.0.1", port });
  const noting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(bytes, controller) {
      heads.push(new TextDecoder().decode(bytes));
      controller.enqueue(bytes);
    },
  });
  await Promise.allSettled([
    connection.readable.pipeThrough(noting).pipeTo(upstream.writable),
    upstream.readable.pipeTo(connection.writable),
  ]);
}
