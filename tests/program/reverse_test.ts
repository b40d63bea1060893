/** Reverse forwards and PROXY headers, by real processes on real sockets. */
import assert from "node:assert/strict";
import net from "node:net";
import { joinByPaste, type LogLine, NodeProcess } from "../../demo/node_process.ts";
import { peerNameType } from "../../src/forward/proxy_header.ts";
import { readProxyHeader } from "../fakes/proxy_header_parser.ts";
import { freed } from "../fakes/sockets.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { AetherlightStage } from "./aetherlight_stage.ts";
import {
  digestThen,
  echo,
  exchange,
  freePort,
  randomPayload,
  serve,
  sha256,
} from "./local_service.ts";

const ignore = !(await isInstalled("curl", ["--version"], "reverse forwards"));
const text = (value: string) => new TextEncoder().encode(value);

/** The first port that the other node says it listens on. */
function portOf({ addresses }: LogLine): number {
  return Number(/:(\d+)/.exec(String(addresses))?.[1]);
}

/** Runs two nodes that are joined by pasting, the first of which offers. */
async function withPasted(
  [asking, listening]: readonly [readonly string[], readonly string[]],
  test: (asking: NodeProcess, listening: NodeProcess) => Promise<void>,
): Promise<void> {
  const nodes = [asking, listening].map((args) =>
    new NodeProcess(["--ice-server", "none", ...args])
  );
  const [one, other] = nodes as [NodeProcess, NodeProcess];
  try {
    await joinByPaste(one, other);
    await test(one, other);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

/** Answers one request, as a web server would. */
function sayHello(socket: net.Socket): void {
  socket.once("data", () => {
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
  });
}

Deno.test(
  "curl reaches a service of the node that asked, at a port that it was told",
  { ignore },
  async () => {
    await using service = await serve(sayHello);
    await withPasted([
      ["--reverse", `0:127.0.0.1:${service.port}`],
      ["--allow-listen", "0"],
    ], async (asking, listening) => {
      const port = portOf(await asking.event("reverse-listening"));
      assert.equal(portOf(await listening.event("reverse-bound")), port);
      const { stdout } = await new Deno.Command("curl", {
        args: ["--silent", "--fail", `http://127.0.0.1:${port}/`],
      }).output();
      assert.equal(new TextDecoder().decode(stdout), "hello\n");
    });
  },
);

Deno.test("a reverse forward carries 10 MB each way exactly, with half-close", async () => {
  const [up, down] = [randomPayload(10_000_000), randomPayload(10_000_000)];
  await using service = await serve(digestThen(down));
  const port = freePort();
  await withPasted([
    ["-R", `${port}:localhost:${service.port}`],
    ["--allow-listen", `${port}`],
  ], async (asking) => {
    await asking.event("reverse-listening");
    for (const host of ["127.0.0.1", "::1"]) {
      const reply = await exchange({ port, host, payload: up });
      assert.equal(reply.subarray(0, 64).toString(), sha256(up));
      assert.equal(sha256(reply.subarray(64)), sha256(down));
    }
  });
});

Deno.test("without --allow-listen nothing listens, and who asks is told", async () => {
  await withPasted([
    ["-R", `${freePort()}:127.0.0.1:9`],
    ["--allow", "*:*"],
  ], async (asking, listening) => {
    const { reason, code } = await asking.event("reverse-refused");
    assert.deepEqual([reason, code], ["no --allow-listen names it", "denied"]);
    await listening.event("refused");
  });
});

Deno.test("an address in use is told to who asks, and had once it is free", async () => {
  await using service = await serve(echo);
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  await withPasted([
    ["-R", `127.0.0.1:${port}:127.0.0.1:${service.port}`],
    ["--allow-listen", `${port}`],
  ], async (asking) => {
    assert.match(String((await asking.event("reverse-refused")).reason), /in use/);
    taken.close();
    await asking.event("reverse-listening");
    assert.equal(String(await exchange({ port, payload: text("hello") })), "hello");
  });
});

Deno.test("both ways at once over one link", async () => {
  await using service = await serve(echo);
  const [forwarded, reversed] = [freePort(), freePort()];
  const target = `127.0.0.1:${service.port}`;
  await withPasted([
    ["-R", `${reversed}:${target}`, "-f", `127.0.0.1:${forwarded}:${target}`],
    ["--allow-listen", `${reversed}`, "--allow", target],
  ], async (asking) => {
    await asking.event("reverse-listening");
    for (const port of [forwarded, reversed]) {
      assert.equal(String(await exchange({ port, payload: text("hello") })), "hello");
    }
  });
});

Deno.test("is listened on again after the other node began anew, and no more when who asked ends", async () => {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const port = freePort();
  const far = async () => {
    const flags = ["--aetherlight-base-url", at, "--allow-listen", `127.0.0.1:${port}`];
    const node = stage.node(...stage.identityFlags("far"), ...flags);
    const url = await node.nextText();
    await node.event("waiting");
    return { node, url };
  };
  const first = await far();
  const near = stage.node(
    ...stage.identityFlags("near"),
    ...["--aetherlight-ingress-url", first.url],
    ...["-R", `127.0.0.1:${port}:127.0.0.1:${service.port}`],
  );
  await near.event("reverse-listening");
  assert.equal(String(await exchange({ port, payload: text("one") })), "one");
  await first.node.stop();
  const second = await far();
  await near.event("reverse-listening", 2);
  assert.equal(String(await exchange({ port, payload: text("two") })), "two");
  await near.stop();
  await second.node.event("reverse-closed");
  await freed("127.0.0.1", port);
});

Deno.test("an ingress asks the nodes that call it", async () => {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = stage.node(
    ...stage.identityFlags("far"),
    ...["--aetherlight-base-url", at, "-R", `0:127.0.0.1:${service.port}`],
  );
  const url = await far.nextText();
  const near = stage.node(
    ...stage.identityFlags("near"),
    ...["--aetherlight-ingress-url", url, "--allow-listen", "0"],
  );
  const { peer, ...listening } = await far.event("reverse-listening");
  assert.equal(peer, "near");
  assert.equal(
    String(await exchange({ port: portOf(listening as LogLine), payload: text("hi") })),
    "hi",
  );
  await near.stop();
});

for (const version of ["v1", "v2"]) {
  Deno.test(`a target is told who the client is: ${version}`, async () => {
    const received = Promise.withResolvers<Uint8Array>();
    await using service = await serve((socket) => {
      socket.once("data", (bytes) => {
        received.resolve(new Uint8Array(bytes));
        socket.end("done");
      });
    });
    const target = `127.0.0.1:${service.port}`;
    await using stage = await AetherlightStage.open("near", "far");
    const { url: at } = await stage.server();
    const far = stage.node(
      ...stage.identityFlags("far"),
      ...["--aetherlight-base-url", at, "--allow", target],
      ...["--proxy-protocol", `${version}=${target}`],
    );
    const near = await stage.egress({ name: "near", url: await far.nextText(), target });
    // It says nothing by itself: the header does not wait for it.
    const client = net.connect({ port: near.port, host: "127.0.0.1" });
    const bytes = await received.promise;
    const { family, source, destination, values, length } = readProxyHeader(bytes);
    assert.deepEqual([family, source, destination, length], [
      "TCP4",
      `127.0.0.1 ${client.localPort}`,
      `127.0.0.1 ${service.port}`,
      bytes.length,
    ]);
    assert.deepEqual([...values], version === "v2" ? [[peerNameType, "near"]] : []);
    client.destroy();
  });
}
