/** Against the openssl program, in both roles. Skipped, loudly, where there is none. */
import { equal, match } from "node:assert/strict";
import { type CipherSuiteName, cipherSuiteNames } from "../../src/dtls/cipher_suite.ts";
import { DtlsEndpoint } from "../../src/dtls/dtls_endpoint.ts";
import type { DtlsConfig } from "../../src/dtls/dtls_endpoint.ts";
import { bytesOf, clientIdentity, configOf, serverIdentity } from "./pair.ts";
import type { TestIdentity } from "./test_crypto.ts";
import { UdpDriver } from "./udp_driver.ts";

const hasOpenssl = await runs("openssl");
if (!hasOpenssl) console.error("SKIPPED: openssl is not installed; DTLS is not tried against it");

/** OpenSSL's names. */
const opensslNames: Readonly<Record<CipherSuiteName, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
};

async function runs(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["version"] }).output()).success;
  } catch {
    // Not installed.
    return false;
  }
}

/** An openssl process, and what it printed. */
class Openssl {
  printed = "";
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reading: Promise<unknown>;

  constructor(args: readonly string[]) {
    this.#child = new Deno.Command("openssl", {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
  }

  async write(text: string): Promise<void> {
    await this.#input.write(Uint8Array.from(bytesOf(text)));
  }

  /** Waits until it has printed this. */
  async waitFor(pattern: RegExp, timeout = 10_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeout;
    while (performance.now() < deadline) {
      const found = pattern.exec(this.printed);
      if (found !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`openssl did not print ${pattern}, but: ${this.printed}`);
  }

  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#input.close().catch(() => {});
    await this.#reading;
    await this.#child.status;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.printed += decoder.decode(chunk, { stream: true });
  }
}

/** The arguments that give openssl an identity. */
async function identityArguments(folder: string, identity: TestIdentity): Promise<string[]> {
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  await Deno.writeTextFile(cert, identity.certificatePem);
  await Deno.writeTextFile(key, identity.privateKeyPem);
  return ["-cert", cert, "-key", key];
}

interface Session {
  readonly openssl: Openssl;
  readonly driver: UdpDriver;
  readonly endpoint: DtlsEndpoint;
}

/** Our server and `openssl s_client`. */
async function withClient(
  { args = [], config = {} }: {
    readonly args?: readonly string[];
    readonly config?: Partial<DtlsConfig>;
  },
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const driver = new UdpDriver();
  const port = await driver.bind();
  const endpoint = new DtlsEndpoint(configOf("server", config), performance.now());
  driver.start(endpoint);
  const openssl = new Openssl([
    "s_client",
    "-dtls1_2",
    "-connect",
    `127.0.0.1:${port}`,
    ...await identityArguments(folder, clientIdentity),
    ...args,
  ]);
  try {
    await use({ openssl, driver, endpoint });
  } finally {
    await openssl.stop();
    await driver.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** `openssl s_server` and our client. */
async function withServer(
  { args = [], config = {} }: {
    readonly args?: readonly string[];
    readonly config?: Partial<DtlsConfig>;
  },
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const driver = new UdpDriver();
  await driver.bind();
  const openssl = new Openssl([
    "s_server",
    "-dtls1_2",
    "-accept",
    "127.0.0.1:0",
    "-Verify",
    "1",
    ...await identityArguments(folder, serverIdentity),
    ...args,
  ]);
  try {
    const [, port] = await openssl.waitFor(/ACCEPT 127\.0\.0\.1:(\d+)/);
    const endpoint = new DtlsEndpoint(configOf("client", config), performance.now());
    driver.start(endpoint, Number(port));
    await use({ openssl, driver, endpoint });
  } finally {
    await openssl.stop();
    await driver.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Connects, and says something each way. */
async function talk({ openssl, driver }: Session): Promise<void> {
  await driver.waitFor("connected");
  driver.send(bytesOf("hello from us\n"));
  await openssl.waitFor(/hello from us/);
  await openssl.write("hello from openssl\n");
  const data = await driver.waitFor("data");
  equal(new TextDecoder().decode(data.bytes), "hello from openssl\n");
}

const openssl = (name: string, run: () => Promise<void>) =>
  Deno.test({ name: `openssl: ${name}`, ignore: !hasOpenssl, fn: run });

for (const suite of cipherSuiteNames) {
  const choice = { args: ["-cipher", opensslNames[suite]] };
  openssl(`s_client talks to our server with ${suite}`, () => withClient(choice, talk));
  openssl(`our client talks to s_server with ${suite}`, () => withServer(choice, talk));
}

for (const group of ["X25519", "P-256"]) {
  openssl(
    `s_client talks to our server with ${group}`,
    () => withClient({ args: ["-groups", group === "P-256" ? group : `${group}:P-256`] }, talk),
  );
  openssl(
    `our client talks to s_server with ${group}`,
    () => withServer({ args: ["-groups", group === "P-256" ? group : `${group}:P-256`] }, talk),
  );
}

openssl(
  "our client answers the HelloVerifyRequest of s_server -listen",
  () => withServer({ args: ["-listen"] }, talk),
);

openssl(
  "s_client with a small MTU talks to our server",
  () => withClient({ args: ["-mtu", "300"], config: { mtu: 256 } }, talk),
);

openssl(
  "our client talks to s_server with a small MTU",
  () => withServer({ args: ["-mtu", "300"], config: { mtu: 256 } }, talk),
);

openssl(
  "our client talks to s_server -listen with a small MTU",
  () => withServer({ args: ["-listen", "-mtu", "300"] }, talk),
);

openssl(
  "s_client finds the extended master secret and secure renegotiation",
  () =>
    withClient({}, async (session) => {
      await talk(session);
      await session.openssl.waitFor(/Extended master secret: yes/);
      match(session.openssl.printed, /Secure Renegotiation IS supported/);
      match(session.openssl.printed, /Protocol {2}: DTLSv1\.2/);
    }),
);

openssl("s_client without a certificate is refused", async () => {
  const driver = new UdpDriver();
  const port = await driver.bind();
  driver.start(new DtlsEndpoint(configOf("server"), performance.now()));
  const client = new Openssl(["s_client", "-dtls1_2", "-connect", `127.0.0.1:${port}`]);
  try {
    equal((await driver.waitFor("ended")).code, "peer-refused");
    await client.waitFor(/handshake failure/);
  } finally {
    await client.stop();
    await driver.stop();
  }
});

openssl("s_client is refused where its fingerprint is not the one announced", () =>
  withClient(
    { config: { peer: { fingerprints: [{ algorithm: "sha-256", value: new Uint8Array(32) }] } } },
    async ({ driver, openssl }) => {
      equal((await driver.waitFor("ended")).code, "peer-refused");
      await openssl.waitFor(/bad certificate/);
    },
  ));

openssl(
  "D21: our server refuses aloud when s_client asks to renegotiate, who then gives up",
  () =>
    withClient({}, async (session) => {
      await talk(session);
      await session.openssl.write("R\n");
      await session.openssl.waitFor(/no renegotiation/);
    }),
);

openssl("close_notify ends both sides, whoever says it", async () => {
  await withClient({}, async ({ openssl, driver, endpoint }) => {
    await driver.waitFor("connected");
    await openssl.waitFor(/Extended master secret/);
    endpoint.close();
    driver.pump();
    await openssl.waitFor(/closed/);
  });
  await withClient({}, async ({ openssl, driver }) => {
    await driver.waitFor("connected");
    await openssl.waitFor(/Extended master secret/);
    await openssl.write("Q\n");
    equal((await driver.waitFor("ended")).code, "peer-closed");
  });
});
