/** Runs a node from the proxy's options until it fails or is told to stop. */
import { getLogger } from "@logtape/logtape";
import { AllowList } from "../access/allow_list.ts";
import { BadInput } from "../bad_input.ts";
import { WeriftLinkFactory } from "../link/werift_link.ts";
import { Node } from "../node/node.ts";
import { TtySignaling } from "../signaling/tty_signaling.ts";
import { configureLogging } from "./logging.ts";
import type { ProxyOptions } from "./proxy_command.ts";

const log = getLogger(["aetherport", "cli"]);

/** The other nodes hear of the end within this, in ms. */
const shutdownTimeout = 2_000;

/** Resolves when the node was told to stop; throws when it cannot go on. */
export async function runProxy(options: ProxyOptions): Promise<void> {
  if (options.signalType !== "tty") {
    throw new BadInput(`--signal-type ${options.signalType} is not there yet: use tty`);
  }
  await configureLogging(options.logging);
  surviveStrayRejections();
  const node = new Node({
    forwards: options.forwards,
    allowList: new AllowList(options.allows),
  });
  node.listen();
  const signaling = new TtySignaling({
    factory: new WeriftLinkFactory({ iceServers: options.iceServers }),
    isOffering: options.forwards.length > 0,
    exitOnFailure: options.exitOnFailure,
    input: Deno.stdin.readable.pipeThrough(new TextDecoderStream()),
    print,
    adopt: (link, observer) => node.adopt(link, observer),
  });
  try {
    const failure = await Promise.race([signaling.run(), stopSignal()]);
    if (failure !== undefined) throw new Error(failure);
  } finally {
    signaling.close();
    await Promise.race([node.close("this node is ending"), delay(shutdownTimeout)]);
  }
}

/** Prints an offer or answer: all that the proxy writes to stdout. */
function print(text: string): void {
  let rest = new TextEncoder().encode(`${text}\n`);
  while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

/** Resolves at the first SIGINT or SIGTERM; at the second the process ends at once. */
function stopSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    let isStopping = false;
    const handle = () => {
      if (isStopping) Deno.exit(1);
      isStopping = true;
      log.info("ending; once more to end at once", { event: "ending" });
      resolve(undefined);
    };
    Deno.addSignalListener("SIGINT", handle);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", handle);
  });
}

/** A fault in one link is not to end the others: werift throws from where nobody listens. */
function surviveStrayRejections(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unexpected: {reason}", { event: "unexpected", reason: event.reason });
  });
}

function delay(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
