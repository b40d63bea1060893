import { deepEqual, equal, rejects } from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { benchCommand, type BenchOptions } from "../../src/cli/bench_command.ts";
import { publicIceServers } from "../../src/link/ice_server.ts";

const keyId = "a".repeat(52);
const ingressUrl = `https://light.example.org/ingresses/${keyId}`;
const identity = ["--key", "a-key.pem", "--cert", "a-cert.pem"];

/** What is to be measured, by flags and the environment. */
async function benchOptions(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<BenchOptions> {
  const { promise, resolve } = Promise.withResolvers<BenchOptions>();
  const command = benchCommand((options) => Promise.resolve(resolve(options)));
  command.exitOverride().configureOutput({ writeErr: () => {} });
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  try {
    await command.parseAsync(args, { from: "user" });
  } finally {
    for (const name of Object.keys(environment)) Deno.env.delete(name);
  }
  return await promise;
}

Deno.test("what is not said has its default", async () => {
  deepEqual(await benchOptions([]), {
    ingressUrl: undefined,
    duration: 5_000,
    isJson: false,
    identityFiles: undefined,
    allowedPeers: [],
    iceServers: publicIceServers,
    secretVariables: [],
    isRelayOnly: false,
    logging: { level: "normal", format: "text" },
  });
});

Deno.test("every flag takes effect", async () => {
  const options = await benchOptions([
    ...["--duration", "60", "--json", "--aetherlight-ingress-url", ingressUrl, ...identity],
    ...["--cacert", "ca.pem", "--allow-peer", keyId, "--ice-server", "turn:me:secret@192.0.2.1"],
    ...["--relay-only", "--quiet", "--log-format", "json"],
  ]);
  const { iceServers, ...rest } = options;
  deepEqual(iceServers.map(({ address }) => address), ["192.0.2.1"]);
  deepEqual(rest, {
    ingressUrl,
    duration: 60_000,
    isJson: true,
    identityFiles: { keyPath: "a-key.pem", certPath: "a-cert.pem", caPaths: ["ca.pem"] },
    allowedPeers: [keyId],
    secretVariables: [],
    isRelayOnly: true,
    logging: { level: "quiet", format: "json" },
  });
});

Deno.test("variables stand in for flags", async () => {
  const options = await benchOptions([], {
    AETHERPORT_DURATION: "1",
    AETHERPORT_JSON: "true",
    AETHERPORT_AETHERLIGHT_INGRESS_URL: ingressUrl,
    AETHERPORT_KEY: "a-key.pem",
    AETHERPORT_CERT: "a-cert.pem",
    AETHERPORT_ICE_SERVER: "none",
    AETHERPORT_VERBOSE: "1",
  });
  equal(options.duration, 1_000);
  equal(options.isJson, true);
  equal(options.ingressUrl, ingressUrl);
  equal(options.identityFiles?.keyPath, "a-key.pem");
  deepEqual(options.iceServers, []);
  equal(options.logging.level, "verbose");
});

Deno.test("refuses what makes no sense", async () => {
  const refused: string[][] = [
    ...["0", "61", "-1", "1.5", "five", "", "1e1"].map((text) => [`--duration=${text}`]),
    ["--aetherlight-ingress-url", ingressUrl],
    ["--aetherlight-ingress-url", "https://light.example.org/", ...identity],
    ["--key", "a-key.pem"],
    ["--cacert", "ca.pem"],
    ["--relay-only"],
    ["--allow-peer", "somebody"],
  ];
  for (const args of refused) await rejects(benchOptions(args), BadInput, args.join(" "));
  await rejects(
    benchOptions([], { AETHERPORT_DURATION: "9s" }),
    /^BadInput: AETHERPORT_DURATION: /,
  );
});
