/** Which of the two implementations protects the records: the faster, as measured at start. */
import type { AeadProvider } from "../dtls/aead.ts";
import { keyLengths, nonceLength, tagLength } from "./aead_sizes.ts";
import type { LibcryptoAead } from "./libcrypto_aead.ts";
import { loadLibcrypto } from "./load_libcrypto.ts";
import { nodeAead } from "./node_aead.ts";

/** Both timings together. */
const timingLength = 20;

/** The AEAD that is spoken most, and the size of a record on most paths. */
const timedAead = "aes-128-gcm";
const timedLength = 1200;

/** Records between two looks at the clock. */
const batchCount = 16;
/** Batches, however long they take. */
const minBatches = 4;

/** What was chosen. */
export interface AeadChoice {
  readonly provider: AeadProvider;
  /** One line for the log: which, and why. */
  readonly reason: string;
}

/** How to choose; tests bring their own. */
export interface ChooseAeadOptions {
  readonly load?: () => Promise<LibcryptoAead | undefined>;
  /** A clock in ms. */
  readonly now?: () => number;
}

/** Takes libcrypto where it can be had and is faster, otherwise node:crypto. Takes about 0.1 s. */
export async function chooseAead(
  { load = loadLibcrypto, now = () => performance.now() }: ChooseAeadOptions = {},
): Promise<AeadChoice> {
  const libcrypto = await load();
  if (libcrypto === undefined) {
    return {
      provider: nodeAead,
      reason: `${nodeAead.name}: no OpenSSL libcrypto (1.1.1 or later) can be loaded`,
    };
  }
  const [ours, rival] = [libcrypto, nodeAead].map((provider) => ({
    provider,
    duration: timeSeal(provider, now),
  })) as [Timed, Timed];
  const [best, other] = ours.duration <= rival.duration ? [ours, rival] : [rival, ours];
  return {
    provider: best.provider,
    reason: `${describe(best)} for a record of ${timedLength} bytes, ${describe(other)}`,
  };
}

interface Timed {
  readonly provider: AeadProvider;
  /** ms a record. */
  readonly duration: number;
}

function describe({ provider, duration }: Timed): string {
  return `${provider.name}: ${(duration * 1000).toFixed(1)} us`;
}

/** How long one record takes, in ms: the fastest batch, as other processes only slow it down. */
function timeSeal(provider: AeadProvider, now: () => number): number {
  const key = provider.createKey(timedAead, new Uint8Array(keyLengths[timedAead]));
  const record = new Uint8Array(timedLength + tagLength);
  const nonce = new Uint8Array(nonceLength);
  const aad = new Uint8Array(13);
  let fastest = Infinity;
  const begun = now();
  // The first may be slow for what is done once, and any for another process that had its turn.
  for (let time = begun, left = minBatches; time - begun < timingLength / 2 || left > 0; left--) {
    for (let count = 0; count < batchCount; count++) key.seal(record, 0, timedLength, nonce, aad);
    const ended = now();
    fastest = Math.min(fastest, (ended - time) / batchCount);
    time = ended;
  }
  key.destroy();
  return fastest;
}
