import { pairsOfKinds, tryKinds } from "./nat_table.ts";

for (const [kindOfA, kindOfZ] of pairsOfKinds()) {
  Deno.test(`1,000 seeds behind a ${kindOfA} and a ${kindOfZ} NAT`, () => {
    tryKinds(kindOfA, kindOfZ, 1_000);
  });
}
