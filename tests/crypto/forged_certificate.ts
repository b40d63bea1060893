/** Certificates that no authority made, for a key of any kind. */

/** One element of DER. */
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, one) => sum + one.length, 0);
  const lengthBytes = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([tag, ...lengthBytes, ...contents.flatMap((one) => [...one])]);
}

/** A certificate with that SubjectPublicKeyInfo, and nothing in it that is true. */
export function certificateWith(spki: Uint8Array): Uint8Array {
  const ecdsaWithSha256 = der(0x30, der(0x06, Uint8Array.fromHex("2a8648ce3d040302")));
  const commonName = der(0x06, Uint8Array.fromHex("550403"));
  const name = der(0x30, der(0x31, der(0x30, commonName, der(0x0c, Uint8Array.of(0x61)))));
  const time = (text: string) => der(0x17, new TextEncoder().encode(text));
  const unsigned = der(
    0x30,
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Uint8Array.of(1)),
    ecdsaWithSha256,
    name,
    der(0x30, time("250101000000Z"), time("350101000000Z")),
    name,
    spki,
  );
  return der(0x30, unsigned, ecdsaWithSha256, der(0x03, Uint8Array.fromHex("003006020101020101")));
}
