/**
 * Runs the benchmarks: `deno task bench` all of them, `deno task bench forward` one, and what follows
 * its name is handed to it. Each is a file beside this one that measures against a peer, a baseline
 * or a goal in the same run, and prints a table.
 */
const names = [
  "start",
  "setup",
  "flood",
  "ssh",
  "forward",
  "udp",
  "link",
  "signal",
  "dtls_crypto",
  "dtls_handshake",
  "sctp",
  "sockets",
  "policy",
  "http",
] as const;

/** Runs one to its end; what it ended with. */
async function run(name: string, args: readonly string[]): Promise<number> {
  console.log(`== ${name}`);
  const script = new URL(`./${name}.ts`, import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--unstable-kv", script, ...args],
  }).spawn();
  // It has things to undo; what is typed on a terminal reaches it by itself.
  const end = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGTERM", end);
  const { code } = await child.status;
  Deno.removeSignalListener("SIGTERM", end);
  return code;
}

const [wanted, ...args] = Deno.args;
if (wanted !== undefined && !(names as readonly string[]).includes(wanted)) {
  console.error(`bench: no ${JSON.stringify(wanted)} (there are ${names.join(", ")})`);
  Deno.exit(2);
}
for (const name of wanted === undefined ? names : [wanted]) {
  const code = await run(name, args);
  if (code !== 0) Deno.exit(code);
}
