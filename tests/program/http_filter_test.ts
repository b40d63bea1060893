/** Web sites behind a rule with `http`, through two real processes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import net from "node:net";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { freePort, randomPayload, sha256 } from "./local_service.ts";

const policy = (port: number) => `
[[rule]]
name = "the site"
action = "allow"
target = { host = "localhost", port = ${port} }
[rule.http]
methods = ["GET", "PUT"]
paths = ["/", "/public/**", "/ws", "/events"]
set-headers = { X-From = "outside" }
`;

/** Uses all that the rule allows, and one thing that it does not; then it tells what came of it. */
const page = `<!doctype html><script src="/public/asset.js"></script><script>
  const said = (target, event) => new Promise((resolve, reject) => {
    target.addEventListener(event, ({ data }) => resolve(data));
    target.addEventListener("error", () => reject(new Error(event)));
  });
  async function tell() {
    const upload = await fetch("/public/up", { method: "PUT", body: "x".repeat(1_000_000) });
    const events = new EventSource("/events");
    const event = await said(events, "message");
    events.close();
    const socket = new WebSocket("ws://" + location.host + "/ws");
    await said(socket, "open");
    socket.send("browser");
    const echoed = await said(socket, "message");
    const refused = await fetch("/private");
    return [window.asset, (await upload.text()).slice(0, 8), event, echoed, refused.status].join();
  }
  tell().catch(String).then((text) => fetch("/public/report", { method: "PUT", body: text }));
</script>`;

