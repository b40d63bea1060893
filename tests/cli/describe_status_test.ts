import { deepEqual, equal, match, ok } from "node:assert/strict";
import { describeForwards, describeStatus } from "../../src/cli/describe_status.ts";
import { sampleStatus } from "../fakes/sample_status.ts";

const now = Date.parse("2026-01-02T02:23:20.000Z");

Deno.test("a node is described in aligned tables", () => {
  const url = `https://light.example.org/ingresses/${"k".repeat(52)}`;
  deepEqual(describeStatus(sampleStatus(), now).split("\n"), [
    "aetherport 0.1.0, pid 4711, up for 1 d 2 h",
    "",
    "LINK  PEER         STATE        PATH         RTT  UP FOR",
    "   1  home         up           direct   12.3 ms  1 d 2 h",
    "  27  AB:CD:EF:01  unreachable  relayed        -  2 h 23 min",
    "  relayed: no direct path works",
    "",
    "LINK     SENT  RECEIVED  SENDING   RECEIVING     SERVED",
    "   1  1.23 MB   9.88 GB    0 B/s  123.5 MB/s  2 of 1000",
    "  27      0 B       0 B    0 B/s       0 B/s     0 of 0",
    "",
    "FORWARD         TARGET       OPEN  TOTAL",
    "127.0.0.1:8080  10.0.0.5:80     3     12",
    "[::1]:8080",
    `  by ${url}`,
    "",
    "REVERSE         TARGET        PEER",
    "127.0.0.1:9000  127.0.0.1:90  home",
    "[::1]:9000",
    "localhost:9000  127.0.0.1:90  office",
    "  not listening: no --allow-listen names it",
    "localhost:9001  127.0.0.1:91  -",
    "  not listening yet",
    `  by ${url}`,
    "",
    "LISTENS ON      FOR          RULE",
    "0.0.0.0:7000    home         demos",
    "127.0.0.1:7001  AB:CD:EF:01  --allow-listen",
    "[::1]:7001",
    "",
    `waits at ${url}`,
    `unreachable (not waiting: connection refused) at ${url}`,
    "",
    "warning: certificate of laptop ends in 29 days, on 2026-01-31",
  ]);
});

Deno.test("tables fit 80 columns, whatever names and counts there are", () => {
  const { links: [link], forwards: [forward], ...rest } = sampleStatus();
  ok(link !== undefined && forward !== undefined);
  const wide = describeStatus({
    ...rest,
    links: [{
      ...link,
      ...{ id: 1_234, peer: "p".repeat(64), state: "unreachable", roundTripMs: 12_345.6 },
      ...{ path: link.path && { ...link.path, kind: "relayed" } },
      ...{ sentBytes: 999_999_999_999, receivedBytes: 999_999_999_999 },
      ...{ sentBytesPerSecond: 999_999_999, receivedBytesPerSecond: 999_999_999 },
      served: { open: 16_384, total: 123_456 },
    }],
    forwards: [{
      ...forward,
      ...{ route: null, target: `${"t".repeat(200)}:65535`, addresses: [`/${"s".repeat(100)}`] },
      connections: { open: 16_384, total: 12_345_678 },
    }],
    reverses: [{
      ...{ spec: "", listen: `${"r".repeat(100)}:1`, target: `${"t".repeat(200)}:1`, route: null },
      asked: [{ peer: "p".repeat(64), addresses: [], reason: null }],
    }],
    listeners: [
      { peer: "p".repeat(64), addresses: ["[2001:db8:0:1:2:3:4:5]:12345"], rule: "r".repeat(64) },
    ],
    ingresses: [],
  }, now);
  ok(wide.includes(`\n/${"s".repeat(100)}\n`), "an address can be copied");
  const lines = wide.split("\n").filter((line) => !/^(?:\/|rrr)/.test(line));
  for (const line of lines) ok(line.length <= 80, `${line.length}: ${line}`);
});

Deno.test("what a peer is named is no terminal's command", () => {
  const status = sampleStatus();
  const [link] = status.links;
  ok(link !== undefined);
  const text = describeStatus({ ...status, links: [{ ...link, peer: "a\u001b[2J\nb" }] }, now);
  match(text, /a \[2J b/);
});

Deno.test("a certificate that lasts is no matter of a warning, and one that has ended is", () => {
  const ending = (daysLeft: number) => {
    const status = sampleStatus();
    const certificates = status.certificates.map((one) => ({ ...one, daysLeft }));
    return describeStatus({ ...status, certificates }, now).split("\n").at(-1);
  };
  equal(ending(30), "certificate of laptop ends in 30 days, on 2026-01-31");
  equal(ending(1), "warning: certificate of laptop ends in 1 day, on 2026-01-31");
  equal(ending(-1), "warning: certificate of laptop ended on 2026-01-31");
});

Deno.test("amounts have three digits or so, and their unit", () => {
  const { links: [link], ...rest } = sampleStatus();
  ok(link !== undefined);
  const shown = [0, 1, 999, 1_000, 9_999, 12_345, 1_000_000, 2e15].map((sentBytes) => {
    const lines = describeStatus({ ...rest, links: [{ ...link, sentBytes }] }, now).split("\n");
    const row = lines[lines.findIndex((line) => line.includes("SENDING")) + 1] ?? "";
    return row.trim().split(/ {2,}/)[1];
  });
  deepEqual(shown, [
    ...["0 B", "1 B", "999 B", "1.00 kB", "10.00 kB", "12.3 kB", "1.00 MB", "2000.0 TB"],
  ]);
});

Deno.test("where there is nothing, little is said", () => {
  const status = {
    ...{ ...sampleStatus(), links: [], forwards: [], reverses: [], listeners: [] },
    ...{ ingresses: [], certificates: [] },
  };
  equal(describeStatus(status, now), "aetherport 0.1.0, pid 4711, up for 1 d 2 h\n\nno links");
  deepEqual(describeForwards([]), []);
});
