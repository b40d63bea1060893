/**
 * What the crypto of DTLS costs: sealing and opening a record, by node:crypto and by each way to call
 * libcrypto in the same run, and the primitives of a handshake.
 */
import { generateKeyPairSync } from "node:crypto";
import { tagLength } from "../src/crypto/aead_sizes.ts";
import { type Libcrypto, libcryptoNames, openLibcrypto } from "../src/crypto/libcrypto.ts";
import {
  createLibcryptoAead,
  type LibcryptoAead,
  type LibcryptoAeadOptions,
  libcryptoWays,
} from "../src/crypto/libcrypto_aead.ts";
import { isUsable } from "../src/crypto/libcrypto_probe.ts";
import { nodeAead } from "../src/crypto/node_aead.ts";
import { createNodeHandshakeCrypto } from "../src/crypto/node_handshake_crypto.ts";
import type { AeadProvider } from "../src/dtls/aead.ts";
import { type CipherSuite, cipherSuiteNames, cipherSuitesNamed } from "../src/dtls/cipher_suite.ts";
import type { HandshakeCrypto } from "../src/dtls/handshake_crypto.ts";
import { recordFields, recordHeaderLength, writeSequence } from "../src/dtls/record.ts";
import { RecordProtection } from "../src/dtls/record_protection.ts";
import { certificateWith } from "../tests/crypto/forged_certificate.ts";

const roundCount = 41;
/** In ms: short, so that noise of other processes meets few of them. */
const roundLength = 2;
const lengths = [256, 1360, 16_384];
const suites = cipherSuitesNamed(cipherSuiteNames);

/** One way to protect records of one length. */
interface Way {
  readonly name: string;
  readonly seal: () => void;
  readonly open: () => boolean;
}

/** What a way is made of. */
interface WayOptions {
  readonly name: string;
  readonly provider: AeadProvider;
  /** For a whole record. */
  readonly bytes: Uint8Array;
}

/** By the record layer itself. Each record is opened once, and so put into its place each time. */
function wayOf({ name, provider, bytes }: WayOptions, suite: CipherSuite): Way {
  const [sealing, opening] = [0, 1].map(() =>
    new RecordProtection(provider, suite, {
      key: new Uint8Array(suite.keyLength),
      fixedIv: new Uint8Array(suite.fixedIvLength),
    })
  ) as [RecordProtection, RecordProtection];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length - recordHeaderLength - suite.recordIvLength - tagLength;
  let sequence = 0;
  const seal = () => {
    writeSequence(view, recordFields.sequence, ++sequence);
    sealing.seal(bytes, view, 0, length);
  };
  seal();
  const sealed = bytes.slice();
  const open = () => {
    bytes.set(sealed);
    return opening.open(bytes, view, 0, length);
  };
  if (!open()) throw new Error(`${name} does not open what it sealed`);
  return { name, seal, open };
}

function waysFor(
  { libraries, suite, length }: {
    readonly libraries: readonly LibcryptoAead[];
    readonly suite: CipherSuite;
    readonly length: number;
  },
): readonly Way[] {
  const recordLength = recordHeaderLength + suite.recordIvLength + length + tagLength;
  const heap = new Uint8Array(recordLength);
  const ways = libraries.flatMap((provider): readonly WayOptions[] => {
    const bytes = provider.allocate(recordLength);
    return bytes === undefined ? [] : [{ name: provider.name, provider, bytes }];
  });
  const [first] = libraries;
  const copied = first === undefined
    ? []
    : [{ name: `${first.name}, copied`, provider: first, bytes: heap }];
  return [{ name: nodeAead.name, provider: nodeAead, bytes: heap }, ...copied, ...ways]
    .map((way) => wayOf(way, suite));
}

/** ns a call, in one round. */
function time(call: () => unknown): number {
  const begun = performance.now();
  let count = 0;
  let duration = 0;
  while (duration < roundLength) {
    for (let repeat = 0; repeat < 20; repeat++) call();
    count += 20;
    duration = performance.now() - begun;
  }
  return duration / count * 1e6;
}

