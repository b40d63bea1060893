/**
 * A service in a namespace that sends back what it reads, until its input ends.
 *
 *     deno run -A echo.ts
 *
 * @module
 */
import { echo, serve } from "../program/local_service.ts";

await using service = await serve(echo);
console.log(`serving port ${service.port}`);
await Deno.stdin.readable.pipeTo(new WritableStream());
