/** The program as real processes on real sockets, joined by the texts they print. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { PastedTextReader, writePastedText } from "../../src/signaling/pasted_text.ts";
import {
  digestThen,
  echo,
  exchange,
  freePort,
  randomPayload,
  serve,
  sha256,
} from "./local_service.ts";

const offline = ["--ice-server", "none"];
const text = (value: string) => new TextEncoder().encode(value);

/** Runs a test with processes that are stopped at its end. */
async function withNodes(
  argumentLists: readonly (readonly string[])[],
  test: (...nodes: NodeProcess[]) => Promise<void>,
): Promise<void> {
  const nodes = argumentLists.map((args) => new NodeProcess([...offline, ...args]));
  try {
    await test(...nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

/** Sends short requests on one connection, each when the last was answered; how many were. */
async function converse(port: number, count: number): Promise<number> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  for (let asked = 0; asked < count; asked++) {
    const request = `request ${asked}`;
    socket.write(request);
    const [answer] = await once(socket, "data");
    if (String(answer) !== request) return asked;
  }
  socket.destroy();
  return count;
}

const egressTo = (target: string, port: number) => ["--forward", `127.0.0.1:${port}:${target}`];

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`carries both directions exactly, with half-close, over ${host}`, async () => {
    const [up, down] = [randomPayload(4_000_000), randomPayload(4_000_000)];
    await using service = await serve(digestThen(down), host);
    const bracketed = host === "::1" ? "[::1]" : host;
    const port = freePort();
    const target = `${bracketed}:${service.port}`;
    await withNodes([
      ["--forward", `${bracketed}:${port}:${target}`],
      ["--allow", target],
    ], async (egress, ingress) => {
      await joinByPaste(egress!, ingress!);
      const reply = await exchange({ port, host, payload: up });
      assert.equal(reply.subarray(0, 64).toString(), sha256(up));
      assert.equal(sha256(reply.subarray(64)), sha256(down));
    });
  });
}

Deno.test("serves 200 connections at once", async () => {
  await using service = await serve(echo);
  const port = freePort();
  const target = `127.0.0.1:${service.port}`;
  await withNodes([egressTo(target, port), ["--allow", target]], async (egress, ingress) => {
    await joinByPaste(egress!, ingress!);
    const payloads = Array.from({ length: 200 }, () => randomPayload(10_000));
    const replies = await Promise.all(payloads.map((payload) => exchange({ port, payload })));
    assert.deepEqual(replies.map(sha256), payloads.map(sha256));
  });
});

Deno.test("forwards in both directions over one link", async () => {
  await using serviceA = await serve(echo);
  await using serviceB = await serve(echo);
  const [portA, portB] = [freePort(), freePort()];
  const [targetA, targetB] = [`127.0.0.1:${serviceA.port}`, `127.0.0.1:${serviceB.port}`];
  await withNodes([
    [...egressTo(targetB, portA), "--allow", targetA],
    [...egressTo(targetA, portB), "--allow", targetB],
  ], async (a, b) => {
    const ownOffer = await b!.nextText();
    assert.match(ownOffer, /^aetherport-offer:/);
    await b!.paste(await a!.nextText());
    await a!.paste(await b!.nextText());
    await Promise.all([a!.event("link-up"), b!.event("link-up")]);
    assert.equal(String(await exchange({ port: portA, payload: text("to b") })), "to b");
    assert.equal(String(await exchange({ port: portB, payload: text("to a") })), "to a");
  });
});

Deno.test("joins two nodes whose stdouts are piped into each other's stdin", async () => {
  await using service = await serve(echo);
  const [portA, portB] = [freePort(), freePort()];
  const target = `127.0.0.1:${service.port}`;
  await withNodes([
    [...egressTo(target, portA), "--allow", target],
    [...egressTo(target, portB), "--allow", target],
  ], async (a, b) => {
    const [offerA, offerB] = [await a!.nextText(), await b!.nextText()];
    await Promise.all([a!.paste(offerB), b!.paste(offerA)]);
    const [answerA, answerB] = [await a!.nextText(), await b!.nextText()];
    await Promise.all([a!.paste(answerB), b!.paste(answerA)]);
    await Promise.all([a!.event("link-up"), b!.event("link-up")]);
    assert.equal(String(await exchange({ port: portA, payload: text("from a") })), "from a");
    assert.equal(String(await exchange({ port: portB, payload: text("from b") })), "from b");
  });
});