/** A site, which keeps what it is asked. */
class Site implements AsyncDisposable {
  readonly asked: string[] = [];
  /** What the page's script found, once it has told. */
  readonly reported: Promise<string>;
  readonly #report = Promise.withResolvers<string>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const quiet = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(quiet, (request) => this.#answer(request));
    this.reported = this.#report.promise;
  }

  get port(): number {
    return this.#server.addr.port;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const who = request.headers.get("aetherport-peer") ?? "nobody";
    const from = ["x-from", "x-forwarded-for"].map((name) => request.headers.get(name)).join(" ");
    this.asked.push(`${request.method} ${pathname} ${who} ${from}`);
    if (pathname === "/ws") {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(`echo ${data}`);
      return response;
    }
    if (pathname === "/events") {
      const events = ["data: one\n\n", "data: two\n\n"].map((text) =>
        new TextEncoder().encode(text)
      );
      const body = ReadableStream.from(events);
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    }
    if (pathname === "/public/report") {
      this.#report.resolve(await request.text());
      return new Response("thanks");
    }
    if (pathname === "/public/app") {
      return new Response(page, { headers: { "content-type": "text/html" } });
    }
    if (pathname === "/public/asset.js") {
      return new Response("window.asset = 'loaded';", {
        headers: { "content-type": "text/javascript" },
      });
    }
    const hash = createHash("sha256");
    for await (const bytes of request.body ?? []) hash.update(bytes);
    return new Response(request.method === "PUT" ? hash.digest("hex") : "page");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Runs a test with a site, and its address behind the rule. */
async function onSite(test: (base: string, site: Site) => Promise<void>): Promise<void> {
  await using site = new Site();
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/policy.toml`, policy(site.port));
  const port = freePort();
  const offline = ["--ice-server", "none"];
  const ingress = new NodeProcess([...offline, "--policy", `${folder}/policy.toml`]);
  const egress = new NodeProcess([
    ...[...offline, "--forward", `127.0.0.1:${port}:localhost:${site.port}`],
  ]);
  try {
    await joinByPaste(egress, ingress);
    await test(`http://127.0.0.1:${port}`, site);
  } finally {
    await Promise.all([egress.stop(), ingress.stop()]);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("pages, uploads, events and a WebSocket pass; what the rule does not name is refused", () =>
  onSite(async (base, site) => {
    const page = await fetch(base, {
      headers: { "Aetherport-Peer": "root", "X-Forwarded-For": "::1" },
    });
    assert.equal(await page.text(), "page");
    const upload = Uint8Array.from(randomPayload(5_000_000));
    const put = await fetch(`${base}/public/a`, { method: "PUT", body: upload });
    assert.equal(await put.text(), sha256(upload));
    const streamed = new ReadableStream({
      start: (controller) => {
        for (let at = 0; at < upload.length; at += 100_000) {
          controller.enqueue(upload.subarray(at, at + 100_000));
        }
        controller.close();
      },
    });
    const chunked = await fetch(`${base}/public/b`, { method: "PUT", body: streamed });
    assert.equal(await chunked.text(), sha256(upload));
    assert.equal(await (await fetch(`${base}/events`)).text(), "data: one\n\ndata: two\n\n");
    const socket = new WebSocket(`${base.replace("http", "ws")}/ws`);
    const said = Promise.withResolvers<string>();
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => said.resolve(data);
    socket.onerror = () => said.reject(new Error("the WebSocket failed"));
    assert.equal(await said.promise, "echo hello");
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
    for (const path of ["/private", "/public/%2fprivate"]) {
      const refused = await fetch(base + path, { headers: { accept: "application/json" } });
      assert.equal(refused.status, 403);
      const { reason } = await refused.json();
      assert.match(reason, /not allowed \(rule the site\)/);
    }
    const deleted = await fetch(base, { method: "DELETE" });
    assert.equal(deleted.status, 403);
    await deleted.body?.cancel();
    assert.deepEqual(site.asked, [
      "GET / nobody outside 127.0.0.1",
      "PUT /public/a nobody outside 127.0.0.1",
      "PUT /public/b nobody outside 127.0.0.1",
      "GET /events nobody outside 127.0.0.1",
      "GET /ws nobody outside 127.0.0.1",
    ]);
  }));

const hasChromium = await isInstalled("chromium", ["--version"], "sites behind a rule");

Deno.test(
  "a browser uses a site behind a rule",
  { ignore: !hasChromium },
  () =>
    onSite(async (base, site) => {
      const profile = await Deno.makeTempDir();
      const browser = new Deno.Command("chromium", {
        args: [
          ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
          ...["--disable-background-networking", "--no-first-run", `--user-data-dir=${profile}`],
          ...["--remote-debugging-port=0", `${base}/public/app`],
        ],
        ...{ stdin: "null", stdout: "null", stderr: "null" },
      }).spawn();
      try {
        const hash = sha256(new TextEncoder().encode("x".repeat(1_000_000))).slice(0, 8);
        const report = await Promise.race([site.reported, browser.status.then(() => "it ended")]);
        assert.equal(report, `loaded,${hash},one,echo browser,403`);
      } finally {
        browser.kill("SIGKILL");
        await browser.status;
        await Deno.remove(profile, { recursive: true }).catch(() => {});
      }
    }),
);

Deno.test("one connection carries many requests, refused ones between", () =>
  onSite(async (base, site) => {
    const port = Number(new URL(base).port);
    const socket = net.connect({ host: "127.0.0.1", port });
    const texts = ["/", "/private", "/public/x", "/private", "/"].map((path) =>
      `GET ${path} HTTP/1.1\r\nHost: site\r\n\r\n`
    );
    const all = texts.join("").replace(/\r\n\r\n$/, "\r\nConnection: close\r\n\r\n");
    socket.end(all);
    let answers = "";
    for await (const bytes of socket) answers += String(bytes);
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual(statuses, ["200", "403", "200", "403", "200"]);
    assert.equal(site.asked.length, 3);
  }));

Deno.test("a request that is smuggled behind another does not reach the site", () =>
  onSite(async (base, site) => {
    const port = Number(new URL(base).port);
    const smuggling = [
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\nTransfer-encoding: cow\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    ];
    for (const text of smuggling) {
      const socket = net.connect({ host: "127.0.0.1", port });
      socket.on("error", () => {});
      socket.end(`${text}GET /private HTTP/1.1\r\nHost: a\r\n\r\n`);
      let answer = "";
      try {
        for await (const bytes of socket) answer += String(bytes);
      } catch {
        // A reset is as good as a refusal.
      }
      assert.ok(!answer.includes("page"), answer);
    }
    assert.deepEqual(site.asked, []);
  }));
