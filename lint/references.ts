/**
 * What a piece of syntax refers to, by its name: enough to find the uses of a global, without
 * knowing scopes.
 *
 * @module
 */
import { constantText } from "./imports.ts";

/**
 * `Math.random` for `Math.random`, `Math["random"]`, `Math?.random` and `globalThis.Math.random`;
 * undefined for what is not a chain of names.
 */
export function dottedName(node: Deno.lint.Node): string | undefined {
  const path = namePath(node);
  if (path === undefined) return undefined;
  const [first, ...rest] = path;
  return first === "globalThis" && rest.length > 0 ? rest.join(".") : path.join(".");
}

function namePath(node: Deno.lint.Node): string[] | undefined {
  if (node.type === "Identifier") return [node.name];
  if (node.type === "ChainExpression") return namePath(node.expression);
  if (node.type !== "MemberExpression") return undefined;
  const object = namePath(node.object);
  const property = propertyName(node);
  return object === undefined || property === undefined ? undefined : [...object, property];
}

/** The name behind the dot, or the constant text in the brackets. */
export function propertyName(node: Deno.lint.MemberExpression): string | undefined {
  if (node.computed) return constantText(node.property);
  return node.property.type === "Identifier" ? node.property.name : undefined;
}

/** Whether an identifier stands for a value or type of that name, and is not merely a label. */
export function isReference(node: Deno.lint.Identifier): boolean {
  const parent: Deno.lint.Node = node.parent;
  if (parent.type === "ImportSpecifier" || parent.type === "ExportSpecifier") return false;
  if (parent.type === "TSQualifiedName") return parent.left === node;
  if ("computed" in parent && parent.computed) return true;
  if ("property" in parent && parent.property === node) return false;
  return !("key" in parent && parent.key === node);
}

/** The names a destructuring takes: `random` of `const { random: draw } = Math`. */
export function destructuredNames(node: Deno.lint.VariableDeclarator): readonly string[] {
  if (node.id.type !== "ObjectPattern") return [];
  return node.id.properties.flatMap((one) =>
    one.type === "Property" && one.key.type === "Identifier" ? [one.key.name] : []
  );
}
