import { equal, match } from "node:assert/strict";
import { chooseAead } from "../../src/crypto/choose_aead.ts";
import type { LibcryptoAead } from "../../src/crypto/libcrypto_aead.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { AeadKey } from "../../src/dtls/aead.ts";
import { libcryptoName } from "./back_ends.ts";

/** A provider that takes so long on a clock of its own, and does nothing. */
function fakeLibcrypto(tick: () => void): LibcryptoAead {
  const key: AeadKey = { seal: tick, open: () => false, destroy: () => {} };
  return {
    name: "fake",
    createKey: () => key,
    allocate: () => undefined,
    release: () => false,
  };
}

Deno.test("without a libcrypto, node:crypto is chosen and the reason says why", async () => {
  const { provider, reason } = await chooseAead({ load: () => Promise.resolve(undefined) });
  equal(provider, nodeAead);
  match(reason, /^node:crypto: no OpenSSL libcrypto/);
});

Deno.test("the faster of two is chosen", async () => {
  for (const [recordDuration, chosen] of [[0.001, "fake"], [20, "node:crypto"]] as const) {
    let skew = 0;
    const fake = fakeLibcrypto(() => skew += recordDuration);
    const { provider, reason } = await chooseAead({
      load: () => Promise.resolve(fake),
      now: () => performance.now() + skew,
    });
    equal(provider.name, chosen);
    match(reason, new RegExp(`^${chosen}: .* us for a record of 1200 bytes, `));
  }
});

Deno.test("a provider that is slow at first, and fast from then on, is chosen", async () => {
  let [skew, recordCount] = [0, 0];
  const fake = fakeLibcrypto(() => skew += recordCount++ < 16 ? 20 : 0.001);
  const { provider } = await chooseAead({
    load: () => Promise.resolve(fake),
    now: () => performance.now() + skew,
  });
  equal(provider.name, "fake");
});

Deno.test("the system's libcrypto is chosen, as it is many times as fast", {
  ignore: libcryptoName === undefined,
}, async () => {
  const { provider, reason } = await chooseAead();
  match(provider.name, /^libcrypto \(OpenSSL /);
  match(reason, /^libcrypto \(OpenSSL .*\): [\d.]+ us for a record of 1200 bytes, node:crypto: /);
});

Deno.test("without permission for FFI, node:crypto is chosen and nobody is asked", async () => {
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const module = new URL("../../src/crypto/choose_aead.ts", import.meta.url).href;
    await Deno.writeTextFile(
      script,
      `import { chooseAead } from ${JSON.stringify(module)};\n` +
        `console.log((await chooseAead()).provider.name);\n`,
    );
    for (const permissions of [[], ["--allow-run"], ["--allow-ffi"]]) {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-config", "--no-lock", ...permissions, script],
        stdin: "null",
      }).output();
      const decoder = new TextDecoder();
      equal(decoder.decode(stdout).trim(), "node:crypto", decoder.decode(stderr));
    }
  } finally {
    await Deno.remove(script);
  }
});
