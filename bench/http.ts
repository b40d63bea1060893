/**
 * What a rule with `http` costs: a site behind two forwards, one under such a rule and one that is
 * only allowed, alternating. Every byte is counted; requests go over one connection, one by one.
 *
 *     http.ts [ROUNDS]
 */
import net from "node:net";
import { joinByPaste, NodeProcess } from "../demo/node_process.ts";
import { freePort } from "../tests/program/local_service.ts";
import { endOnSignals } from "./processes.ts";
import { row, short, spreadOf } from "./statistics.ts";

/** Of what is carried each way, in bytes. */
const length = 500_000_000;
const requestCount = 2_000;
const goals = { rate: 0.6, requests: 0.5 };
const chunk = new Uint8Array(65_536);

/** A site that counts what it is sent, and sends as much as it is asked for. */
function serveSite(): Deno.HttpServer<Deno.NetAddr> {
  const quiet = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  return Deno.serve(quiet, async (request) => {
    const wanted = Number(new URL(request.url).searchParams.get("length") ?? 0);
    let taken = 0;
    for await (const bytes of request.body ?? []) taken += bytes.length;
    if (request.method === "PUT") return new Response(`${taken}`);
    return new Response(wanted === 0 ? "ok" : bytesOf(wanted), {
      headers: wanted === 0 ? {} : { "content-length": `${wanted}` },
    });
  });
}

function bytesOf(total: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = total;
  return new ReadableStream({
    pull: (controller) => {
      const count = Math.min(left, chunk.length);
      if (count === 0) return controller.close();
      left -= count;
      controller.enqueue(chunk.slice(0, count));
    },
  });
}

/** MB/s. */
async function download(base: string): Promise<number> {
  const begun = performance.now();
  const answer = await fetch(`${base}/?length=${length}`);
  let taken = 0;
  for await (const bytes of answer.body ?? []) taken += bytes.length;
  if (taken !== length) throw new Error(`${taken} bytes came of ${length}`);
  return length / (performance.now() - begun) / 1_000;
}

/** MB/s. */
async function upload(base: string): Promise<number> {
  const begun = performance.now();
  const answer = await fetch(base, { method: "PUT", body: bytesOf(length) });
  const taken = Number(await answer.text());
  if (taken !== length) throw new Error(`${taken} bytes came of ${length}`);
  return length / (performance.now() - begun) / 1_000;
}

/** Requests a second over one connection. */
async function converse(base: string): Promise<number> {
  const { hostname, port } = new URL(base);
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
  const begun = performance.now();
  let answers = "";
  for (let count = 0; count < requestCount; count++) {
    socket.write("GET / HTTP/1.1\r\nHost: site\r\n\r\n");
    while (!answers.endsWith("ok")) {
      answers += await new Promise<string>((resolve) =>
        socket.once("data", (bytes) => resolve(String(bytes)))
      );
    }
    answers = "";
  }
  socket.destroy();
  return requestCount / (performance.now() - begun) * 1_000;
}

/** A forward to the site through two nodes of its own; its base URL. */
async function forwardTo(
  stack: AsyncDisposableStack,
  target: string,
  ingressFlags: readonly string[],
): Promise<string> {
  const port = freePort();
  const offline = ["--ice-server", "none"];
  const egress = new NodeProcess([...offline, "--forward", `127.0.0.1:${port}:${target}`]);
  stack.defer(async () => void await egress.stop());
  const ingress = new NodeProcess([...offline, ...ingressFlags]);
  stack.defer(async () => void await ingress.stop());
  await joinByPaste(egress, ingress);
  return `http://127.0.0.1:${port}`;
}

async function main(): Promise<void> {
  const roundCount = Number(Deno.args[0] ?? 5);
  await using stack = new AsyncDisposableStack();
  const site = serveSite();
  stack.defer(() => site.shutdown());
  const target = `localhost:${site.addr.port}`;
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const path = `${folder}/policy.toml`;
  const rule = `[[rule]]\naction = "allow"\ntarget = { host = "localhost" }\nprotocol = "http"\n`;
  await Deno.writeTextFile(path, rule);
  const plain = await forwardTo(stack, target, ["--allow", target]);
  const filtered = await forwardTo(stack, target, ["--policy", path]);
  console.log(row("", ["allowed", "under a rule", "ratio", "goal"]));
  const kinds = [
    ["download, MB/s", download, goals.rate],
    ["upload, MB/s", upload, goals.rate],
    ["requests a second", converse, goals.requests],
  ] as const;
  for (const [name, measure, goal] of kinds) {
    // The first also compiles what is run.
    await Promise.all([measure(plain), measure(filtered)]);
    const figures: [number, number][] = [];
    for (let round = 0; round < roundCount; round++) {
      figures.push([await measure(plain), await measure(filtered)]);
    }
    const [before, after, ratio] = [
      spreadOf(figures.map(([one]) => one)),
      spreadOf(figures.map(([, other]) => other)),
      spreadOf(figures.map(([one, other]) => other / one)),
    ];
    console.log(
      row(name, [short(before.median), short(after.median), short(ratio.median), `>= ${goal}`]),
    );
  }
}

endOnSignals();
await main();
Deno.exit(0);
