/** Whether this process is to try a libcrypto for another one; apart, so that asking loads nothing. */

/** The variable that names the library to the other process, and tells it that it is the other one. */
export const probeMarker = "AETHERPORT_LIBCRYPTO_PROBE";

/** The library to try; undefined in a process that is not the other one. */
export function probedLibrary(): string | undefined {
  // Who may not read the environment was not asked by it.
  const { state } = Deno.permissions.querySync({ name: "env", variable: probeMarker });
  return state === "granted" ? Deno.env.get(probeMarker) : undefined;
}
