/**
 * Shows the main job: a small HTTP service, one node that allows it, one that forwards to it, and a
 * request through the tunnel. The nodes find each other by a signaling server and certificates made
 * for the occasion, or by the texts they print.
 *
 *     deno task demo                 then keeps running, for you to try
 *     deno task demo --signal tty    without a server
 *     deno task demo --once          ends after the request: 0 if the answer came through, else 1
 */
import { parseArgs } from "node:util";
import { joinByPaste, NodeProcess, programCommand } from "./node_process.ts";

const greeting = `Hello from behind the tunnel (${crypto.randomUUID()})\n`;
/** For all until the answer has come, in ms. */
const timeout = 60_000;
/** Both ends are on this machine: no STUN server has to tell them their addresses. */
const offline = ["--ice-server", "none"];

/** Where the service is, and where the forward to it listens. */
interface Addresses {
  readonly service: string;
  readonly forwarded: string;
}

/** What was started and is to be stopped, the last first. */
const started: { stop(): Promise<unknown> }[] = [];

/** Runs the demo; the exit code. */
async function demo({ signal, once }: { signal: string; once: boolean }): Promise<number> {
  let isThrough = false;
  onStopSignal(() => void stopAll().then(() => Deno.exit(isThrough ? 0 : 1)));
  const timer = setTimeout(() => fail(`nothing came through within ${timeout / 1000} s`), timeout);
  try {
    const addresses = { service: startService(), forwarded: `127.0.0.1:${freePort()}` };
    console.log(`A web service runs at http://${addresses.service}/`);
    const hint = await (signal === "tty" ? joinByTexts : joinByServer)(addresses);
    isThrough = await request(`http://${addresses.forwarded}/`);
    clearTimeout(timer);
    if (!once) await stayUp({ forwarded: addresses.forwarded, hint });
    return isThrough ? 0 : 1;
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : error}`);
    return 1;
  } finally {
    clearTimeout(timer);
    await stopAll();
  }
}

/** Joins two nodes by what they print; the commands a user would type. */
async function joinByTexts({ service, forwarded }: Addresses): Promise<string> {
  const ingress = start(["--allow", service, ...offline]);
  const egress = start(["--forward", `${forwarded}:${service}`, ...offline]);
  await joinByPaste(egress, ingress);
  const { message } = await egress.event("link-up");
  console.log(`Two nodes have exchanged offer and answer: ${message}`);
  return `
  next to the service:   aetherport --allow ${service}
  elsewhere:             aetherport --forward ${forwarded}:${service}

then paste the offer that the second prints into the first, and its answer into the second.`;
}

/** Joins two nodes by a server and certificates; the commands a user would type. */
async function joinByServer({ service, forwarded }: Addresses): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "aetherport-demo-" });
  started.push({ stop: () => Deno.remove(folder, { recursive: true }) });
  for (const name of ["home", "laptop"]) await generateCertificate(folder, name);
  const server = `127.0.0.1:${freePort()}`;
  const light = new NodeProcess(["signal", "--listen-addr", server, "--kv", ":memory:"], {
    hasJsonLog: false,
  });
  started.push(light);
  await light.line(/listening on/);
  console.log(`A signaling server runs at http://${server}/; it can read nothing the nodes say`);
  const identity = (name: string) => [
    ...["--key", `${folder}/${name}-key.pem`, "--cert", `${folder}/${name}-cert.pem`],
    ...["--cacert", `${folder}/cacert.pem`],
  ];
  const ingress = start([
    ...["--allow", service, "--aetherlight-base-url", `http://${server}`],
    ...identity("home"),
    ...offline,
  ]);
  const url = await ingress.nextText();
  const egress = start([
    ...["--aetherlight-ingress-url", url, "--forward", `${forwarded}:${service}`],
    ...identity("laptop"),
    ...offline,
  ]);
  const { message } = await egress.event("link-up");
  console.log(`Two nodes have found each other there: ${message}`);
  return `
  once:                  aetherport cert generate --name home
                         aetherport cert generate --name laptop
  anywhere reachable:    aetherport signal --listen-addr ${server}
  next to the service:   aetherport --allow ${service} --aetherlight-base-url http://${server} \\
                           --key home-key.pem --cert home-cert.pem --cacert cacert.pem
  elsewhere:             aetherport --forward ${forwarded}:${service} \\
                           --aetherlight-ingress-url ${url} \\
                           --key laptop-key.pem --cert laptop-cert.pem --cacert cacert.pem`;
}

async function generateCertificate(folder: string, name: string): Promise<void> {
  const [program = "", ...first] = programCommand;
  const { success, stderr } = await new Deno.Command(program, {
    args: [...first, "cert", "generate", "--name", name],
    cwd: folder,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
}

function start(args: readonly string[]): NodeProcess {
  const node = new NodeProcess(args);
  started.push(node);
  return node;
}

/** Starts the web service; its address. */
function startService(): string {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(greeting),
  );
  started.push({ stop: () => server.shutdown() });
  return `127.0.0.1:${server.addr.port}`;
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
  console.log(`GET ${url} through the tunnel: ${response.status} in ${duration} ms`);
  console.log(`  ${text.trim()}`);
  return text === greeting;
}

async function stayUp({ forwarded, hint }: { forwarded: string; hint: string }): Promise<void> {
  console.log(`
It keeps running. Try it in another terminal:

  curl http://${forwarded}/

What you would type to do the same between two machines (aetherport stands for the executable, or
for: npx -y deno@2.9.6 run -A main.ts):
${hint}

Press Ctrl-C to end.`);
  // The first listener ends it.
  await new Promise<never>(() => {});
}

function onStopSignal(listener: () => void): void {
  Deno.addSignalListener("SIGINT", listener);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", listener);
}

async function stopAll(): Promise<void> {
  for (const one of started.splice(0).reverse()) await one.stop();
}

async function fail(problem: string): Promise<never> {
  console.error(`demo: ${problem}`);
  await stopAll();
  Deno.exit(1);
}

function readArguments(): { signal: string; once: boolean } {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      signal: { type: "string", default: "aetherlight" },
      once: { type: "boolean", default: false },
    },
  });
  if (values.signal !== "aetherlight" && values.signal !== "tty") {
    throw new Error(`--signal is "aetherlight" or "tty", not ${JSON.stringify(values.signal)}`);
  }
  return values;
}

let options;
try {
  options = readArguments();
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : error}`);
  Deno.exit(2);
}
Deno.exit(await demo(options));
