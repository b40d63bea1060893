/**
 * Tries a finished executable from the outside: its version, its usage, and one connection forwarded
 * between two of its processes whose offer and answer are "pasted", that is, piped from the one's
 * stdout to the other's stdin.
 *
 *     deno run -A .github/smoke.ts ./aetherport
 *     deno run -A .github/smoke.ts docker run -i --rm --network host aetherport
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { equal, match, ok } from "node:assert/strict";
import manifest from "../deno.json" with { type: "json" };

/** Both processes are on this machine: no server has to tell them their addresses. */
const OFFLINE = ["--ice-server", "none"];
const PAYLOAD_LENGTH = 1024 * 1024;
const LINK_TIMEOUT = 60_000;
const TRANSFER_TIMEOUT = 20_000;
const RETRY_DELAY = 250;

/** Runs the executable until it ends by itself, and returns what it wrote to stdout. */
async function output(command: readonly string[], ...args: string[]): Promise<string> {
  const [program = "", ...first] = command;
  const result = await new Deno.Command(program, {
    args: [...first, ...args],
    stdin: "null",
    stderr: "inherit",
  }).output();
  equal(result.code, 0, `${args.join(" ")} ends with 0`);
  return new TextDecoder().decode(result.stdout);
}

function start(command: readonly string[], ...args: string[]): Deno.ChildProcess {
  const [program = "", ...first] = command;
  return new Deno.Command(program, {
    args: [...first, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Sends every connection's bytes back to it. */
async function serveEcho(listener: Deno.TcpListener): Promise<void> {
  for await (const connection of listener) {
    connection.readable.pipeTo(connection.writable).catch(reportBroken);
  }
}

/** Sends bytes and then the end of this side; closing the stream would end both sides. */
async function sendAll(
  connection: Deno.TcpConn,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  await new Blob([bytes]).stream().pipeTo(connection.writable, { preventClose: true });
  await connection.closeWrite();
}

function reportBroken(error: unknown): void {
  console.error(`a pipe ended early: ${error}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Sends bytes through the forward until they come back whole: the link takes a while to be up. */
async function forwarded(
  port: number,
  payload: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const deadline = Date.now() + LINK_TIMEOUT;
  while (true) {
    try {
      const answer = await roundTrip(port, payload);
      if (answer.length === payload.length || Date.now() > deadline) return answer;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY));
  }
}

/** Sends bytes, ends its side, and returns what came back until the other side ended. */
async function roundTrip(
  port: number,
  payload: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), TRANSFER_TIMEOUT);
  try {
    const [answer] = await Promise.all([
      new Response(connection.readable).bytes(),
      sendAll(connection, payload),
    ]);
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const blockLength = 65_536;
  for (let start = 0; start < length; start += blockLength) {
    crypto.getRandomValues(bytes.subarray(start, start + blockLength));
  }
  return bytes;
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended already
  }
  await child.status;
}

async function checkPasted(command: readonly string[]): Promise<void> {
  const target = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echoing = serveEcho(target);
  const port = freePort();
  const service = `127.0.0.1:${target.addr.port}`;
  const egress = start(command, ...OFFLINE, "--forward", `127.0.0.1:${port}:${service}`);
  const ingress = start(command, ...OFFLINE, "--allow", service);
  const pasting = [
    egress.stdout.pipeTo(ingress.stdin).catch(reportBroken),
    ingress.stdout.pipeTo(egress.stdin).catch(reportBroken),
  ];
  try {
    const payload = randomBytes(PAYLOAD_LENGTH);
    const answer = await forwarded(port, payload);
    ok(Buffer.compare(answer, payload) === 0, "what comes back is what was sent");
  } finally {
    await Promise.all([stop(egress), stop(ingress)]);
    target.close();
    await Promise.all([...pasting, echoing]);
  }
}

if (import.meta.main) {
  const command = Deno.args;
  ok(command.length > 0, "name the executable to try, such as ./aetherport");
  ok(
    (await output(command, "--version")).includes(manifest.version),
    "--version tells the version",
  );
  match(await output(command, "--help"), /--forward[\s\S]*--allow|--allow[\s\S]*--forward/);
  await checkPasted(command);
  console.log("ok");
}
