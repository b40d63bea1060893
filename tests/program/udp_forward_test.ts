/** UDP through the program as real processes, with the programs that people use it with. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";
import { type Answer, UdpEnd } from "../fakes/udp_end.ts";
import { makeCertificate } from "../netns/certificate.ts";
import { freePort } from "./local_service.ts";
import { runProgram } from "./run_program.ts";

const decoder = new TextDecoder();

/** Runs a test with an egress and an ingress that are joined, and stopped at its end. */
async function withNodes(
  egressArgs: readonly string[],
  ingressArgs: readonly string[],
  test: (egress: NodeProcess, ingress: NodeProcess) => Promise<void>,
): Promise<void> {
  const offline = ["--ice-server", "none"];
  const egress = new NodeProcess([...offline, ...egressArgs]);
  const ingress = new NodeProcess([...offline, ...ingressArgs]);
  try {
    await joinByPaste(egress, ingress);
    await test(egress, ingress);
  } finally {
    await Promise.all([egress.stop(), ingress.stop()]);
  }
}

/** Forwards a new port of 127.0.0.1 to each of some UDP ports there; one free of TCP will do. */
function forwards(...ports: readonly number[]) {
  const local = ports.map(() => freePort());
  const targets = ports.map((port) => `127.0.0.1:${port}`);
  return {
    local,
    egress: targets.flatMap((to, at) => ["--forward", `127.0.0.1:${local[at]}:${to}/udp`]),
    ingress: targets.flatMap((to) => ["--allow", `${to}/udp`]),
  };
}

async function isInstalled(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", { args: ["-c", `command -v ${program}`] })
    .output();
  if (!success) console.log(`skipped: ${program} is not installed (tests/peers/install.sh)`);
  return success;
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  return decoder.decode(stdout) + decoder.decode(stderr);
}

const hasDig = await isInstalled("dig");
const hasIperf = await isInstalled("iperf3");

Deno.test("datagrams of every length pass both ways byte by byte, in order, empty ones too", async () => {
  const lengths = [0, 1, 1_200, 9_000, 65_507, 1_200, 0];
  await using service = await UdpEnd.open((datagram) => datagram);
  await using client = await UdpEnd.open();
  const { local: [port = 0], ...args } = forwards(service.port);
  await withNodes(args.egress, args.ingress, async () => {
    for (const [at, length] of lengths.entries()) {
      const datagram = testBytes(length, at + 1);
      client.send(datagram, port);
      assert.ok(isSame(await service.next(at + 1), datagram), `${length} bytes there`);
      assert.ok(isSame(await client.next(at + 1), datagram), `${length} bytes back`);
    }
  });
});

Deno.test("a target is told of the client before each datagram, where it expects that", async () => {
  await using service = await UdpEnd.open();
  await using client = await UdpEnd.open();
  const { local: [port = 0], ...args } = forwards(service.port);
  const told = ["--proxy-protocol", `v2=127.0.0.1:${service.port}/udp`];
  await withNodes(args.egress, [...args.ingress, ...told], async () => {
    for (const count of [1, 2]) {
      client.send(testBytes(10, count), port);
      const { header, source, payload } = proxied(await service.next(count));
      // Version 2, PROXY, datagrams over IPv4, twelve bytes of addresses.
      assert.deepEqual(header, [0x21, 0x12, 0, 12]);
      assert.deepEqual(source, [127, 0, 0, 1, client.port >> 8, client.port & 255]);
      assert.ok(isSame(payload, testBytes(10, count)));
    }
  });
});

/** What follows the signature of a PROXY header of version 2, and the datagram behind it. */
function proxied(bytes: Uint8Array) {
  return {
    header: [...bytes.subarray(12, 16)],
    source: [...bytes.subarray(16, 20), ...bytes.subarray(24, 26)],
    payload: Uint8Array.from(bytes.subarray(28)),
  };
}

Deno.test("clients have a socket of their own at the ingress, which an idle one gives back", async () => {
  const ports = new Set<number>();
  await using service = await UdpEnd.open((datagram, { port }) => {
    ports.add(port);
    return datagram;
  });
  const clients = await Promise.all(Array.from({ length: 50 }, () => UdpEnd.open()));
  const { local: [port = 0], ...args } = forwards(service.port);
  const idle = ["--udp-idle", "1"];
  await withNodes([...args.egress, ...idle, "-v"], [...args.ingress, ...idle], async (
    egress,
    ingress,
  ) => {
    const before = descriptorsOf(ingress);
    for (const [at, client] of clients.entries()) client.send(testBytes(100, at + 1), port);
    const answers = await Promise.all(clients.map((client) => client.next()));
    assert.ok(answers.every((answer, at) => isSame(answer, testBytes(100, at + 1))));
    assert.equal(ports.size, clients.length);
    await egress.event("flow-closed", clients.length);
    while (descriptorsOf(ingress) > before) await new Promise((resolve) => setTimeout(resolve, 10));
  });
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
});

function descriptorsOf({ pid }: NodeProcess): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

