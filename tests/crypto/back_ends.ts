/** The AEAD implementations that can be had here. */
import type { AeadProvider } from "../../src/dtls/aead.ts";
import { libcryptoNames, openLibcrypto } from "../../src/crypto/libcrypto.ts";
import {
  type LibcryptoAead,
  libcryptoWays,
  openLibcryptoAead,
} from "../../src/crypto/libcrypto_aead.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";

/**
 * The first libcrypto of this system, if any. It is not tried beforehand, so that one that does not
 * work, or is called wrongly, fails the tests instead of being passed over.
 */
export const libcryptoName: string | undefined = findLibcrypto();

/** That libcrypto, with each kind of address and each way that can be had. */
export const libcryptos: readonly LibcryptoAead[] = openAll();

/** All implementations; each test of one is a test of all. */
export const backEnds: readonly AeadProvider[] = [nodeAead, ...libcryptos];

function findLibcrypto(): string | undefined {
  // For trying a library that is not the system's.
  const given = Deno.env.get("AETHERPORT_TEST_LIBCRYPTO");
  const name = (given === undefined ? libcryptoNames : [given])
    .find((one) => openLibcrypto(one, { capacity: 4096 }) !== undefined);
  if (name === undefined) console.log("SKIPPED: no libcrypto here, only node:crypto is tested");
  return name;
}

function openAll(): readonly LibcryptoAead[] {
  if (libcryptoName === undefined) return [];
  const name = libcryptoName;
  return (["u32", "pointer"] as const).flatMap((addresses) =>
    libcryptoWays.flatMap((way) => {
      const provider = openLibcryptoAead(name, { addresses, way });
      if (provider !== undefined) return [{ ...provider, name: `${provider.name}, ${addresses}` }];
      console.log(`SKIPPED: ${name} with ${addresses} addresses, ${JSON.stringify(way)}`);
      return [];
    })
  );
}