/** Medians in ns, of rounds that alternate between the calls, so that all meet the same noise. */
function timeAll(calls: readonly (() => unknown)[]): readonly number[] {
  for (const call of calls) for (let warm = 0; warm < 10; warm++) time(call);
  const rounds = Array.from({ length: roundCount }, () => calls.map(time));
  return calls.map((_, at) => median(rounds.map((one) => one[at] ?? NaN)));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function measureRecords(libraries: readonly LibcryptoAead[]): void {
  console.log(`ns a record, seal / open (with a copy of the record back into its place)`);
  console.log(row("", lengths.map((length) => `${length} B`)));
  for (const suite of suites) {
    const columns = lengths.map((length) => {
      const ways = waysFor({ libraries, suite, length });
      const durations = timeAll(ways.flatMap(({ seal, open }) => [seal, open]));
      return ways.map(({ name }, at) => ({
        name,
        cell: [2 * at, 2 * at + 1].map((one) => Math.round(durations[one] ?? NaN)).join(" / "),
      }));
    });
    console.log(`  ${suite.aead}`);
    for (const [at, { name }] of (columns[0] ?? []).entries()) {
      console.log(row(name, columns.map((column) => column[at]?.cell ?? "")));
    }
  }
}

function measureHandshake(crypto: HandshakeCrypto, certificate: Uint8Array): void {
  const data = crypto.randomBytes(200);
  const signature = crypto.sign(data);
  const secret = crypto.randomBytes(48);
  const peers = {
    x25519: crypto.createKeyShare("x25519").publicKey,
    secp256r1: crypto.createKeyShare("secp256r1").publicKey,
  };
  const shares = {
    x25519: crypto.createKeyShare("x25519"),
    secp256r1: crypto.createKeyShare("secp256r1"),
  };
  const hash = crypto.createHash("sha256");
  hash.update(crypto.randomBytes(4000));
  const calls: Readonly<Record<string, () => unknown>> = {
    "x25519: share": () => crypto.createKeyShare("x25519"),
    "x25519: secret": () => shares.x25519.deriveSecret(peers.x25519),
    "secp256r1: share": () => crypto.createKeyShare("secp256r1"),
    "secp256r1: secret": () => shares.secp256r1.deriveSecret(peers.secp256r1),
    "ECDSA: sign": () => crypto.sign(data),
    "ECDSA: verify, with the certificate": () => crypto.verify(certificate, data, signature),
    "HMAC-SHA-256 of 200 B": () => crypto.hmac("sha256", secret, data),
    "digest of a growing hash": () => hash.digest(),
  };
  console.log("ms a call");
  for (const [at, duration] of timeAll(Object.values(calls)).entries()) {
    console.log(row(Object.keys(calls)[at] ?? "", [(duration / 1e6).toFixed(4)]));
  }
}

function row(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(56)}${cells.map((cell) => cell.padStart(16)).join("")}`;
}

/** The first that does no harm. One that is not the system's can be named as an argument. */
async function findLibcrypto(): Promise<string | undefined> {
  for (const name of Deno.args.length > 0 ? Deno.args : libcryptoNames) {
    if (await isUsable(name)) return name;
  }
  return undefined;
}

const libraryName = await findLibcrypto();
// Opened once, as a program does: a call is slow where it is now one library's and now another's.
const library = libraryName === undefined ? undefined : openLibcrypto(libraryName);

function aeadOf(options: Pick<LibcryptoAeadOptions, "way">): LibcryptoAead | undefined {
  if (library === undefined) return undefined;
  return typeof library.none === "number"
    ? createLibcryptoAead(library as Libcrypto<number>, options)
    : createLibcryptoAead(library as Libcrypto<Deno.PointerObject>, options);
}

console.log(`chosen: ${aeadOf({})?.name ?? "node:crypto, as there is no libcrypto"}`);
measureRecords(libcryptoWays.map((way) => aeadOf({ way })).filter((one) => one !== undefined));
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
measureHandshake(
  createNodeHandshakeCrypto({ aead: nodeAead, privateKey }),
  certificateWith(spki),
);
