/**
 * `aetherport/sort-comparator`: without a comparator, `sort` compares as text, so that 10 comes
 * before 9, and a sequence number after its wrap before it.
 *
 * @module
 */
import { propertyName } from "./references.ts";

/** Refuses `.sort()` and `.toSorted()` without a comparator. */
export const sortComparator: Deno.lint.Rule = {
  create(context) {
    return {
      CallExpression(node) {
        const callee = node.callee.type === "ChainExpression"
          ? node.callee.expression
          : node.callee;
        if (callee.type !== "MemberExpression") return;
        const method = propertyName(callee);
        if (method !== "sort" && method !== "toSorted") return;
        if (hasComparator(node)) return;
        context.report({
          node,
          message: `.${method}() without a comparator sorts as text`,
          hint: "Pass a comparator, such as (a, b) => a - b, or one from serial.ts.",
        });
      },
    };
  },
};

function hasComparator(node: Deno.lint.CallExpression): boolean {
  const [first] = node.arguments;
  if (first === undefined) return false;
  return !(first.type === "Identifier" && first.name === "undefined");
}
