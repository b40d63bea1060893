/** How it stands with a node that has a little of everything. */
import type { NodeStatus } from "../../src/control/control_answer.ts";

/** A new one each time. */
export function sampleStatus(): NodeStatus {
  const url = `https://light.example.org/ingresses/${"k".repeat(52)}`;
  return {
    program: "aetherport 0.1.0",
    pid: 4_711,
    since: "2026-01-01T00:00:00.000Z",
    uptimeMs: 95_000_000,
    links: [
      {
        ...{ id: 1, peer: "home", keyId: "k".repeat(52), fingerprint: "AB:CD", state: "up" },
        ...{ since: "2026-01-01T00:00:10.000Z", route: url },
        path: { kind: "direct", reason: null, local: "192.0.2.1:1000", remote: "192.0.2.2:2000" },
        ...{ roundTripMs: 12.34, silentMs: 500, sentBytes: 1_234_567, resentBytes: 1_200 },
        ...{ receivedBytes: 9_876_543_210, sentBytesPerSecond: 0 },
        ...{ receivedBytesPerSecond: 123_456_789, served: { open: 2, total: 1_000 } },
      },
      {
        ...{ id: 27, peer: "AB:CD:EF:01", keyId: null, fingerprint: "AB:CD:EF", route: null },
        ...{ state: "unreachable", since: "2026-01-01T23:59:59.000Z" },
        path: {
          ...{ kind: "relayed", local: "192.0.2.1:1000", remote: "[2001:db8::2]:2000" },
          reason: "no direct path works",
        },
        ...{ roundTripMs: null, silentMs: 31_000, sentBytes: 0, resentBytes: 0, receivedBytes: 0 },
        ...{ sentBytesPerSecond: 0, receivedBytesPerSecond: 0, served: { open: 0, total: 0 } },
      },
    ],
    forwards: [
      {
        ...{ spec: "8080:10.0.0.5:80", kind: "tcp", target: "10.0.0.5:80", route: url },
        addresses: ["127.0.0.1:8080", "[::1]:8080"],
        connections: { open: 3, total: 12 },
      },
    ],
    reverses: [
      {
        ...{ spec: "localhost:9000:127.0.0.1:90", listen: "localhost:9000", route: null },
        target: "127.0.0.1:90",
        asked: [
          { peer: "home", addresses: ["127.0.0.1:9000", "[::1]:9000"], reason: null },
          { peer: "office", addresses: [], reason: "no --allow-listen names it" },
        ],
      },
      {
        ...{ spec: "localhost:9001:127.0.0.1:91", listen: "localhost:9001", route: url },
        ...{ target: "127.0.0.1:91", asked: [] },
      },
    ],
    listeners: [
      { peer: "home", addresses: ["0.0.0.0:7000"], rule: "demos" },
      { peer: "AB:CD:EF:01", addresses: ["127.0.0.1:7001", "[::1]:7001"], rule: null },
    ],
    ingresses: [
      { url, state: "waiting", reason: null },
      { url, state: "unreachable", reason: "connection refused" },
    ],
    certificates: [{
      ...{ name: "laptop", keyId: "k".repeat(52), file: "laptop-cert.pem" },
      ...{ notAfter: "2026-01-31T00:00:00.000Z", daysLeft: 29 },
    }],
  };
}
