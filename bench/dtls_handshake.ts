/**
 * What a DTLS connection costs besides its records: the time a handshake takes each side, and
 * the memory that a connection holds while nothing passes.
 */
import { createHash, generateKeyPairSync } from "node:crypto";
import { fileURLToPath } from "node:url";
import { loadLibcrypto } from "../src/crypto/load_libcrypto.ts";
import { nodeAead } from "../src/crypto/node_aead.ts";
import { createNodeHandshakeCrypto } from "../src/crypto/node_handshake_crypto.ts";
import type { AeadProvider } from "../src/dtls/aead.ts";
import { type DtlsConfig, DtlsEndpoint } from "../src/dtls/dtls_endpoint.ts";
import type { HandshakeCrypto, NamedGroup } from "../src/dtls/handshake_crypto.ts";
import { namedGroups } from "../src/dtls/named_group.ts";
import { certificateWith } from "../tests/crypto/forged_certificate.ts";

const handshakeCount = 400;
const connectionCount = 1_000;

type Side = "client" | "server";

const sides: readonly Side[] = ["client", "server"];

/** A node: its key and its certificate. */
interface Identity {
  readonly crypto: HandshakeCrypto;
  readonly certificate: Uint8Array;
}

function createIdentity(aead: AeadProvider): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  return {
    crypto: createNodeHandshakeCrypto({ aead, privateKey }),
    certificate: certificateWith(spki),
  };
}

function configOf(role: Side, own: Identity, other: Identity, group: NamedGroup): DtlsConfig {
  const value = new Uint8Array(createHash("sha256").update(other.certificate).digest());
  return {
    role,
    crypto: own.crypto,
    chain: [own.certificate],
    peer: { fingerprints: [{ algorithm: "sha-256", value }] },
    groups: [group],
  };
}

/** Two joined endpoints, and the ms that was spent in each. */
interface Joined {
  readonly endpoints: Readonly<Record<Side, DtlsEndpoint>>;
  readonly spent: Readonly<Record<Side, number>>;
}

/** A whole handshake, and a record each way, so that nothing is left to be sent again. */
function join(identities: Readonly<Record<Side, Identity>>, group: NamedGroup): Joined {
  const spent = { client: 0, server: 0 };
  const by = <Result>(side: Side, act: () => Result): Result => {
    const begun = performance.now();
    const result = act();
    spent[side] += performance.now() - begun;
    return result;
  };
  const { client, server } = identities;
  const endpoints = {
    client: by("client", () => new DtlsEndpoint(configOf("client", client, server, group), 0)),
    server: by("server", () => new DtlsEndpoint(configOf("server", server, client, group), 0)),
  };
  const out = new Uint8Array(2_048);
  for (let isIdle = false; !isIdle;) {
    isIdle = true;
    for (const side of sides) {
      for (;;) {
        const sent = by(side, () => endpoints[side].pollTransmit(out, 0));
        if (sent === undefined) break;
        isIdle = false;
        const arriving = out.slice(0, sent.length);
        const other = otherOf(side);
        by(other, () => endpoints[other].handleDatagram(arriving, 0));
      }
    }
  }
  const result = { endpoints, spent: { ...spent } };
  for (const side of sides) exchange(endpoints[side], endpoints[otherOf(side)]);
  return result;
}

function otherOf(side: Side): Side {
  return side === "client" ? "server" : "client";
}

function exchange(from: DtlsEndpoint, to: DtlsEndpoint): void {
  while (to.pollEvent() !== undefined);
  const record = new Uint8Array(from.recordOverhead() + 1);
  from.seal(record, 0, record.length, record.length);
  to.handleDatagram(record, 0);
  if (to.pollEvent()?.type !== "data") throw new Error("the two ends are not connected");
}

function measureHandshakes(identities: Readonly<Record<Side, Identity>>): void {
  console.log(
    "ms a handshake, both ends with P-256 certificates: median of",
    handshakeCount,
  );
  console.log(row("", ["client", "server"]));
  for (const group of namedGroups) join(identities, group);
  const spent = namedGroups.map(() => [] as Joined["spent"][]);
  for (let count = 0; count < handshakeCount; count++) {
    for (const [at, group] of namedGroups.entries()) spent[at]?.push(join(identities, group).spent);
  }
  for (const [at, group] of namedGroups.entries()) {
    const cells = sides.map((side) => median((spent[at] ?? []).map((one) => one[side])).toFixed(2));
    console.log(row(group, cells));
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** What the process holds after everything that is not needed was let go, in bytes. */
function held(): Readonly<Record<"heap" | "buffers" | "resident", number>> {
  const { gc } = globalThis as { readonly gc?: () => void };
  if (gc === undefined) throw new Error("there is no gc: run with --v8-flags=--expose-gc");
  for (let count = 0; count < 5; count++) gc();
  const { heapUsed: heap, external: buffers, rss: resident } = Deno.memoryUsage();
  return { heap, buffers, resident };
}

/** In a process of its own: it needs the collector at hand. */
function measureIdle(identities: Readonly<Record<Side, Identity>>): void {
  const connect = () =>
    Array.from({ length: connectionCount }, () => join(identities, "x25519").endpoints);
  // What handshakes leave behind in a process, whether their connections are kept or not.
  connect();
  const before = held();
  const kept = connect();
  const after = held();
  const each = (name: keyof typeof before) =>
    String(Math.round((after[name] - before[name]) / (2 * kept.length)));
  console.log(`bytes an idle endpoint holds, of ${2 * kept.length}`);
  console.log(row("", ["V8 heap", "buffers", "resident"]));
  console.log(row(identities.client.crypto.aead.name, [
    each("heap"),
    each("buffers"),
    each("resident"),
  ]));
}

function row(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(40)}${cells.map((cell) => cell.padStart(16)).join("")}`;
}

const aead = await loadLibcrypto() ?? nodeAead;
const identities = { client: createIdentity(aead), server: createIdentity(aead) };
if (Deno.args[0] === "idle") {
  measureIdle(identities);
} else {
  console.log(`records by ${aead.name}`);
  measureHandshakes(identities);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--v8-flags=--expose-gc",
      fileURLToPath(import.meta.url),
      "idle",
    ],
  }).spawn().status;
  if (!success) Deno.exit(1);
}
