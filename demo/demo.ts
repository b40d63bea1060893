/**
 * Shows the main job: a small HTTP service, one node that allows it, one that forwards to it, joined
 * by the texts they print, and a request through the tunnel.
 *
 *     deno task demo          then keeps running, for you to try
 *     deno task demo --once   ends after the request: 0 if the answer came through, else 1
 */
import { joinByPaste, NodeProcess } from "./node_process.ts";

const greeting = `Hello from behind the tunnel (${crypto.randomUUID()})\n`;
/** For the whole of `--once`, in ms. */
const timeout = 60_000;

/** Runs the demo; the exit code. */
async function demo(isOnce: boolean): Promise<number> {
  const service = startService();
  const forwarded = `127.0.0.1:${freePort()}`;
  // Both ends are on this machine: no server has to tell them their addresses.
  const ingress = new NodeProcess(["--allow", service.address, "--ice-server", "none"]);
  const egress = new NodeProcess([
    "--forward",
    `${forwarded}:${service.address}`,
    "--ice-server",
    "none",
  ]);
  const timer = setTimeout(
    () => [ingress, egress].forEach((node) => node.kill("SIGKILL")),
    timeout,
  );
  try {
    say(`A web service runs at http://${service.address}/`);
    await joinByPaste(egress, ingress);
    const { message } = await egress.event("link-up");
    say(`Two nodes have exchanged offer and answer: ${message}`);
    const isThrough = await request(`http://${forwarded}/`);
    clearTimeout(timer);
    if (!isOnce) await stayUp({ service: service.address, forwarded });
    return isThrough ? 0 : 1;
  } catch (error) {
    console.error(`The demo failed: ${error instanceof Error ? error.message : error}`);
    return 1;
  } finally {
    clearTimeout(timer);
    await Promise.all([egress.stop(), ingress.stop(), service.stop()]);
  }
}

function startService(): { address: string; stop: () => Promise<void> } {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(greeting),
  );
  return { address: `127.0.0.1:${server.addr.port}`, stop: () => server.shutdown() };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Asks through the tunnel and prints answer and timing; true where it is the service's own. */
async function request(url: string): Promise<boolean> {
  const begun = performance.now();
  const response = await fetch(url);
  const text = await response.text();
  const duration = (performance.now() - begun).toFixed(1);
  say(`GET ${url} through the tunnel: ${response.status} in ${duration} ms`);
  say(`  ${text.trim()}`);
  return text === greeting;
}

async function stayUp(addresses: { service: string; forwarded: string }): Promise<void> {
  say(`
It keeps running. Try it in another terminal:

  curl http://${addresses.forwarded}/

What you would type to do the same between two machines (aetherport stands for the executable, or
for: npx -y deno@2.9.6 run -A main.ts):

  on the machine with the service:   aetherport --allow ${addresses.service}
  on the other:                      aetherport --forward ${addresses.forwarded}:${addresses.service}

then paste the offer that the second prints into the first, and its answer into the second.
Press Ctrl-C to end.`);
  await new Promise<void>((resolve) => {
    Deno.addSignalListener("SIGINT", resolve);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", resolve);
  });
}

function say(text: string): void {
  console.log(text);
}

const unknown = Deno.args.filter((argument) => argument !== "--once");
if (unknown.length > 0) {
  console.error(`demo: unknown argument ${JSON.stringify(unknown[0])} (there is only --once)`);
  Deno.exit(2);
}
Deno.exit(await demo(Deno.args.includes("--once")));
