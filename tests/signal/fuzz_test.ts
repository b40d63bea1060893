import { fuzzEndpoints } from "./endpoint_fuzz.ts";

Deno.test("answers mutated requests of every kind with what they deserve, never with 5xx", async () => {
  await fuzzEndpoints(20_000);
});
