/**
 * A service in a namespace: it answers with the digest of what came and the bytes of a file, until its
 * input ends.
 *
 *     deno run -A service.ts FILE
 *
 * @module
 */
import { digestThen, serve } from "../program/local_service.ts";

const [file = ""] = Deno.args;
await using service = await serve(digestThen(await Deno.readFile(file)));
console.log(`serving port ${service.port}`);
await Deno.stdin.readable.pipeTo(new WritableStream());
