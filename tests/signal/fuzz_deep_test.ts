import { fuzzParsers } from "../signaling/aetherlight_wire_fuzz.ts";
import { fuzzEndpoints } from "./endpoint_fuzz.ts";

Deno.test("answers 100,000 mutated requests of every kind without a 5xx", async () => {
  await fuzzEndpoints(100_000);
});

Deno.test("no parser throws at 100,000 mutations of what is right", async () => {
  await fuzzParsers(100_000);
});
