/**
 * Datagrams of genuine handshakes and connections, spoilt.
 *
 * @module
 */
import { equal, ok } from "node:assert/strict";
import { DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
import { parseRecords, writeRecords } from "./on_path.ts";
import {
  bytesOf,
  clientIdentity,
  configOf,
  connectedPair,
  Pair,
  type PairOptions,
  serverIdentity,
  type Side,
} from "./pair.ts";
import { seededRandom } from "./seeded_random.ts";
import { swiftCrypto } from "./test_crypto.ts";

type Random = () => number;

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

const interesting = [0, 1, 2, 11, 12, 13, 14, 20, 22, 63, 127, 128, 254, 255];

/** Spoils a datagram: bytes, lengths, order, ends. */
function mutate(random: Random, genuine: Uint8Array): Uint8Array {
  let bytes: Uint8Array = genuine.slice();
  const rounds = 1 + below(random, 4);
  for (let round = 0; round < rounds; round++) {
    const at = below(random, bytes.length);
    switch (below(random, 6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
        break;
      case 1:
        bytes[at] = interesting[below(random, interesting.length)] ?? 0;
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.of(...bytes.slice(0, at), ...bytes.slice(below(random, at + 1)));
        break;
      case 4:
        bytes = Uint8Array.of(...bytes.slice(0, at), below(random, 256), ...bytes.slice(at));
        break;
      default:
        bytes = insideOf(random, bytes);
    }
    if (bytes.length === 0) return bytes;
  }
  return bytes.slice(0, 4_000);
}

/** Spoils what one record carries, and leaves its frame whole. */
function insideOf(random: Random, bytes: Uint8Array): Uint8Array {
  const records = parseRecords(bytes);
  const chosen = below(random, records.length);
  return writeRecords(records.map((record, index) => {
    if (index !== chosen || record.fragment.length === 0) return record;
    const fragment = record.fragment.slice();
    fragment[below(random, fragment.length)] = interesting[below(random, interesting.length)] ?? 0;
    return { ...record, fragment };
  }));
}

/** Signatures that cost little: most of these datagrams have one that is wrong. */
const swift: PairOptions = {
  client: { crypto: swiftCrypto(clientIdentity) },
  server: { crypto: swiftCrypto(serverIdentity) },
};

/**
 * Gives mutated datagrams to endpoints in every state of the handshake. They may end it; they must
 * not throw, nor connect anybody.
 */
export function tryHandshakes(count: number, seed: number, options: PairOptions = swift): void {
  const random = seededRandom(seed);
  const recorded = connectedPair(options).sent;
  for (let done = 0; done < count;) {
    const pair = new Pair({ ...options, tap: () => [] });
    const side: Side = random() < 0.5 ? "client" : "server";
    const from = side === "client" ? "server" : "client";
    const genuine = recorded.filter((one) => one.from === from).map(({ bytes }) => bytes);
    for (let burst = 0; burst < 40 && done < count; burst++, done++) {
      pair.deliver(
        side,
        mutate(random, genuine[below(random, genuine.length)] ?? new Uint8Array(1)),
      );
    }
    ok(!pair[side].isConnected());
  }
}

/** Gives mutated records to open connections: nothing of them may count. */
export function tryConnections(count: number, seed: number): void {
  const random = seededRandom(seed);
  const pair = connectedPair();
  const recorded = pair.sent.map(({ bytes }) => bytes);
  for (let done = 0; done < count; done++) {
    const side: Side = random() < 0.5 ? "client" : "server";
    const from = side === "client" ? "server" : "client";
    const record = pair.seal(from, bytesOf("genuine"));
    const genuine = random() < 0.7 ? record : recorded[below(random, recorded.length)] ?? record;
    const spoilt = mutate(random, genuine);
    const before = pair.events[side].length;
    pair.deliver(side, spoilt);
    // A mutation may leave the record as it was, or put more behind it.
    const delivered = pair.events[side].slice(before);
    for (const event of delivered) {
      ok(event.type === "data");
      equal(new TextDecoder().decode(event.bytes), "genuine");
    }
  }
  ok(pair.isConnected());
  pair.send("client", bytesOf("still"));
  pair.send("server", bytesOf("here"));
  pair.run(pair.now + 100);
  equal(pair.texts("server").at(-1), "still");
  equal(pair.texts("client").at(-1), "here");
}

/** So often each datagram of a flood comes: to make one costs more than to drop it. */
const repetitions = 10;

/**
 * The most that an open connection ever held, in bytes, while mutated and random datagrams came to
 * both ends, and what it holds then.
 */
export function heldByConnection(
  count: number,
  seed: number,
): { readonly most: number; readonly left: number } {
  const random = seededRandom(seed);
  const pair = connectedPair();
  const recorded = pair.sent.map(({ bytes }) => bytes);
  const spans = new Uint32Array(64);
  const lent = new Uint8Array(4_000);
  let most = 0;
  for (let done = 0; done < count; done += repetitions) {
    const side: Side = random() < 0.5 ? "client" : "server";
    const bytes = spoiltFor(random, pair, side, recorded);
    for (let times = 0; times < repetitions; times++) {
      lent.set(bytes);
      pair[side].open(lent, 0, bytes.length, spans, pair.now);
      most = Math.max(most, pair[side].heldLength());
    }
    pair.now++;
    pair.poll(side);
  }
  pair.send("client", bytesOf("still"));
  pair.send("server", bytesOf("here"));
  pair.run(pair.now + 100);
  equal(pair.texts("server").at(-1), "still");
  equal(pair.texts("client").at(-1), "here");
  return { most, left: pair.client.heldLength() + pair.server.heldLength() };
}

/** A mutated record or handshake datagram, or bytes drawn at random. */
function spoiltFor(
  random: Random,
  pair: Pair,
  side: Side,
  recorded: readonly Uint8Array[],
): Uint8Array {
  const kind = below(random, 4);
  if (kind === 0) return drawn(random, below(random, 200));
  const from = side === "client" ? "server" : "client";
  const genuine = kind === 1
    ? pair.seal(from, bytesOf("genuine"))
    : recorded[below(random, recorded.length)];
  return mutate(random, genuine ?? new Uint8Array(1));
}

function drawn(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => below(random, 256));
}

/** The most that an endpoint in the middle of a handshake ever held under such a flood, in bytes. */
export function heldByHandshakes(count: number, seed: number): number {
  const random = seededRandom(seed);
  const recorded = connectedPair().sent.map(({ bytes }) => bytes);
  let most = 0;
  for (let done = 0; done < count;) {
    const side: Side = random() < 0.5 ? "client" : "server";
    const endpoint = new DtlsEndpoint(configOf(side, swift[side]), 0);
    for (let burst = 0; burst < 2_000 && done < count; burst++, done++) {
      const genuine = recorded[below(random, recorded.length)] ?? new Uint8Array(1);
      endpoint.handleDatagram(mutate(random, genuine), 0);
      most = Math.max(most, endpoint.heldLength());
    }
  }
  return most;
}

/** What lies in memory after many datagrams to one endpoint, in bytes. */
export function memoryOfFlood(count: number, seed: number): number {
  const random = seededRandom(seed);
  const recorded = connectedPair().sent.map(({ bytes }) => bytes);
  const endpoint = new DtlsEndpoint(configOf("server", swift.server), 0);
  const before = Deno.memoryUsage().heapUsed;
  for (let done = 0; done < count; done++) {
    endpoint.handleDatagram(
      mutate(random, recorded[below(random, recorded.length)] ?? recorded[0] ?? new Uint8Array(1)),
      0,
    );
    while (endpoint.pollEvent() !== undefined);
  }
  return Deno.memoryUsage().heapUsed - before;
}
