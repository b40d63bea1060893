import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { libcryptoNames } from "../../src/crypto/libcrypto.ts";
import { openLibcryptoAead } from "../../src/crypto/libcrypto_aead.ts";
import { answerProbe, isUsable, knowsItsVectors } from "../../src/crypto/libcrypto_probe.ts";
import { loadLibcrypto } from "../../src/crypto/load_libcrypto.ts";
import { libcryptoName } from "./back_ends.ts";

Deno.test("only versioned names are tried", () => {
  ok(libcryptoNames.length > 0);
  for (const name of libcryptoNames) ok(/\.so\.\d|\.\d\.dylib$|-\d-\w+\.dll$/.test(name), name);
});

Deno.test("a libcrypto that works is found by the process that tries it", {
  ignore: libcryptoName === undefined,
}, async () => {
  const name = libcryptoName ?? "";
  ok(await isUsable(name));
  ok(knowsItsVectors(name));
  ok(await loadLibcrypto(["libcrypto.so.there-is-none", name]) !== undefined);
});

Deno.test("what is not there, is no library or no libcrypto is not used", async () => {
  const text = await Deno.makeTempFile({ suffix: ".so.3" });
  try {
    await Deno.writeTextFile(text, "not a library");
    for (const name of ["libcrypto.so.there-is-none", text, "libc.so.6", ""]) {
      equal(await isUsable(name), false, name);
      equal(openLibcryptoAead(name), undefined, name);
    }
    equal(await loadLibcrypto(["libcrypto.so.there-is-none", text, "libc.so.6"]), undefined);
    equal(await loadLibcrypto([]), undefined);
  } finally {
    await Deno.remove(text);
  }
});

/** What a library may do to the process that loads it. */
const misdeeds: Readonly<Record<string, string>> = {
  "aborts as it is loaded": "void __attribute__((constructor)) init(void) { abort(); }",
  "ends the process as it is loaded": "void __attribute__((constructor)) init(void) { _exit(0); }",
  "crashes when it is called":
    'const char *OpenSSL_version(int t) { return "OpenSSL 3.9.9 of no date"; }' +
    "unsigned long OpenSSL_version_num(void) { return 0x30900090; }" +
    "void *CRYPTO_zalloc(size_t n, const char *f, int l) { return calloc(1, n); }" +
    crashing([
      "EVP_CIPHER_CTX_new",
      "EVP_CIPHER_CTX_free",
      "EVP_aes_128_gcm",
      "EVP_aes_256_gcm",
      "EVP_chacha20_poly1305",
      "EVP_CIPHER_meth_dup",
      "EVP_Cipher",
      "EVP_CipherInit_ex",
      "EVP_CipherUpdate",
      "EVP_CipherFinal_ex",
      "EVP_CIPHER_CTX_ctrl",
    ]),
};

function crashing(names: readonly string[]): string {
  return names.map((name) => `void ${name}(void) { *(volatile int *)8 = 1; }`).join("\n");
}

const compiler = await findCompiler();
if (compiler === undefined) console.log("SKIPPED: no C compiler here, no library is made to crash");

for (const [what, source] of Object.entries(misdeeds)) {
  Deno.test(`a library that ${what} does no harm to this process`, {
    ignore: compiler === undefined,
  }, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${folder}/evil.c`,
        `#include <stdlib.h>\n#include <unistd.h>\n${source}\n`,
      );
      const library = `${folder}/libcrypto.so.3`;
      const { success } = await new Deno.Command(compiler ?? "", {
        args: ["-shared", "-fPIC", "-o", library, `${folder}/evil.c`],
      }).output();
      ok(success);
      equal(await isUsable(library), false);
      equal(await loadLibcrypto([library]), undefined);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

async function findCompiler(): Promise<string | undefined> {
  if (Deno.build.os === "windows") return undefined;
  try {
    const { success } = await new Deno.Command("cc", { args: ["--version"] }).output();
    return success ? "cc" : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

Deno.test("a process that was not started to try a library does not answer", () => {
  equal(answerProbe(), undefined);
});

/** Runs the program's main module as a compiled executable runs itself as the other process. */
async function runMain(library: string | undefined): Promise<{ code: number; printed: string }> {
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", main, "--version"],
    env: library === undefined ? {} : { AETHERPORT_LIBCRYPTO_PROBE: library },
    stderr: "null",
  }).output();
  return { code, printed: new TextDecoder().decode(stdout).trim() };
}

Deno.test("the program itself can be the other process", {
  ignore: libcryptoName === undefined,
}, async () => {
  const { code, printed } = await runMain(libcryptoName);
  deepEqual([code, printed], [0, "aetherport: this libcrypto works"]);
});

Deno.test("the program says of a library that is none that it does not work", async () => {
  for (const name of ["libcrypto.so.there-is-none", ""]) {
    deepEqual(await runMain(name), { code: 1, printed: "" });
  }
});

Deno.test("the program runs as ever where it is not the other process", async () => {
  const { code, printed } = await runMain(undefined);
  equal(code, 0);
  match(printed, /^aetherport \d+\.\d+\.\d+/);
});

Deno.test("asking to be the other process loads no library, and little else", async () => {
  const probe = new URL("../../src/crypto/libcrypto_probe.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", fileURLToPath(probe)],
    env: { NO_COLOR: "1" },
  }).output();
  const { modules }: { modules: { specifier: string; kind?: string }[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const others = modules.map(({ specifier }) => specifier).filter((one) =>
    !one.includes("/src/crypto/") && !one.endsWith("/src/dtls/aead.ts")
  );
  deepEqual(others, []);
});
