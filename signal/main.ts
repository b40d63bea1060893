/**
 * The entry that Deno Deploy runs, and `deno serve --unstable-kv signal/main.ts` too. Settings come
 * from the environment; deploy/README.md lists them.
 *
 * @module
 */
import { parseBaseUrl } from "../src/signaling/wire.ts";
import { createSignalApp } from "./app.ts";
import { bellSourceFor } from "./kv_bell.ts";

const kvName = Deno.env.get("AETHERPORT_KV");
// The platform's own store is no file, though it has no name either.
const isPlatform = kvName === undefined &&
  ["DENO_DEPLOY", "DENO_DEPLOYMENT_ID"].some((name) => Deno.env.has(name));

const { app } = createSignalApp({
  kv: await Deno.openKv(kvName),
  bell: isPlatform ? { type: "watch" } : bellSourceFor(kvName ?? ""),
  baseUrls: baseUrls(Deno.env.get("AETHERPORT_BASE_URL") ?? ""),
  isProxyTrusted: /^(1|true|yes|on)$/i.test(Deno.env.get("AETHERPORT_TRUST_PROXY") ?? ""),
  log: console.error,
});

const handler: Deno.ServeDefaultExport = {
  fetch: (request, info) => app.fetch(request, info),
};

export default handler;

function baseUrls(list: string): string[] {
  return list.split(/[\s,]+/).filter((text) => text !== "").map((text) => {
    const url = parseBaseUrl(text);
    if (url === undefined) throw new Error(`AETHERPORT_BASE_URL: "${text}" is not a base URL`);
    return url;
  });
}
