/**
 * The project's own lint rules: what docs/ARCHITECTURE.md and CONTRIBUTING.md ask for and a machine
 * can check. One file a rule, each with its reason; the tests are in tests/lint/.
 *
 * @module
 */
import { layers } from "./layers.ts";
import { names } from "./names.ts";
import { noBareCatch } from "./no_bare_catch.ts";
import { noMathRandom } from "./no_math_random.ts";
import { packages } from "./packages.ts";
import { pureCore } from "./pure_core.ts";
import { sortComparator } from "./sort_comparator.ts";

const plugin: Deno.lint.Plugin = {
  name: "aetherport",
  rules: {
    "layers": layers,
    "names": names,
    "no-bare-catch": noBareCatch,
    "no-math-random": noMathRandom,
    "packages": packages,
    "pure-core": pureCore,
    "sort-comparator": sortComparator,
  },
};

export default plugin;
