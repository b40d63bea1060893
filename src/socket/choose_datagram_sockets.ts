/** Which of the two implementations of datagram sockets is used here, and why. */
import type { DatagramSockets } from "./datagram.ts";
import { testDatagramSockets } from "./datagram_self_test.ts";
import { libcNames } from "./libc.ts";
import { NativeDatagramSockets } from "./native_datagram.ts";
import { nativeObstacle, nativeSystem } from "./native_system.ts";
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

let shared: Promise<DatagramSocketsChoice> | undefined;

/** What is chosen for this process, once. */
export function sharedDatagramSockets(): Promise<DatagramSocketsChoice> {
  return shared ??= chooseDatagramSockets();
}

/** Takes native sockets where they can be had and pass a test on loopback; some ms. */
export async function chooseDatagramSockets(
  {
    platform = Deno.build,
    isFfiPermitted,
    openNative = openNativeSockets,
  }: ChooseDatagramSocketsOptions = {},
): Promise<DatagramSocketsChoice> {
  const obstacle = nativeObstacle(platform, isFfiPermitted);
  if (obstacle !== undefined) return portable(obstacle);
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

function openNativeSockets(): DatagramSockets | undefined {
  const system = nativeSystem();
  return system === undefined ? undefined : new NativeDatagramSockets(system.libc, system.poller);
}
