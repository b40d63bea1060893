/**
 * Runs the benchmarks: `deno task bench` all of them, `deno task bench forward` one. Each is a file
 * beside this one that measures against a peer or a baseline in the same run, and prints a table.
 */
const names = [
  "forward",
  "link",
  "signal",
  "dtls_crypto",
  "dtls_handshake",
  "sctp",
  "sockets",
] as const;

const wanted = Deno.args.length > 0 ? Deno.args : names;
for (const name of wanted) {
  if (!(names as readonly string[]).includes(name)) {
    console.error(`bench: no ${JSON.stringify(name)} (there are ${names.join(", ")})`);
    Deno.exit(2);
  }
  console.log(`== ${name}`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--unstable-kv", new URL(`./${name}.ts`, import.meta.url).href],
  }).spawn().status;
  if (!success) Deno.exit(1);
}
