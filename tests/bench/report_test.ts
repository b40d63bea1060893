import { deepEqual, equal, match } from "node:assert/strict";
import type { DirectionFigures, Measurement } from "../../src/bench/measure.ts";
import { describeMeasurement, measurementToJson } from "../../src/bench/report.ts";

const upload: DirectionFigures = {
  bytes: 56_000_000,
  duration: 5_000,
  streamCount: 4,
  loaded: { count: 240, p50: 20.123_456, p99: 34 },
  traffic: { sent: 60_000_000, resent: 15_000 },
};
const measurement: Measurement = {
  path: { local: "192.0.2.1:1000", remote: "192.0.2.2:2000", isRelayed: false, rtt: 12.04 },
  idle: { count: 100, p50: 1.234_5, p99: 12.5 },
  upload,
  download: { ...upload, bytes: 1_250_000, traffic: undefined },
};

Deno.test("the text is a table with the path above", () => {
  deepEqual(describeMeasurement(measurement).split("\n"), [
    "path: direct, 192.0.2.1:1000 to 192.0.2.2:2000, 12.0 ms there and back by ICE",
    "load: 4 streams at once, 5.0 s up and 5.0 s down; 100 echoes while idle",
    "",
    "             throughput   round trip p50          p99   sent again",
    "idle                             1.23 ms      12.5 ms",
    "upload        11.2 MB/s          20.1 ms      34.0 ms       0.03 %",
    "download      0.25 MB/s          20.1 ms      34.0 ms     not told",
  ]);
});

Deno.test("the text says why a path is relayed", () => {
  const path = {
    local: "192.0.2.1:1000",
    remote: "192.0.2.2:2000",
    isRelayed: true,
    obstacle: "both NATs are symmetric",
  };
  match(
    describeMeasurement({ ...measurement, path }),
    /^path: relayed \(both NATs are symmetric\), 192\.0\.2\.1:1000 to 192\.0\.2\.2:2000\n/,
  );
  match(describeMeasurement({ ...measurement, path: undefined }), /^path: none at the moment\n/);
});

Deno.test("the JSON is one line, with units in its names", () => {
  const json = measurementToJson(measurement);
  equal(json.includes("\n"), false);
  const loaded = { count: 240, p50Ms: 20.123, p99Ms: 34 };
  deepEqual(JSON.parse(json), {
    path: {
      kind: "direct",
      obstacle: null,
      local: "192.0.2.1:1000",
      remote: "192.0.2.2:2000",
      roundTripMs: 12.04,
    },
    idle: { count: 100, p50Ms: 1.235, p99Ms: 12.5 },
    upload: {
      streams: 4,
      bytes: 56_000_000,
      durationMs: 5_000,
      bytesPerSecond: 11_200_000,
      loaded,
      loss: { sentBytes: 60_000_000, resentBytes: 15_000, share: 0.000_25 },
    },
    download: {
      streams: 4,
      bytes: 1_250_000,
      durationMs: 5_000,
      bytesPerSecond: 250_000,
      loaded,
      loss: null,
    },
  });
});

Deno.test("too little for a figure is no figure", () => {
  const nothing: DirectionFigures = {
    ...upload,
    bytes: 0,
    duration: 0,
    traffic: { sent: 0, resent: 0 },
  };
  const little = { ...measurement, upload: nothing };
  match(describeMeasurement(little), /upload {4,}too little .* not told\n/);
  const { bytesPerSecond, loss } = JSON.parse(measurementToJson(little)).upload;
  deepEqual([bytesPerSecond, loss.share], [null, null]);
});
