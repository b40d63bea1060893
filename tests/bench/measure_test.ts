import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { measure, type MeasurePlan } from "../../src/bench/measure.ts";
import { PatternWriter } from "../../src/bench/pattern.ts";
import { readAll, sendAll } from "../../src/bench/stream_work.ts";
import { writeCount } from "../../src/bench/bench_protocol.ts";
import type { StreamPort } from "../../src/forward/stream_port.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { allowing, joined, type Services, tellTraffic, untilReleased } from "./bench_links.ts";

const plan: MeasurePlan = { duration: 40, echoCount: 5, echoInterval: 1, streamCount: 4 };

/** What measuring fails with where some streams are served like that. */
async function failsWith(services: Services, problem: RegExp): Promise<void> {
  await LogRecorder.start();
  const stage = joined({ services });
  await rejects(measure(stage, plan), problem);
  await stage.a.close("done");
}

/** Serves a stream to its end with bytes of the test's. */
function saying(bytes: Uint8Array): (port: StreamPort) => Promise<void> {
  return async (port) => {
    await sendAll(port, bytes);
    await readAll(port, () => {});
    port.stream.end();
    port.stream.confirmEnd();
  };
}

Deno.test("measures the idle link and both directions, and leaves nothing behind", async () => {
  const log = await LogRecorder.start();
  const stage = joined();
  const { path, idle, upload, download } = await measure(stage, plan);
  equal(path?.local, "192.0.2.1:1000");
  equal(idle.count, plan.echoCount);
  ok(idle.p50 > 0 && idle.p99 >= idle.p50);
  for (const figures of [upload, download]) {
    equal(figures.streamCount, plan.streamCount);
    ok(figures.bytes > 0 && figures.duration > 0);
    ok(figures.loaded.count > 0 && figures.loaded.p99 >= figures.loaded.p50);
  }
  await untilReleased(stage);
  equal(log.of("refused").length, 0);
  await stage.a.close("done");
});

Deno.test("goes one after another: round trips, the way up, the way down", async () => {
  const log = await LogRecorder.start();
  const stage = joined();
  await measure(stage, plan);
  const events = log.records.map(({ properties }) => properties.event);
  deepEqual(events.filter((event) => String(event).startsWith("bench-")), [
    "bench-idle",
    "bench-upload",
    "bench-download",
  ]);
  await stage.a.close("done");
});

Deno.test("tells what both ends sent again, each while it was sending", async () => {
  await LogRecorder.start();
  const stage = joined();
  tellTraffic(stage.a, 1_000);
  tellTraffic(stage.z, 5_000);
  const { upload, download } = await measure(stage, plan);
  deepEqual(upload.traffic, { sent: 1_000, resent: 100 });
  deepEqual(download.traffic, { sent: 5_000, resent: 500 });
  await stage.a.close("done");
});

Deno.test("a node that tells nothing of what it sent again is measured all the same", async () => {
  await LogRecorder.start();
  const refusing = (port: StreamPort) => {
    port.stream.reset("never mind");
    return Promise.resolve();
  };
  const told: Services[] = [
    {},
    { figures: saying(new TextEncoder().encode("{}")) },
    { figures: saying(new TextEncoder().encode("[")) },
    { figures: saying(new TextEncoder().encode('{"sent":1,"resent":2}')) },
  ];
  for (const services of told) {
    const stage = joined({ services });
    const { download } = await measure(stage, plan);
    equal(download.traffic, undefined);
    await stage.a.close("done");
  }
  await failsWith({ figures: refusing }, /the figures stream was broken off: never mind/);
});

Deno.test("a node without --allow bench refuses, and the error says what to do", async () => {
  const log = await LogRecorder.start();
  for (const rules of [[], ["*:*"], ["bench:80"]]) {
    const stage = joined({ access: allowing(...rules) });
    await rejects(
      measure(stage, plan),
      /^MeasurementRefused: the other node refused to be measured: .*--allow bench/,
    );
    await untilReleased(stage);
    await stage.a.close("done");
  }
  equal(log.of("refused").length, 3);
});

Deno.test("an echo that is not what was sent is an error", async () => {
  const echo = saying(new Uint8Array(16).fill(7));
  await failsWith({ echo }, /an echo is not what was sent/);
});

Deno.test("a download that is not the pattern is an error that says where", async () => {
  const download = async (port: StreamPort) => {
    await port.untilSendable();
    new PatternWriter().sendTo(port.stream);
    await sendAll(port, new Uint8Array(10));
  };
  await failsWith({ download }, /byte \d+ that came is not the one that was sent/);
});

Deno.test("a download that ends too early is an error", async () => {
  const download = (port: StreamPort) => Promise.resolve(port.stream.end());
  await failsWith({ download }, /ended the download too early/);
});

Deno.test("an upload of which less came than was sent is an error", async () => {
  const upload = async (port: StreamPort) => {
    let length = 0;
    await readAll(port, (bytes) => length += bytes.length);
    await sendAll(port, writeCount(length - 1));
    port.stream.end();
    port.stream.confirmEnd();
  };
  await failsWith({ upload }, /of \d+ bytes that were sent up, \d+ came/);
});

Deno.test("an upload of which more is counted than was sent is an error", async () => {
  for (const count of [2 ** 50, Number.MAX_SAFE_INTEGER * 512]) {
    const upload = saying(writeCount(count));
    await failsWith({ upload }, /the other node counts what was not sent/);
  }
});

Deno.test("an upload that the other node breaks off is an error that says why", async () => {
  const upload = (port: StreamPort) => Promise.resolve(port.stream.reset("no more of this"));
  await failsWith({ upload }, /the upload stream was broken off: no more of this/);
});

Deno.test("a link that ends during the measurement ends it", async () => {
  await LogRecorder.start();
  for (const label of ["echo", "upload", "download"] as const) {
    const stage = joined({ services: { [label]: () => stage.z.close("gone") } });
    await rejects(measure(stage, plan), /the link or the other node ended it/);
  }
});
