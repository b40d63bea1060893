/** Reliability row S14. */
import { churn } from "./association_churn.ts";

Deno.test("100,000 channels over 16 ids at 5 % loss leave nothing behind", () => {
  churn({ seed: 2, count: 100_000, idCount: 16, impairments: { delayMs: 10, loss: 0.05 } });
});
