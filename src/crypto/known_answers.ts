/** Whether an implementation gives the answers that are known. */
import type { AeadKey, AeadName, AeadOperands, AeadProvider } from "../dtls/aead.ts";
import { keyLengths, nonceLength, tagLength } from "./aead_sizes.ts";
import type { LibcryptoAead } from "./libcrypto_aead.ts";

/** Sixteen zero bytes, sealed with a key and a nonce of zeros and without additional data. */
const sealedZeros: Readonly<Record<AeadName, string>> = {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 2 and 14.
  "aes-128-gcm": "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
  "aes-256-gcm": "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
  "chacha20-poly1305": "9f07e7be5551387a98ba977c732d080dc34a88047320f52aa2c6683ef8084d2f",
};

/** Whether all AEADs seal and open as they should, and refuse what is forged. */
export function knowsItsAnswers(provider: AeadProvider): boolean {
  try {
    return (Object.keys(sealedZeros) as AeadName[]).every((aead) => knowsAnswer(provider, aead));
  } catch {
    // It refuses an AEAD, or to seal.
    return false;
  }
}

function knowsAnswer(provider: AeadProvider, aead: AeadName): boolean {
  const key = provider.createKey(aead, new Uint8Array(keyLengths[aead]));
  const nonce = new Uint8Array(nonceLength);
  const none = new Uint8Array();
  const record = new Uint8Array(16 + tagLength);
  key.seal(record, 0, 16, nonce, none);
  const isSealed = record.toHex() === sealedZeros[aead];
  const isOpened = key.open(record, 0, 16, nonce, none) && record.subarray(0, 16).every(isZero);
  // The text is plain now, so that the tag is wrong.
  const isRefused = !key.open(record, 0, 16, nonce, none);
  key.destroy();
  return isSealed && isOpened && isRefused;
}

function isZero(byte: number): boolean {
  return byte === 0;
}

/** A record of AES-GCM: the end of the nonce, the text and the tag. */
const textStart = 8;
const textLength = 40;
const textEnd = textStart + textLength;

/**
 * Whether records in its own memory, with operands there, are the same by both. The other one is
 * known to work; they may share their operands.
 */
export function knowsRecords(provider: LibcryptoAead, other: AeadProvider): boolean {
  const record = provider.allocate(textEnd + tagLength);
  if (record === undefined) return false;
  try {
    return (Object.keys(sealedZeros) as AeadName[]).every((aead) => {
      const [key, reference] = [provider, other].map((one) =>
        one.createKey(aead, new Uint8Array(keyLengths[aead]).fill(aead.length))
      ) as [AeadKey, AeadKey];
      // Two that follow one another, and one that does not.
      const isKnown = [1, 2, 9].every((number) => {
        const { nonce, aad } = operandsOf(provider, number);
        return knowsRecord({ record, key, reference, nonce, aad });
      });
      key.destroy();
      reference.destroy();
      return isKnown;
    });
  } catch {
    // It refuses an AEAD, or to seal.
    return false;
  } finally {
    provider.release(record);
  }
}

function operandsOf({ operands }: AeadProvider, number: number): AeadOperands {
  const { nonce, aad } = operands ??
    { nonce: new Uint8Array(nonceLength), aad: new Uint8Array(13) };
  nonce.fill(number);
  nonce.fill(0, nonceLength - textStart, nonceLength - 1);
  aad.fill(number);
  aad.set([0, textLength], aad.length - 2);
  return { nonce, aad };
}

function knowsRecord(
  { record, key, reference, nonce, aad }: AeadOperands & {
    readonly record: Uint8Array;
    readonly key: AeadKey;
    readonly reference: AeadKey;
  },
): boolean {
  record.fill(nonce[0] ?? 0);
  record.set(nonce.subarray(nonceLength - textStart));
  const [text, sealed] = [record.slice(), record.slice()];
  reference.seal(sealed, textStart, textEnd, nonce, aad);
  key.seal(record, textStart, textEnd, nonce, aad);
  const isSealed = record.every((byte, at) => byte === sealed[at]);
  record[textStart] = (record[textStart] ?? 0) ^ 1;
  const isRefused = !key.open(record, textStart, textEnd, nonce, aad);
  record.set(sealed);
  const isOpened = key.open(record, textStart, textEnd, nonce, aad) &&
    record.subarray(0, textEnd).every((byte, at) => byte === text[at]);
  return isSealed && isRefused && isOpened;
}
