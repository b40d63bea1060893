/** Records by every AEAD implementation that can be had, against those by node:crypto. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { LibcryptoAead } from "../../src/crypto/libcrypto_aead.ts";
import type { AeadProvider } from "../../src/dtls/aead.ts";
import { cipherSuiteNames, cipherSuitesNamed } from "../../src/dtls/cipher_suite.ts";
import type { CipherSuite } from "../../src/dtls/cipher_suite.ts";
import type { TrafficKey } from "../../src/dtls/key_schedule.ts";
import { contentTypes, tagLength } from "../../src/dtls/record.ts";
import { defaultKeyLimits, RecordLayer } from "../../src/dtls/record_layer.ts";
import { backEnds } from "../crypto/back_ends.ts";

const suites = cipherSuitesNamed(cipherSuiteNames);
const lengths = [0, 1, 15, 16, 17, 255, 1360, 16_384];
const type = contentTypes.applicationData;

/** One end of a connection; `seed` is its own, `peerSeed` the other's. */
function createLayer(
  { provider, suite, seed, peerSeed, firstSequence = 0 }: {
    readonly provider: AeadProvider;
    readonly suite: CipherSuite;
    readonly seed: number;
    readonly peerSeed: number;
    readonly firstSequence?: number;
  },
): RecordLayer {
  const layer = new RecordLayer(defaultKeyLimits, firstSequence);
  const [write, read] = [keyOf(suite, seed), keyOf(suite, peerSeed)];
  layer.install({ provider, suite, write, read });
  layer.openReadEpoch();
  return layer;
}

/** The traffic key of one direction. */
function keyOf(suite: CipherSuite, seed: number): TrafficKey {
  return {
    key: patterned(suite.keyLength, seed),
    fixedIv: patterned(suite.fixedIvLength, seed + 100),
  };
}

function patterned(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 167 + seed * 31 + 1) & 0xff);
}

/** A record of a payload, made in that memory. */
function recordBy(layer: RecordLayer, memory: Uint8Array, payload: Uint8Array): Uint8Array {
  const at = 5;
  memory.set(payload, at + layer.payloadOffset(1));
  const end = layer.write(memory, at, { epoch: 1, type, payloadLength: payload.length });
  ok(end !== undefined);
  return memory.slice(at, end);
}

/** Memory of both kinds: anybody's, and the provider's own. */
function memories(provider: AeadProvider): readonly Uint8Array[] {
  const length = 17_000;
  const own = (provider as Partial<LibcryptoAead>).allocate?.(length);
  return [new Uint8Array(length), ...(own === undefined ? [] : [own])];
}

for (const provider of backEnds) {
  Deno.test(`${provider.name}: records are node:crypto's, byte for byte, and open`, () => {
    for (const suite of suites) {
      for (const memory of memories(provider)) {
        // Past 2^32 within a few records, so that both words of the record number change.
        const shared = { suite, firstSequence: 2 ** 32 - 3 };
        const mine = createLayer({ ...shared, provider, seed: 1, peerSeed: 2 });
        const reference = createLayer({ ...shared, provider: nodeAead, seed: 1, peerSeed: 2 });
        const peer = createLayer({ ...shared, provider, seed: 2, peerSeed: 1 });
        for (const length of lengths) {
          const payload = patterned(length, length);
          const record = recordBy(mine, memory, payload);
          deepEqual(record, recordBy(reference, new Uint8Array(17_000), payload));
          memory.set(record, 9);
          equal(peer.read(memory, 9, 9 + record.length), undefined);
          deepEqual(memory.slice(peer.payloadStart(), peer.payloadEnd()), payload);
        }
      }
    }
  });

  Deno.test(`${provider.name}: connections that take turns keep their own nonces`, () => {
    const ends = suites.flatMap((suite) =>
      [1, 2, 3].map((seed) => ({
        mine: createLayer({ provider, suite, seed, peerSeed: seed + 50 }),
        reference: createLayer({ provider: nodeAead, suite, seed, peerSeed: seed + 50 }),
      }))
    );
    const [memory = new Uint8Array()] = memories(provider);
    const payload = patterned(40, 1);
    for (let round = 0; round < 6; round++) {
      for (const [at, { mine, reference }] of ends.entries()) {
        // Not all as often, so that their record numbers differ.
        if (round % (at + 1) > 1) continue;
        const record = recordBy(mine, memory, payload);
        deepEqual(record, recordBy(reference, new Uint8Array(200), payload));
      }
      // What one connection leaves behind must not matter to another.
      if (round === 3) ends.shift()?.mine.destroy();
    }
  });

  Deno.test(`${provider.name}: a wrong bit anywhere in a record opens nothing, nor ends it`, () => {
    for (const suite of suites) {
      for (const memory of memories(provider)) {
        const a = createLayer({ provider, suite, seed: 1, peerSeed: 2 });
        const z = createLayer({ provider, suite, seed: 2, peerSeed: 1 });
        const payload = patterned(33, 5);
        const record = recordBy(a, memory, payload);
        for (let bit = 0; bit < record.length * 8; bit++) {
          memory.set(record);
          memory[bit >> 3] = (memory[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          const defect = z.read(memory, 0, record.length);
          ok(defect !== undefined, `bit ${bit}`);
          // A record of another length has its text elsewhere.
          if (defect !== "unauthenticated" || bit >> 3 === 11 || bit >> 3 === 12) continue;
          const start = record.length - tagLength - payload.length;
          const left = memory.subarray(start, start + payload.length);
          ok(left.every((byte) => byte === 0), `bit ${bit}: no plaintext is left`);
        }
        memory.set(record);
        equal(z.read(memory, 0, record.length), undefined);
        deepEqual(memory.slice(z.payloadStart(), z.payloadEnd()), payload);
        equal(z.type(), type);
      }
    }
  });
}
