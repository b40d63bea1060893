import { deepEqual, equal } from "node:assert/strict";
import { HttpProxy } from "../fakes/http_proxy.ts";
import { isCoturnInstalled } from "../peers/coturn.ts";
import { Client, serverAt, withCoturn } from "./relay_stage.ts";

const hasCoturn = await isCoturnInstalled("a relay beside a proxy");

/** As this process's variables, instead of the machine's own. */
async function withProxy(
  { url, excluded = "" }: { readonly url: string; readonly excluded?: string },
  body: () => Promise<void>,
): Promise<void> {
  const variables = { HTTPS_PROXY: url, NO_PROXY: excluded };
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    await body();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

Deno.test("a relay tells what the proxy did, and not its password", async () => {
  const server = serverAt(0, { address: "turn.only-the-proxy-knows.test:443", transport: "tcp" });
  for (
    const [status, problem] of [
      [407, "wants another user and password (HTTP 407)"],
      [502, "does not connect to turn.only-the-proxy-knows.test:443 (HTTP 502)"],
    ] as const
  ) {
    await using proxy = await HttpProxy.start({ status });
    await withProxy({ url: proxy.url("me:s3cret") }, async () => {
      equal(
        await new Client(server).failed(),
        "TURN server turn.only-the-proxy-knows.test:443 over TCP: " +
          `the proxy ${proxy.url()} (HTTPS_PROXY) ${problem}`,
      );
    });
  }
});

Deno.test({
  name: "a relay over UDP, and one that NO_PROXY names, are made directly",
  ignore: !hasCoturn,
  fn: () =>
    withCoturn({}, async (coturn) => {
      await using proxy = await HttpProxy.start();
      await withProxy({ url: proxy.url() }, async () => {
        const { relay, outcome } = new Client(serverAt(coturn.port));
        equal(typeof await outcome.promise, "object");
        await relay.close();
      });
      await withProxy({ url: proxy.url(), excluded: "127.0.0.0/8" }, async () => {
        const client = new Client(serverAt(coturn.port, { transport: "tcp" }));
        await client.allocated();
        await client.relay.close();
      });
      deepEqual(proxy.asked, []);
    }),
});
