import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { benchProtocol, countLength, readCount } from "../../src/bench/bench_protocol.ts";
import { openStream, withStream } from "../../src/bench/client_stream.ts";
import { PatternReader, PatternWriter } from "../../src/bench/pattern.ts";
import { readAll, readSome, sendAll } from "../../src/bench/stream_work.ts";
import { StreamBroken, StreamPort } from "../../src/forward/stream_port.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { FakeTime } from "../fakes/fake_time.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";
import { accessOf, policyOf } from "../fakes/policies.ts";
import { allowing, joined, type Stage, untilReleased } from "./bench_links.ts";

/** Opens a stream of any kind; how it ended. */
async function endOf(stage: Stage, label: string) {
  const channel = stage.a.openChannel({ label, protocol: benchProtocol });
  const stream = new TunnelStream(channel, { role: "opener" });
  return await new StreamPort(stream, stage).closed;
}

Deno.test("echoes what comes, whole and in order, and its end", async () => {
  await LogRecorder.start();
  const stage = joined();
  const sent = testBytes(300_000);
  const came = new Uint8Array(sent.length);
  let length = 0;
  await withStream(stage, "echo", async (port) => {
    const send = async () => {
      await sendAll(port, sent);
      port.stream.end();
    };
    const receive = readAll(port, (bytes) => {
      came.set(bytes, length);
      length += bytes.length;
    });
    await Promise.all([send(), receive]);
  });
  equal(length, sent.length);
  equal(isSame(came, sent), true);
  await untilReleased(stage);
});

Deno.test("counts an upload, and says at its end how much it was", async () => {
  await LogRecorder.start();
  const stage = joined();
  const writer = new PatternWriter();
  const counts: number[] = [];
  await withStream(stage, "upload", async (port) => {
    while (writer.position < 700_000) {
      await port.untilSendable();
      writer.sendTo(port.stream);
    }
    port.stream.end();
    await readAll(port, (bytes) => {
      for (let at = 0; at < bytes.length; at += countLength) {
        counts.push(readCount(bytes.subarray(at)));
      }
    });
  });
  deepEqual(counts, counts.toSorted((one, other) => one - other));
  equal(counts.at(-1), writer.position);
  await untilReleased(stage);
});

Deno.test("breaks an upload off that is not the pattern", async () => {
  await LogRecorder.start();
  const stage = joined();
  const port = await openStream(stage, "upload");
  await port.untilSendable();
  new PatternWriter().sendTo(port.stream);
  await sendAll(port, new Uint8Array(100));
  const closed = await port.closed;
  match("reason" in closed ? closed.reason : "", /byte \d+ that came is not the one/);
  await untilReleased(stage);
});

Deno.test("sends a download until it is told to end", async () => {
  await LogRecorder.start();
  const stage = joined();
  const reader = new PatternReader();
  await withStream(stage, "download", async (port) => {
    while (reader.position < 700_000) await readSome(port, (bytes) => reader.check(bytes));
    port.stream.end();
    await readAll(port, (bytes) => reader.check(bytes));
  });
  await untilReleased(stage);
});

Deno.test("takes no payload on a download", async () => {
  await LogRecorder.start();
  const stage = joined();
  const port = await openStream(stage, "download");
  await sendAll(port, new Uint8Array(1));
  const closed = await port.closed;
  match("reason" in closed ? closed.reason : "", /payload came where none is expected/);
  await untilReleased(stage);
});

Deno.test("a download that nobody reads stops at the credit that was given", async () => {
  await LogRecorder.start();
  const stage = joined();
  const port = await openStream(stage, "download");
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  const [channel] = stage.a.channels;
  equal(channel?.unconsumedLength, 262_144);
  port.stream.reset("enough");
  await untilReleased(stage);
});

Deno.test("refuses what it does not know, and says so in the log", async () => {
  const log = await LogRecorder.start();
  const stage = joined();
  const closed = await endOf(stage, "weather");
  deepEqual(closed, {
    how: "refused",
    code: "malformed",
    reason: "this node knows no such measurement",
  });
  match(lineOf(await log.next("refused")), /refused a measurement to AB:CD: /);
  await untilReleased(stage);
});

Deno.test("refuses everything without --allow bench", async () => {
  await LogRecorder.start();
  const stage = joined({ access: allowing("127.0.0.1:80", "*:*") });
  for (const label of ["echo", "upload", "download", "figures", "weather"]) {
    const closed = await endOf(stage, label);
    equal(closed.how === "refused" && closed.code, "denied", label);
  }
  await untilReleased(stage);
});

/** A rule for measurements, with its limits. */
const limited = (limit: string) => `
  [[rule]]
  name = "bench"
  action = "allow"
  target.bench = true
  limit = { ${limit} }`;

