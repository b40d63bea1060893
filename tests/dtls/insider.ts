/**
 * A peer that has the keys and does with them what no honest one would: any record, with any type
 * and number, properly protected (by AES-GCM).
 *
 * @module
 */
import type { AeadKey } from "../../src/dtls/aead.ts";
import { dtls12 } from "../../src/dtls/protocol_version.ts";
import { contentTypes } from "../../src/dtls/record.ts";
import { configOf, connectedPair, type Pair, type PairOptions, type Side } from "./pair.ts";
import { writeRecords } from "./on_path.ts";
import { testAead } from "./test_crypto.ts";

/** The keys of one side's writing. */
export class Insider {
  #key: AeadKey | undefined;
  #salt: Uint8Array = new Uint8Array(4);
  readonly #side: Side;

  constructor(side: Side) {
    this.#side = side;
  }

  /** What its side is to be configured with. */
  options(): PairOptions {
    const { crypto } = configOf(this.#side);
    const aead = {
      name: "spied upon",
      createKey: (name: Parameters<typeof testAead.createKey>[0], bytes: Uint8Array): AeadKey => {
        const key = testAead.createKey(name, bytes);
        return {
          seal: (text, start, end, nonce, aad) => {
            this.#key = key;
            this.#salt = nonce.slice(0, 4);
            key.seal(text, start, end, nonce, aad);
          },
          open: (text, start, end, nonce, aad) => key.open(text, start, end, nonce, aad),
          destroy: () => {},
        };
      },
    };
    return {
      [this.#side]: {
        crypto: { ...crypto, aead },
        cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
      },
    };
  }

  /** A record with this type, number and payload. */
  craft(
    type: number | keyof typeof contentTypes,
    sequence: number,
    payload: Uint8Array,
  ): Uint8Array {
    const code = typeof type === "number" ? type : contentTypes[type];
    const number = new Uint8Array(8);
    const view = new DataView(number.buffer);
    view.setUint16(0, 1);
    view.setUint16(2, Math.floor(sequence / 2 ** 32));
    view.setUint32(4, sequence >>> 0);
    const length = [payload.length >>> 8, payload.length & 0xff];
    const aad = Uint8Array.of(...number, code, dtls12 >>> 8, dtls12 & 0xff, ...length);
    const fragment = new Uint8Array(8 + payload.length + 16);
    fragment.set(number);
    fragment.set(payload, 8);
    const nonce = Uint8Array.of(...this.#salt, ...number);
    this.#key?.seal(fragment, 8, 8 + payload.length, nonce, aad);
    return writeRecords([{ type: code, version: dtls12, epoch: 1, sequence, fragment }]);
  }
}

/** A connected pair, and the keys that this side writes with. */
export function insiderPair(side: Side): { readonly pair: Pair; readonly insider: Insider } {
  const insider = new Insider(side);
  return { pair: connectedPair(insider.options()), insider };
}