Deno.test("serves two egress nodes at one ingress", async () => {
  await using service = await serve(echo);
  const [port1, port2] = [freePort(), freePort()];
  const target = `127.0.0.1:${service.port}`;
  await withNodes([
    egressTo(target, port1),
    egressTo(target, port2),
    ["--allow", target],
  ], async (egress1, egress2, ingress) => {
    await joinByPaste(egress1!, ingress!);
    await ingress!.paste(await egress2!.nextText());
    await egress2!.paste(await ingress!.nextText());
    await egress2!.event("link-up");
    assert.equal(String(await exchange({ port: port1, payload: text("one") })), "one");
    assert.equal(String(await exchange({ port: port2, payload: text("two") })), "two");
  });
});

Deno.test("a target that does not read blocks its client and nobody else", async () => {
  await using stalled = await serve((socket) => socket.pause());
  await using service = await serve(echo);
  const [port, stalledPort] = [freePort(), freePort()];
  await withNodes([
    [
      ...egressTo(`127.0.0.1:${service.port}`, port),
      ...egressTo(`127.0.0.1:${stalled.port}`, stalledPort),
    ],
    ["--allow", "127.0.0.1:*"],
  ], async (egress, ingress) => {
    await joinByPaste(egress!, ingress!);
    const client = net.connect({ port: stalledPort, host: "127.0.0.1" });
    client.on("error", () => {});
    const isTaken = client.write(randomPayload(32_000_000));
    assert.equal(isTaken, false);
    const payload = randomPayload(2_000_000);
    assert.equal(sha256(await exchange({ port, payload })), sha256(payload));
    assert.ok(client.writableLength > 0, "the client is still blocked");
    client.destroy();
  });
});

Deno.test("a hundred conversations go on beside a target that does not read", async () => {
  await using stalled = await serve((socket) => socket.pause());
  await using service = await serve(echo);
  const [port, stalledPort] = [freePort(), freePort()];
  await withNodes([
    [
      ...egressTo(`127.0.0.1:${service.port}`, port),
      ...egressTo(`127.0.0.1:${stalled.port}`, stalledPort),
    ],
    ["--allow", "127.0.0.1:*"],
  ], async (egress, ingress) => {
    await joinByPaste(egress!, ingress!);
    const client = net.connect({ port: stalledPort, host: "127.0.0.1" });
    client.on("error", () => {});
    client.write(randomPayload(32_000_000));
    const conversations = Array.from({ length: 100 }, () => converse(port, 20));
    assert.deepEqual(await Promise.all(conversations), Array(100).fill(20));
    assert.ok(client.writableLength > 0, "the client is still blocked");
    client.destroy();
  });
});

Deno.test("a target that is not allowed ends the connection, and both logs say why", async () => {
  await using service = await serve(echo);
  const [port, deniedPort] = [freePort(), freePort()];
  const target = `127.0.0.1:${service.port}`;
  await withNodes([
    [...egressTo(target, port), ...egressTo("127.0.0.1:9", deniedPort)],
    ["--allow", target],
  ], async (egress, ingress) => {
    await joinByPaste(egress!, ingress!);
    await assert.rejects(exchange({ port: deniedPort, payload: text("x") }), /ECONNRESET/);
    for (const node of [egress!, ingress!]) {
      const { target, code, message } = await node.event("refused");
      assert.deepEqual([target, code], ["127.0.0.1:9", "denied"]);
      assert.match(message, /no --allow names it/);
    }
    assert.equal(String(await exchange({ port, payload: text("goes on") })), "goes on");
  });
});

Deno.test("500 clients that connect and reset do not keep the next from being served", async () => {
  await using service = await serve(echo);
  const port = freePort();
  const target = `127.0.0.1:${service.port}`;
  await withNodes([egressTo(target, port), ["--allow", target]], async (egress, ingress) => {
    await joinByPaste(egress!, ingress!);
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 50 }, () => connectAndReset(port)));
    }
    assert.equal(String(await exchange({ port, payload: text("next") })), "next");
  });
});

async function connectAndReset(port: number): Promise<void> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.resetAndDestroy();
  await new Promise((resolve) => socket.once("close", resolve));
}