Deno.test("its rule limits a measurement, and the audit has each open, refusal and close", async () => {
  await LogRecorder.start();
  const { access, records } = await accessOf(limited("connections = 1"));
  const stage = joined({ access });
  await withStream(stage, "echo", async (port) => {
    await rejects(openStream(stage, "download"), /rule "bench": .*connections/);
    await sendAll(port, new Uint8Array(1_000));
    for (let came = 0; came < 1_000;) await readSome(port, (bytes) => came += bytes.length);
    port.stream.end();
  });
  await untilReleased(stage);
  access.replace(await policyOf(""));
  await rejects(openStream(stage, "echo"), /measuring needs --allow bench, or a rule/);
  const told = records.map(({ event, rule, target, up, down }) => [event, rule, target, up, down]);
  deepEqual(told, [
    ["opened", "bench", "bench", undefined, undefined],
    ["refused", "bench", "bench", undefined, undefined],
    ["closed", "bench", "bench", 1_000, 1_000],
    ["refused", null, "bench", undefined, undefined],
  ]);
  equal(access.admittedCount, 0);
});

Deno.test("what is no measurement, and what is one too many, is refused in the audit", async () => {
  await LogRecorder.start();
  const { access, records } = await accessOf(limited("connections = 20"));
  const stage = joined({ access });
  await endOf(stage, "weather");
  const ports = [];
  for (let count = 0; count < 16; count++) ports.push(await openStream(stage, "echo"));
  await endOf(stage, "echo");
  for (const { stream } of ports) stream.reset("done");
  await untilReleased(stage);
  const refused = records.filter(({ event }) => event === "refused");
  deepEqual(refused.map(({ target, reason }) => [target, reason]), [
    ["bench", "this node knows no such measurement"],
    ["bench", "this node is being measured by too many: try later"],
  ]);
});

Deno.test("a measurement goes no faster than its rule lets it, either way", async () => {
  await LogRecorder.start();
  const { access, clock, records } = await accessOf(limited("bytes-per-second = 100_000"));
  const stage = joined({ access });
  const down = await openStream(stage, "download");
  const up = await openStream(stage, "upload");
  const upload = async () => {
    const writer = new PatternWriter();
    while (true) await sendAll(up, writer.next());
  };
  const moves = [readAll(down, () => {}), upload()].map((move) => rejects(move, StreamBroken));
  for (let slice = 0; slice < 500; slice++) {
    await clock.advance(20);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  access.replace(await policyOf(""));
  match(JSON.stringify(await down.closed), /no longer allowed/);
  await Promise.all(moves);
  await untilReleased(stage);
  const [sent, received] = records.filter(({ event }) => event === "closed");
  ok(Math.abs((sent?.down ?? 0) - 1_000_000) < 50_000, JSON.stringify(sent));
  ok(Math.abs((received?.up ?? 0) - 1_000_000) < 50_000, JSON.stringify(received));
  equal(clock.timerCount, 0);
});

Deno.test("a stream that is reset gives its place back, however much of it waits for its pace", async () => {
  await LogRecorder.start();
  const { access, clock } = await accessOf(limited("bytes-per-second = 10_000"));
  const stage = joined({ access });
  const ports = [];
  for (let count = 0; count < 16; count++) {
    const port = await openStream(stage, "upload");
    const writer = new PatternWriter();
    while (writer.position < 60_000) writer.sendTo(port.stream);
    ports.push(port);
  }
  while (clock.timerCount === 0) await new Promise((resolve) => setImmediate(resolve));
  for (const { stream } of ports) stream.reset("enough");
  await untilReleased(stage);
  equal(access.admittedCount, 0);
  equal(clock.timerCount, 0);
  const next = await openStream(stage, "echo");
  next.stream.reset("enough");
  await untilReleased(stage);
});

Deno.test("serves 16 streams at once, and others again when one has ended", async () => {
  await LogRecorder.start();
  const stage = joined();
  const ports = [];
  for (let count = 0; count < 16; count++) ports.push(await openStream(stage, "echo"));
  await rejects(openStream(stage, "echo"), /this node is being measured by too many/);
  ports[3]?.stream.reset("done");
  const next = await openStream(stage, "upload");
  await rejects(openStream(stage, "echo"), /this node is being measured by too many/);
  for (const { stream } of [...ports, next]) stream.reset("done");
  await untilReleased(stage);
});

Deno.test("no stream is served for longer than two minutes", async () => {
  await LogRecorder.start();
  using time = new FakeTime();
  const stage = joined();
  for (const label of ["echo", "upload", "download", "figures"]) {
    const closed = endOf(stage, label);
    await time.pass(120_000);
    match(JSON.stringify(await closed), /may take 120 s at most/, label);
    await time.pass(20_000);
  }
  equal(time.pendingCount, 0);
});
