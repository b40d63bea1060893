import { tryChaos } from "./chaos.ts";

Deno.test("2,000 times, after all that can happen there is a path, both ways", () =>
  tryChaos(2_000));