Deno.test("1,000 connections leave no descriptors behind", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using service = await serve(echo);
  const port = freePort();
  const target = `127.0.0.1:${service.port}`;
  await withNodes([egressTo(target, port), ["--allow", target]], async (egress, ingress) => {
    await joinByPaste(egress!, ingress!);
    await exchange({ port, payload: text("warm") });
    const before = [egress!, ingress!].map(descriptorCount);
    for (let round = 0; round < 20; round++) {
      const burst = Array.from({ length: 50 }, () => exchange({ port, payload: text("x") }));
      await Promise.all(burst);
    }
    // Ends of streams are told to the other node: one more exchange comes after them.
    await exchange({ port, payload: text("last") });
    const after = [egress!, ingress!].map(descriptorCount);
    after.forEach((count, position) => assert.ok(count <= (before[position] ?? 0) + 2, `${count}`));
  });
});

function descriptorCount({ pid }: NodeProcess): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

Deno.test("a connection made before the link is up is served once it is", async () => {
  await using service = await serve(echo);
  const port = freePort();
  const target = `127.0.0.1:${service.port}`;
  await withNodes([egressTo(target, port), ["--allow", target]], async (egress, ingress) => {
    await egress!.event("listening");
    const early = exchange({ port, payload: text("early") });
    await joinByPaste(egress!, ingress!);
    assert.equal(String(await early), "early");
  });
});

Deno.test("an ingress that ends resets connections; the egress offers anew", async () => {
  await using service = await serve((socket) => socket.write("hello"));
  const port = freePort();
  const target = `127.0.0.1:${service.port}`;
  await withNodes([
    egressTo(target, port),
    ["--allow", target],
    ["--allow", target],
  ], async (egress, ingress, successor) => {
    await joinByPaste(egress!, ingress!);
    const client = net.connect({ port, host: "127.0.0.1" });
    await new Promise((resolve) => client.once("data", resolve));
    const failure = new Promise<NodeJS.ErrnoException>((resolve) => client.once("error", resolve));
    assert.deepEqual((await ingress!.stop()).code, 0);
    assert.equal((await failure).code, "ECONNRESET");
    await successor!.paste(await egress!.nextText());
    await egress!.paste(await successor!.nextText());
    await egress!.event("link-up", 2);
    const again = net.connect({ port, host: "127.0.0.1" });
    const [greeting] = await Promise.all([new Promise((resolve) => again.once("data", resolve))]);
    assert.equal(String(greeting), "hello");
    again.destroy();
  });
});

Deno.test("damaged, cut and foreign texts are told apart, and a good one still works", async () => {
  await using service = await serve(echo);
  const port = freePort();
  const target = `127.0.0.1:${service.port}`;
  await withNodes([egressTo(target, port), ["--allow", target]], async (egress, ingress) => {
    const offer = await egress!.nextText();
    await ingress!.paste("ssh-rsa AAAA");
    assert.equal((await ingress!.event("bad-paste", 1)).kind, "wrong");
    await ingress!.paste(offer.slice(0, 200));
    assert.equal((await ingress!.event("bad-paste", 2)).kind, "truncated");
    const middle = offer.length >> 1;
    const flipped = offer[middle] === "A" ? "B" : "A";
    await ingress!.paste(offer.slice(0, middle) + flipped + offer.slice(middle + 1));
    assert.equal((await ingress!.event("bad-paste", 4)).kind, "damaged");
    await ingress!.paste(offer.replace(/(.{40})/g, "$1\r\n   "));
    await egress!.paste(await ingress!.nextText());
    await egress!.event("link-up");
    assert.equal(String(await exchange({ port, payload: text("fine") })), "fine");
  });
});

Deno.test("an answer that names another certificate makes no link", async () => {
  const target = "127.0.0.1:9";
  await withNodes([
    egressTo(target, freePort()),
    ["--allow", target],
  ], async (egress, ingress) => {
    await ingress!.paste(await egress!.nextText());
    await egress!.paste(withAnotherFingerprint(await ingress!.nextText()));
    const { reason } = await egress!.event("link-failed");
    assert.match(String(reason), /certificate is not the one/);
  });
});

/** The text with one digit of its fingerprint changed, as someone on its way could write it. */
function withAnotherFingerprint(text: string): string {
  const [item] = new PastedTextReader().push(`${text}\n`);
  if (item?.kind !== "description") assert.fail("not a description");
  const { fingerprint } = item.description;
  const digit = fingerprint.startsWith("A") ? "B" : "A";
  return writePastedText({ ...item.description, fingerprint: digit + fingerprint.slice(1) });
}
