/** Finds a libcrypto that can be used. */
import { libcryptoNames } from "./libcrypto.ts";
import { type LibcryptoAead, openLibcryptoAead } from "./libcrypto_aead.ts";
import { isUsable } from "./libcrypto_probe.ts";

/**
 * The AEADs of the first library that works, each being tried in a process of its own first;
 * undefined where none does.
 */
export async function loadLibcrypto(
  names: readonly string[] = libcryptoNames,
): Promise<LibcryptoAead | undefined> {
  for (const name of names) {
    if (!await isUsable(name)) continue;
    const provider = openLibcryptoAead(name);
    if (provider !== undefined) return provider;
  }
  return undefined;
}
