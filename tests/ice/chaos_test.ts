import { tryChaos } from "./chaos.ts";

Deno.test("after 90 s of all that can happen there is a path, both ways", () => tryChaos(40));