Deno.test("a target that nobody serves, and then somebody does, is reached in the end", async () => {
  const port = freePort();
  await using client = await UdpEnd.open();
  const { local: [local = 0], ...args } = forwards(port);
  await withNodes(args.egress, args.ingress, async () => {
    // Each is answered by an ICMP message, if at all.
    for (let count = 0; count < 5; count++) client.send(testBytes(10), local);
    const service = await serveAt(port);
    while (client.received.length === 0) {
      client.send(testBytes(10), local);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    service.kill();
    await service.output();
  });
});

/** A process that sends back what comes to a UDP port; it has bound it when this returns. */
async function serveAt(port: number): Promise<Deno.ChildProcess> {
  const script = `import { createSocket } from "node:dgram";
    const socket = createSocket("udp4");
    socket.on("message", (one, { port }) => socket.send(one, port, "127.0.0.1"));
    socket.bind(${port}, "127.0.0.1", () => console.log("bound"));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", script],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

Deno.test("what is not allowed is refused, with a line at both ends", async () => {
  await using client = await UdpEnd.open();
  const { local: [port = 0], egress } = forwards(9);
  await withNodes(egress, ["--allow", "127.0.0.1:9"], async (near, far) => {
    client.send(testBytes(10), port);
    for (const node of [near, far]) {
      const { message } = await node.event("refused");
      assert.match(message, /127\.0\.0\.1:9\/udp.*no --allow names it/);
    }
  });
});

Deno.test("a port that is taken ends the program, and a bad --udp-idle is told", async () => {
  await using taken = await UdpEnd.open();
  const spec = `127.0.0.1:${taken.port}:10.0.0.1:53/udp`;
  const { code, stderr } = await runProgram(["--forward", spec, "--ice-server", "none"]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${taken.port}/udp`));
  for (const value of ["0", "-1", "1.5", "a", "86401"]) {
    const bad = await runProgram(["--allow", "1.1.1.1:53/udp", `--udp-idle=${value}`]);
    assert.deepEqual([bad.code, bad.stdout], [2, ""]);
    assert.match(bad.stderr, /--udp-idle .* is not a number of seconds, 1 to 86400/);
  }
});

Deno.test("dig gets answers of 100, 1,400 and 4,000 bytes", { ignore: !hasDig }, async () => {
  await using service = await UdpEnd.open(answerDns);
  const { local: [port = 0], ...args } = forwards(service.port);
  await withNodes(args.egress, args.ingress, async () => {
    for (const length of [100, 1_400, 4_000]) {
      const output = await run("dig", [
        ...["@127.0.0.1", "-p", `${port}`, `n${length}.example.`, "TXT"],
        ...["+bufsize=4096", "+ignore", "+tries=1", "+time=10", "+nocookie"],
      ]);
      assert.match(output, new RegExp(`MSG SIZE +rcvd: ${length}\\b`), output);
      assert.match(output, /status: NOERROR/);
    }
  });
});

/** A DNS answer (RFC 1035) with TXT records, as long as its name says: n<length>.example. */
const answerDns: Answer = (query) => {
  const nameEnd = query.indexOf(0, 12) + 1;
  const length = Number(/n(\d+)/.exec(decoder.decode(query.subarray(12, nameEnd)))?.[1]);
  const question = query.subarray(0, nameEnd + 4);
  const answer = new Uint8Array(length);
  answer.set(question);
  // A response without error, one question, one answer, and nothing else.
  answer.set([0x84, 0x00, 0, 1, 0, 1, 0, 0, 0, 0], 2);
  const dataLength = length - question.length - 12;
  const record = [0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, dataLength >> 8, dataLength & 0xff];
  answer.set(record, question.length);
  // Strings of up to 255 bytes, each behind its length.
  for (let at = question.length + 12; at < length;) {
    const count = Math.min(255, length - at - 1);
    answer[at] = count;
    answer.fill(0x61, at + 1, at + 1 + count);
    at += count + 1;
  }
  return answer;
};

Deno.test(
  "iperf3 sends UDP both ways and loses next to nothing",
  { ignore: !hasIperf },
  async () => {
    const service = freePort();
    const server = new Deno.Command("iperf3", {
      args: ["-s", "-B", "127.0.0.1", "-p", `${service}`],
      stdout: "null",
      stderr: "null",
    }).spawn();
    await untilListening(service);
    const port = freePort();
    const target = `127.0.0.1:${service}`;
    const both = ["", "/udp"];
    await withNodes(
      both.flatMap((kind) => ["--forward", `127.0.0.1:${port}:${target}${kind}`]),
      both.flatMap((kind) => ["--allow", `${target}${kind}`]),
      async () => {
        for (const way of [[], ["-R"]]) {
          const output = await run("iperf3", [
            ...["-c", "127.0.0.1", "-p", `${port}`, "-u", "-b", "8M", "-l", "1200", "-t", "1"],
            ...["--json", ...way],
          ]);
          const { packets, lost_packets: lost } = JSON.parse(output).end.sum;
          assert.ok(packets > 500 && lost <= packets / 50, `${lost} of ${packets} lost`);
        }
      },
    );
    server.kill();
    await server.output();
  },
);

async function untilListening(port: number): Promise<void> {
  for (;;) {
    const socket = net.connect(port, "127.0.0.1");
    const isConnected = await Promise.race([
      once(socket, "connect").then(() => true, () => false),
      once(socket, "close").then(() => false),
    ]);
    socket.destroy();
    if (isConnected) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("QUIC carries a transfer through a forward", async () => {
  const folder = await Deno.makeTempDir();
  const { certPath, keyPath, caPath } = await makeCertificate(folder, "127.0.0.1");
  const script = new URL("./quic_transfer.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", "--unstable-net", script],
      ...[certPath, keyPath, caPath, "2000000"],
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const service = Number((await output.read()).value);
  const { local: [port = 0], ...args } = forwards(service);
  await withNodes(args.egress, args.ingress, async () => {
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(`${port}\n`));
    await input.close();
    assert.equal((await output.read()).value?.trim(), "same");
  });
  await child.status;
  await output.cancel();
  await Deno.remove(folder, { recursive: true });
});
