/** Handshakes, and what comes after them, over the simulated network. */
import { equal, ok } from "node:assert/strict";
import type { DtlsConfig } from "../../src/dtls/dtls_endpoint.ts";
import { DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
import type { Impairments } from "../sim/impairments.ts";
import { Pair } from "../sim/pair.ts";
import { forSeeds } from "../sim/seeds.ts";
import { bytesOf, configOf } from "./pair.ts";

type DtlsPair = Pair<DtlsEndpoint, DtlsEndpoint>;

function join(seed: number, impairments: Impairments, config: Partial<DtlsConfig> = {}): DtlsPair {
  const pair = new Pair({
    seed,
    a: new DtlsEndpoint(configOf("client", config), 0),
    z: new DtlsEndpoint(configOf("server", config), 0),
    names: { a: "client", z: "server" },
    impairments,
    invariant: ({ events }) => {
      // Nobody's data before the peer is judged, and nothing after the end.
      for (const list of [events.a, events.z]) {
        const types = list.map(({ type }) => type);
        ok(types.indexOf("data") === -1 || types[0] === "connected", types.join());
        ok(types.indexOf("ended") === -1 || types.indexOf("ended") === types.length - 1);
      }
    },
  });
  pair.call("a", () => {});
  return pair;
}

function isConnected({ a, z }: DtlsPair): boolean {
  return a.isConnected() && z.isConnected();
}

/** Sends records in both directions until one has arrived at each end. */
function talks(pair: DtlsPair): void {
  for (let count = 0; count < 200; count++) {
    for (const end of ["a", "z"] as const) {
      pair.call(end, (endpoint) => {
        const payload = bytesOf(`${end} ${count}`);
        const record = new Uint8Array(endpoint.recordOverhead() + payload.length);
        record.set(payload, endpoint.payloadOffset());
        equal(endpoint.seal(record, 0, record.length, record.length), 1);
        pair.inject(end === "a" ? "z" : "a", record);
      });
    }
    pair.runFor(10);
  }
  for (const end of ["a", "z"] as const) {
    const other = end === "a" ? "z" : "a";
    const texts = pair.events[end].flatMap((event) =>
      event.type === "data" ? [new TextDecoder().decode(event.bytes)] : []
    );
    equal(texts.length, 200);
    ok(texts.every((text, index) => text === `${other} ${index}`));
  }
}

const paths: Readonly<Record<string, Impairments>> = {
  "that is perfect": { delayMs: 20 },
  "that loses 20 %": { delayMs: 20, jitterMs: 10, loss: 0.2 },
  "that loses in bursts": { delayMs: 20, burstLoss: { enterBad: 0.1, leaveBad: 0.6 } },
  "that reorders and doubles": {
    delayMs: 20,
    jitterMs: 20,
    reorder: { probability: 0.3, extraDelayMs: 60 },
    duplicate: 0.3,
  },
  "that is slow": { delayMs: 300, rate: { bitsPerSecond: 64_000, queueBytes: 4_000 } },
  "that is cut for 12 s": { delayMs: 20, cuts: [{ from: 10, until: 12_000 }] },
};

for (const [name, impairments] of Object.entries(paths)) {
  Deno.test(`a handshake completes over a path ${name}`, () => {
    forSeeds(40, (seed) => {
      const pair = join(seed, impairments);
      pair.run({ until: isConnected, maxVirtualMs: 30_000 });
    });
  });
}

Deno.test("a handshake completes over a path of 576 bytes", () => {
  const pair = join(1, { delayMs: 20, mtuBytes: 548 }, { mtu: 548 });
  pair.run({ until: isConnected, maxVirtualMs: 1_000 });
  talks(pair);
});

Deno.test("a handshake larger than the path's MTU completes in smaller datagrams", () => {
  const pair = join(1, { delayMs: 20, mtuBytes: 600 });
  pair.run({ until: isConnected, maxVirtualMs: 10_000 });
});

Deno.test("where bits flip, both are connected to each other or the handshake ends", () => {
  let connectedCount = 0;
  forSeeds(100, (seed) => {
    const pair = join(seed, { delayMs: 20, corrupt: 0.2, loss: 0.05 });
    const hasEnded = ({ events }: DtlsPair) =>
      [...events.a, ...events.z].some(({ type }) => type === "ended");
    pair.run({ until: (one) => isConnected(one) || hasEnded(one), maxVirtualMs: 40_000 });
    if (!isConnected(pair)) return;
    connectedCount++;
    pair.runFor(1_000);
    if (isConnected(pair)) talks(pair);
  });

  ok(connectedCount > 80, `${connectedCount}`);
});
