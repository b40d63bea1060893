/** Which of the two implementations of datagram sockets is used here, and why. */
import type { DatagramSockets } from "./datagram.ts";
import { testDatagramSockets } from "./datagram_self_test.ts";
import { libcNames, openLibc } from "./libc.ts";
import { NativeDatagramSockets } from "./native_datagram.ts";
import { portableDatagramSockets } from "./portable_datagram.ts";

/** What was chosen. */
export interface DatagramSocketsChoice {
  readonly sockets: DatagramSockets;
  /** One line for the log: which, and why. */
  readonly reason: string;
}

/** What there is to choose from; tests bring their own. */
export interface ChooseDatagramSocketsOptions {
  readonly platform?: { readonly os: string; readonly arch: string };
  readonly isFfiPermitted?: () => boolean;
  /** Native sockets, where the C library has what they need. */
  readonly openNative?: () => DatagramSockets | undefined;
}

/** Takes native sockets where they can be had and pass a test on loopback; some ms. */
export async function chooseDatagramSockets(
  {
    platform = Deno.build,
    isFfiPermitted = isFfiGranted,
    openNative = openNativeSockets,
  }: ChooseDatagramSocketsOptions = {},
): Promise<DatagramSocketsChoice> {
  const { os, arch } = platform;
  if (os !== "linux" || (arch !== "x86_64" && arch !== "aarch64")) {
    return portable(`native ones are for Linux on x86-64 and ARM64, and this is ${os} on ${arch}`);
  }
  if (!isFfiPermitted()) return portable("native ones need --allow-ffi");
  const native = openNative();
  if (native === undefined) {
    return portable(`no C library has what native ones need (${libcNames.join(", ")})`);
  }
  const { problem, isBatched } = await testDatagramSockets(native);
  if (problem !== undefined) return portable(`native ones fail on loopback: ${problem}`);
  const how = isBatched
    ? "with UDP_SEGMENT and UDP_GRO"
    : "one datagram a call: UDP_SEGMENT and UDP_GRO do not work on loopback";
  return { sockets: native, reason: `native sockets (FFI), ${how}` };
}

function portable(why: string): DatagramSocketsChoice {
  return { sockets: portableDatagramSockets, reason: `portable sockets (node:dgram): ${why}` };
}

/** A question to the user would be worse than doing without. */
function isFfiGranted(): boolean {
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

function openNativeSockets(): DatagramSockets | undefined {
  const libc = openLibc();
  return libc === undefined ? undefined : new NativeDatagramSockets(libc);
}
