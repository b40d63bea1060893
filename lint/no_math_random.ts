/**
 * `aetherport/no-math-random`: `Math.random` can be foretold from a few of its numbers, and nearly
 * every random number of this program is a secret or must not be guessed.
 *
 * @module
 */
import { projectPath } from "./project_path.ts";
import { destructuredNames, dottedName } from "./references.ts";

const FINDING = {
  message: "Math.random is predictable",
  hint: "Use crypto.getRandomValues, or the source of randomness that was handed in.",
};

/** Refuses `Math.random` in the program and in the server. */
export const noMathRandom: Deno.lint.Rule = {
  create(context) {
    if (!/^(?:src|signal)\//.test(projectPath(context.filename))) return {};
    return {
      MemberExpression(node) {
        if (dottedName(node) === "Math.random") context.report({ node, ...FINDING });
      },
      VariableDeclarator(node) {
        if (node.init === null || dottedName(node.init) !== "Math") return;
        if (destructuredNames(node).includes("random")) context.report({ node, ...FINDING });
      },
    };
  },
};
