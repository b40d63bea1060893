/**
 * What the crypto of DTLS costs: sealing and opening a record, by node:crypto and by libcrypto in
 * the same run, and the primitives of a handshake.
 */
import { generateKeyPairSync } from "node:crypto";
import { keyLengths, tagLength } from "../src/crypto/aead_sizes.ts";
import type { LibcryptoAead } from "../src/crypto/libcrypto_aead.ts";
import { loadLibcrypto } from "../src/crypto/load_libcrypto.ts";
import { nodeAead } from "../src/crypto/node_aead.ts";
import { createNodeHandshakeCrypto } from "../src/crypto/node_handshake_crypto.ts";
import type { AeadName, AeadProvider } from "../src/dtls/aead.ts";
import type { HandshakeCrypto } from "../src/dtls/handshake_crypto.ts";
import { certificateWith } from "../tests/crypto/forged_certificate.ts";

const roundCount = 7;
const roundLength = 40;
const lengths = [64, 1200, 16_000];
const names: readonly AeadName[] = ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"];

/** One way to protect a record of one length; what it costs, in ns. */
interface Way {
  readonly name: string;
  readonly seal: () => void;
  readonly open: () => boolean;
}

function wayOf(
  { name, provider, buffer, aead, length }: {
    readonly name: string;
    readonly provider: AeadProvider;
    readonly buffer: Uint8Array;
    readonly aead: AeadName;
    readonly length: number;
  },
): Way {
  const key = provider.createKey(aead, new Uint8Array(keyLengths[aead]));
  const nonce = new Uint8Array(12);
  const aad = new Uint8Array(13);
  key.seal(buffer, 0, length, nonce, aad);
  const sealed = buffer.slice();
  return {
    name,
    seal: () => key.seal(buffer, 0, length, nonce, aad),
    // A record opens once, so that each time it is put there again.
    open: () => {
      buffer.set(sealed);
      return key.open(buffer, 0, length, nonce, aad);
    },
  };
}

function waysFor(
  { libcrypto, aead, length }: {
    readonly libcrypto: LibcryptoAead | undefined;
    readonly aead: AeadName;
    readonly length: number;
  },
): readonly Way[] {
  const shared = { aead, length };
  const heap = () => new Uint8Array(length + tagLength);
  const ways = [wayOf({ ...shared, name: "node:crypto", provider: nodeAead, buffer: heap() })];
  if (libcrypto === undefined) return ways;
  ways.push(wayOf({ ...shared, name: "libcrypto, copied", provider: libcrypto, buffer: heap() }));
  const buffer = libcrypto.allocate(length + tagLength);
  if (buffer === undefined) return ways;
  ways.push(wayOf({ ...shared, name: "libcrypto, in place", provider: libcrypto, buffer }));
  return ways;
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
  for (const call of calls) time(call);
  const rounds = Array.from({ length: roundCount }, () => calls.map(time));
  return calls.map((_, at) => median(rounds.map((one) => one[at] ?? NaN)));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function measureRecords(libcrypto: LibcryptoAead | undefined): void {
  console.log(`ns a record, seal / open (with a copy of the record back into its place)`);
  console.log(row("", lengths.map((length) => `${length} B`)));
  for (const aead of names) {
    const columns = lengths.map((length) => {
      const ways = waysFor({ libcrypto, aead, length });
      const durations = timeAll(ways.flatMap(({ seal, open }) => [seal, open]));
      return ways.map(({ name }, at) => ({
        name,
        cell: [2 * at, 2 * at + 1].map((one) => Math.round(durations[one] ?? NaN)).join(" / "),
      }));
    });
    for (const [at, { name }] of (columns[0] ?? []).entries()) {
      console.log(row(`${aead}, ${name}`, columns.map((column) => column[at]?.cell ?? "")));
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
  return `  ${name.padEnd(40)}${cells.map((cell) => cell.padStart(16)).join("")}`;
}

const libcrypto = await loadLibcrypto();
console.log(libcrypto?.name ?? "no libcrypto here: node:crypto alone");
measureRecords(libcrypto);
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
measureHandshake(
  createNodeHandshakeCrypto({ aead: nodeAead, privateKey }),
  certificateWith(spki),
);
