/** What all native sockets of the process share: the C library, and the one who waits for them. */
import { type Libc, openLibc } from "./libc.ts";
import { PartsMessage } from "./message_header.ts";
import { ReadinessPoller } from "./readiness_poller.ts";

/** The C library, its poller, and what a write of several parts is told by. */
export interface NativeSystem {
  readonly libc: Libc;
  readonly poller: ReadinessPoller;
  readonly parts: PartsMessage;
}

let system: NativeSystem | undefined;

/** Opened once; undefined where there is no such C library, or no permission for FFI. */
export function nativeSystem(): NativeSystem | undefined {
  if (system === undefined) {
    const libc = openLibc();
    if (libc !== undefined) {
      system = { libc, poller: new ReadinessPoller(libc), parts: new PartsMessage() };
    }
  }
  return system;
}

/** Why there can be none here; undefined where it is worth trying. */
export function nativeObstacle(
  { os, arch }: { readonly os: string; readonly arch: string } = Deno.build,
  isFfiPermitted: () => boolean = isFfiGranted,
): string | undefined {
  if (os !== "linux" || (arch !== "x86_64" && arch !== "aarch64")) {
    return `native ones are for Linux on x86-64 and ARM64, and this is ${os} on ${arch}`;
  }
  return isFfiPermitted() ? undefined : "native ones need --allow-ffi";
}

/** A question to the user would be worse than doing without. */
function isFfiGranted(): boolean {
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}
