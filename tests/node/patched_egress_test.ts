/**
 * X4: a node that was changed to ask for whatever it likes, over a link that came up as it should.
 * Each target is really there, and tells when it is reached.
 */
import { deepEqual, equal, fail } from "node:assert/strict";
import { benchProtocol } from "../../src/bench/bench_protocol.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { CommandRunner } from "../../src/forward/command_runner.ts";
import { listenProtocol } from "../../src/forward/reverse_protocol.ts";
import { StreamPort } from "../../src/forward/stream_port.ts";
import { Node } from "../../src/node/node.ts";
import { udpProtocol } from "../../src/tunnel/datagram_channel.ts";
import { tcpProtocol, TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { type FakeLink, linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { accessOf, policyOf } from "../fakes/policies.ts";
import { closedPort, Service } from "../fakes/sockets.ts";
import { UdpEnd } from "../fakes/udp_end.ts";
import { SocketFolder, UnixService } from "../fakes/unix_sockets.ts";

const pool = new BufferPool();
const ignore = Deno.build.os === "windows";
const someId = "0123456789abcdef".repeat(2);

/** A rule for one target, as the policy writes it. */
const allowing = (target: string, more = "") =>
  `[[rule]]\naction = "allow"\ntarget = { ${target} }\n${more}\n`;

/** What is opened, by which protocol, and what is sent on it without waiting for leave. */
interface Attempt {
  readonly label: string;
  readonly protocol: string;
  readonly payload: string | Uint8Array<ArrayBuffer>;
}

/** Opens it and sends; what the other node answers first. */
function attempt(link: FakeLink, { label, protocol, payload }: Attempt): Promise<unknown> {
  const channel = link.openChannel({ label, protocol });
  const answer = Promise.withResolvers<unknown>();
  channel.handler = {
    handleText: (text) => answer.resolve(JSON.parse(text)),
    handleBinary: () => answer.resolve("payload"),
    handleBatchEnd: () => {},
    handleWritable: () => {},
    handleClosed: () => answer.resolve("closed"),
  };
  if (typeof payload === "string") channel.sendText(payload);
  else channel.sendBinary(payload, 0, payload.length);
  return answer.promise;
}

/** Whether the allowed target still answers over the link. */
async function isServed(link: FakeLink, label: string): Promise<boolean> {
  const channel = link.openChannel({ label, protocol: tcpProtocol });
  const { stream, answered } = new StreamPort(new TunnelStream(channel, { role: "opener" }), {
    pool,
  });
  const isAccepted = await answered;
  stream.end();
  return isAccepted;
}

Deno.test("X4: who asks for what no rule names is refused, in every kind of forward", {
  ignore,
}, async (test) => {
  const log = await LogRecorder.start();
  using folder = new SocketFolder();
  const reached: string[] = [];
  using allowed = Service.echo();
  using tcp = new Service(() => Promise.resolve(void reached.push("tcp")));
  using _unix = new UnixService(
    folder.path("s"),
    () => Promise.resolve(void reached.push("unix")),
  );
  await using udp = await UdpEnd.open(() => void reached.push("udp"));
  const listenPort = closedPort();
  const argv = ["touch", folder.path("exec")] as const;
  const commands = new CommandRunner([{ name: "touch", argv }]);

  const bytes = new TextEncoder().encode("it is there");
  const attempts: Record<string, Attempt> = {
    "a TCP port": { label: `127.0.0.1:${tcp.port}`, protocol: tcpProtocol, payload: bytes },
    "the same, as a name": {
      label: `localhost:${tcp.port}`,
      protocol: tcpProtocol,
      payload: bytes,
    },
    "the same, as a mapped address": {
      ...{ label: `[::ffff:127.0.0.1]:${tcp.port}`, protocol: tcpProtocol, payload: bytes },
    },
    "the allowed target's port, by UDP": {
      ...{ label: `127.0.0.1:${allowed.port}`, protocol: udpProtocol, payload: bytes },
    },
    "a UDP port": { label: `127.0.0.1:${udp.port}`, protocol: udpProtocol, payload: bytes },
    "a Unix socket": {
      ...{ label: `unix:${folder.path("s")}`, protocol: tcpProtocol, payload: bytes },
    },
    "a command": { label: "exec:touch", protocol: tcpProtocol, payload: bytes },
    "to listen here": {
      ...{ label: `127.0.0.1:${listenPort}`, protocol: listenProtocol },
      payload: JSON.stringify({ type: "listen", id: someId }),
    },
    "what this node never asked to have listened on": {
      ...{ label: `reverse:${someId}`, protocol: tcpProtocol, payload: bytes },
    },
    "a measurement": { label: "download", protocol: benchProtocol, payload: bytes },
  };

  const { access, records } = await accessOf(
    allowing(`host = "127.0.0.1", port = ${allowed.port}`, 'network = "tcp"'),
  );
  const node = new Node({ access, pool, commands });
  const { a, z } = linkPair({ pace: "turn" });
  node.adopt(z, { handleUp: () => {}, handleClosed: () => {} });
  a.goUp();
  z.goUp();

  for (const [what, each] of Object.entries(attempts)) {
    await test.step(what, async () => {
      equal(await isServed(a, `127.0.0.1:${allowed.port}`), true);
      const [refusals, told] = [log.of("refused").length, records.length];
      const answer = await attempt(a, each) as { type: string; code: string };
      deepEqual([answer.type, answer.code], ["refused", "denied"]);
      equal(log.of("refused").length, refusals + 1);
      // What this node would have to ask for is no matter of its rules.
      if (each.label.startsWith("reverse:")) return;
      equal(records.slice(told).some(({ event }) => event === "refused"), true);
    });
  }
  equal(await isServed(a, `127.0.0.1:${allowed.port}`), true);
  equal(commands.runningCount, 0);
  deepEqual([reached, folder.names], [[], ["s"]]);
  await test.step("and each of them is there for who may", async () => {
    access.replace(
      await policyOf([
        allowing('host = "127.0.0.0/8"'),
        allowing(`unix = "${folder.path("s")}"`),
        allowing('exec = "touch"'),
      ].join("")),
    );
    for (const what of ["a TCP port", "a Unix socket", "a command"]) {
      equal(await isServed(a, attempts[what]?.label ?? ""), true, what);
    }
    void attempt(a, attempts["a UDP port"] ?? fail());
    const there = () => reached.length + folder.names.length;
    while (there() < 5) await new Promise((resolve) => setTimeout(resolve));
    deepEqual([new Set(reached).size, folder.names], [3, ["exec", "s"]]);
  });
  await node.close("done");
});
