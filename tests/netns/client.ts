/**
 * A client in a namespace: it sends a file, and says what the digests are that came and of what came.
 *
 *     deno run -A client.ts PORT FILE
 *
 * @module
 */
import { exchange, sha256 } from "../program/local_service.ts";

const [port, file = ""] = Deno.args;
const reply = await exchange({ port: Number(port), payload: await Deno.readFile(file) });
console.log(`sent ${reply.subarray(0, 64)}, received ${sha256(reply.subarray(64))}`);
