/** Which implementation seals fastest, in a few ms. */
import type { AeadProvider } from "../dtls/aead.ts";
import { keyLengths, nonceLength, tagLength } from "./aead_sizes.ts";
import type { LibcryptoAead } from "./libcrypto_aead.ts";

/** The AEAD that is spoken most, and the size of a record on most paths. */
const timedAead = "aes-128-gcm";
export const timedLength = 1200;

/** RFC 5288 section 3: so much of the nonce stands before the text. */
const explicitLength = 8;

/** Records between two looks at the clock. */
const batchCount = 16;
/** Batches of each, however long they take. */
const minBatches = 4;

/** How long to try, in ms for all together, and by which clock. */
export interface TimingOptions {
  readonly duration: number;
  readonly now: () => number;
}

/**
 * How long each takes to seal one record, in ms: the middle of batches in turns, so that all meet the
 * same noise. For some 0.1 s Deno has not compiled the calls of FFI, each of which then takes ten
 * times as long: so what is timed here is to make as many calls as what it is compared with.
 */
export function timeSeals(
  providers: readonly AeadProvider[],
  { duration, now }: TimingOptions,
): readonly number[] {
  const rivals = providers.map((provider) => ({
    ...createSeal(provider),
    batches: [] as number[],
  }));
  const begun = now();
  for (let left = minBatches; left > 0 || now() - begun < duration; left--) {
    for (const { seal, batches } of rivals) {
      const time = now();
      for (let count = 0; count < batchCount; count++) seal();
      batches.push((now() - time) / batchCount);
    }
  }
  for (const { end } of rivals) end();
  return rivals.map(({ batches }) => median(batches));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Infinity;
}

/** Seals one record after the other, in memory of the provider's own where it has some. */
function createSeal(provider: AeadProvider) {
  const { allocate, release } = provider as Partial<LibcryptoAead>;
  const key = provider.createKey(timedAead, new Uint8Array(keyLengths[timedAead]));
  const length = explicitLength + timedLength + tagLength;
  const record = allocate?.(length) ?? new Uint8Array(length);
  const { nonce, aad } = provider.operands ??
    { nonce: new Uint8Array(nonceLength), aad: new Uint8Array(13) };
  const [nonceView, aadView, recordView] = [nonce, aad, record].map(viewOf) as [
    DataView,
    DataView,
    DataView,
  ];
  let number = 0;
  return {
    seal: () => {
      number++;
      recordView.setUint32(4, number);
      // Others write there too.
      nonceView.setUint32(0, 0);
      nonceView.setUint32(4, 0);
      nonceView.setUint32(8, number);
      aadView.setUint16(11, timedLength);
      key.seal(record, explicitLength, explicitLength + timedLength, nonce, aad);
    },
    end: () => {
      key.destroy();
      release?.(record);
    },
  };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
