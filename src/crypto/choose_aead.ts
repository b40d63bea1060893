/** Which of the two implementations protects the records: the faster, as measured at start. */
import type { AeadProvider } from "../dtls/aead.ts";
import type { LibcryptoAead } from "./libcrypto_aead.ts";
import { loadLibcrypto } from "./load_libcrypto.ts";
import { nodeAead } from "./node_aead.ts";
import { timedLength, timeSeals } from "./time_seals.ts";

/** Both timings together, in ms. */
const timingLength = 5;

/** What was chosen. */
export interface AeadChoice {
  readonly provider: AeadProvider;
  /** One line for the log: which, and why. */
  readonly reason: string;
}

/** How to choose; tests bring their own. */
export interface ChooseAeadOptions {
  readonly load?: () => Promise<LibcryptoAead | undefined>;
  /** A clock in ms. */
  readonly now?: () => number;
}

/** Takes libcrypto where it can be had and is faster, otherwise node:crypto. Takes about 0.1 s. */
export async function chooseAead(
  { load = loadLibcrypto, now = () => performance.now() }: ChooseAeadOptions = {},
): Promise<AeadChoice> {
  const libcrypto = await load();
  if (libcrypto === undefined) {
    return {
      provider: nodeAead,
      reason: `${nodeAead.name}: ${whyNoLibcrypto()}`,
    };
  }
  const rivals = [libcrypto, nodeAead];
  const durations = timeSeals(rivals, { duration: timingLength, now });
  const [ours, rival] = rivals.map((provider, at) => ({
    provider,
    duration: durations[at] ?? Infinity,
  })) as [Timed, Timed];
  const [best, other] = ours.duration <= rival.duration ? [ours, rival] : [rival, ours];
  return {
    provider: best.provider,
    reason: `${describe(best)} for a record of ${timedLength} bytes, ${describe(other)}`,
  };
}

function whyNoLibcrypto(): string {
  const isPermitted = Deno.permissions.querySync({ name: "ffi" }).state === "granted";
  return isPermitted
    ? "no OpenSSL libcrypto (1.1.1 or later) can be loaded"
    : "libcrypto needs --allow-ffi";
}

interface Timed {
  readonly provider: AeadProvider;
  /** ms a record. */
  readonly duration: number;
}

function describe({ provider, duration }: Timed): string {
  return `${provider.name}: ${(duration * 1000).toFixed(1)} us`;
}
