/**
 * One connection in a namespace: its input goes to a port, what comes back is printed, and the end of
 * the connection is told.
 *
 *     deno run -A talk.ts PORT
 *
 * @module
 */
const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0]) });
console.log("connected");
void Deno.stdin.readable.pipeTo(connection.writable, { preventClose: true }).catch(() => {});
try {
  await connection.readable.pipeTo(Deno.stdout.writable, { preventClose: true });
  console.log("ended");
} catch (error) {
  console.log(`broken: ${error}`);
}
