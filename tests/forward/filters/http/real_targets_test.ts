/** Servers that read requests in their own ways, behind the filter: they see what was judged. */
import { ok } from "node:assert/strict";
import { BufferPool } from "../../../../src/buffer_pool.ts";
import { httpFilter } from "../../../../src/forward/filters/http/http_filter.ts";
import { fromLatin1 } from "../../../../src/forward/filters/http/llhttp.ts";
import { dialTcp } from "../../../../src/socket/choose_tcp_sockets.ts";
import type { Connection } from "../../../../src/socket/connection.ts";
import { SeededRandom } from "../../../fakes/mutator.ts";
import { vouchedPeer } from "../../../fakes/sample_specs.ts";
import { beforeDeadline } from "../../../peers/deadline.ts";
import {
  type HttpSite,
  startNginxSite,
  startNodeSite,
} from "../../../peers/http_site/http_site.ts";
import { isInstalled } from "../../../peers/peer_process.ts";
import { changedRequest } from "./changed_requests.ts";
import { smuggledRequests } from "./smuggled_requests.ts";

const subject = "the HTTP filter";
const never = new AbortController().signal;
const next = "GET /private HTTP/1.1\r\nHost: a\r\n\r\n";
const last = "GET /public/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
/** A name that a filter must not write as it is. */
const peer = vouchedPeer(`web\r\n\r\n${next}`, { team: `red\r\nX: y\r\n\r\n${next}` });

const servers: Readonly<
  Record<string, { isThere: boolean; start: (folder: string) => Promise<HttpSite> }>
> = {
  nginx: { isThere: await isInstalled("nginx", ["-v"], subject), start: startNginxSite },
  "node:http of Node": {
    isThere: await isInstalled("node", ["--version"], subject),
    start: () => startNodeSite("node"),
  },
  "node:http of Deno": {
    isThere: true,
    start: () => startNodeSite(Deno.execPath(), ["run", "--allow-all", "--quiet"]),
  },
};

/** Sends it on a connection of its own, whose end it waits for. What was allowed of it. */
async function send(text: string, { port }: HttpSite): Promise<string[]> {
  const target = await dialTcp({ address: "127.0.0.1", port, signal: never });
  const allowed: string[] = [];
  const connection = httpFilter({ setHeaders: { "X-From": "outside" } })(target, {
    ...{ peer, ruleName: "all", pool: new BufferPool(), breakOff: () => target.reset() },
    client: Promise.resolve("192.0.2.9:4711"),
    onJudged: (summary, refusal) => refusal === undefined && allowed.push(summary),
  });
  const whole = Promise.all([readAll(connection), writeAll(connection, text)]);
  await beforeDeadline(whole, () => `the end of ${JSON.stringify(text)}`);
  connection.close();
  return allowed;
}

async function readAll(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(65_536);
  // A stream that is broken off has ended.
  await (async () => {
    while (await connection.read(buffer) !== null);
  })().catch(() => {});
}

/** What is broken off in the midst of a request is reset, as the relay does. */
async function writeAll(connection: Connection, text: string): Promise<void> {
  try {
    await connection.write(fromLatin1(text));
    await connection.endWrite();
  } catch {
    connection.reset();
  }
}

/** Throws where the site has seen a request that was not allowed, or one more often. */
function checkSeen({ seen }: HttpSite, allowed: readonly string[]): void {
  const left = [...allowed];
  for (const request of seen) {
    const at = left.indexOf(request.split("?")[0]?.slice(0, 256) ?? "");
    ok(at >= 0, `${request} was not allowed`);
    left.splice(at, 1);
  }
}

for (const [name, { isThere, start }] of Object.entries(servers)) {
  const withSite = (title: string, texts: () => Iterable<string>) =>
    Deno.test({
      name: `${name} sees what was judged of ${title}, and nothing else`,
      ignore: !isThere,
      fn: async () => {
        const folder = await Deno.makeTempDir();
        await using site = await start(folder);
        const allowed: string[] = [];
        for (const text of texts()) allowed.push(...await send(text, site));
        allowed.push(...await send(last, site));
        await site.process.waitFor(/seen: GET a\/public\/last\n/);
        checkSeen(site, allowed);
        await Deno.remove(folder, { recursive: true });
      },
    });
  withSite(
    "requests that servers read in different ways",
    () => Object.values(smuggledRequests).map((text) => text + next),
  );
  withSite("300 changed requests", function* () {
    const random = new SeededRandom(3);
    for (let count = 0; count < 300; count++) yield changedRequest(random);
  });
}
