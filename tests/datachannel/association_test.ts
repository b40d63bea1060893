/** Data channels over the project's own association, on a simulated network. */
import { forSeeds } from "../sim/seeds.ts";
import { churn } from "./association_churn.ts";

Deno.test("2,000 channels over 16 ids at 5 % loss leave nothing behind", () => {
  churn({ seed: 1, count: 2_000, idCount: 16, impairments: { delayMs: 10, loss: 0.05 } });
});

Deno.test("channels come and go over few ids, whatever the path does", () => {
  const impairments = {
    delayMs: 20,
    jitterMs: 10,
    loss: 0.1,
    reorder: { probability: 0.2, extraDelayMs: 50 },
    duplicate: 0.1,
  };
  forSeeds(10, (seed) => {
    const isInterleavingOffered = seed % 2 === 0;
    churn({ seed, count: 60, idCount: 4, impairments, isInterleavingOffered });
  });
});

Deno.test("channels come and go where TSNs and request numbers wrap", () => {
  forSeeds(4, (seed) => {
    const isInterleavingOffered = seed % 2 === 0;
    const impairments = { delayMs: 10, loss: 0.05 };
    const isWrapping = true;
    churn({ seed, count: 60, idCount: 8, impairments, isInterleavingOffered, isWrapping });
  });
});
