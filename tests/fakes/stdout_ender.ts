/** Writes, ends stdout, and goes on until stdin has ended: then it creates the file that is named. */
import { endStdout } from "../../src/socket/end_stdout.ts";

await Deno.stdout.write(new TextEncoder().encode("said"));
endStdout();
const heard = await new Response(Deno.stdin.readable).text();
await Deno.writeTextFile(Deno.args[0] ?? "", heard);
