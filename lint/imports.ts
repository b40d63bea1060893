/**
 * Every way in which one module can name another: `import`, `export … from`, `import()`, the
 * `import("…")` of a type, and the `new URL("…", import.meta.url)` that starts a Worker.
 *
 * @module
 */

/** One place where a module names another. */
export interface ImportSite {
  readonly specifier: string;
  /** Erased by the compiler: nothing of the other module runs. */
  readonly isTypeOnly: boolean;
  /** Loaded when the program comes by, not when it starts. */
  readonly isDynamic: boolean;
  readonly node: Deno.lint.Node;
}

/** A visitor that hands over every import of a file. */
export function importVisitor(handle: (site: ImportSite) => void): Deno.lint.LintVisitor {
  return {
    ImportDeclaration(node) {
      handle({
        specifier: node.source.value,
        isTypeOnly: node.importKind === "type" || hasOnlyTypes(node.specifiers),
        isDynamic: false,
        node,
      });
    },
    ExportNamedDeclaration(node) {
      if (node.source === null) return;
      const isTypeOnly = node.exportKind === "type";
      handle({ specifier: node.source.value, isTypeOnly, isDynamic: false, node });
    },
    ExportAllDeclaration(node) {
      const isTypeOnly = node.exportKind === "type";
      handle({ specifier: node.source.value, isTypeOnly, isDynamic: false, node });
    },
    ImportExpression(node) {
      const specifier = constantText(node.source);
      if (specifier === undefined) return;
      handle({ specifier, isTypeOnly: false, isDynamic: true, node });
    },
    TSImportType(node) {
      if (node.argument.type !== "TSLiteralType") return;
      const specifier = constantText(node.argument.literal);
      if (specifier === undefined) return;
      handle({ specifier, isTypeOnly: true, isDynamic: false, node });
    },
    NewExpression(node) {
      const specifier = moduleUrl(node);
      if (specifier === undefined) return;
      handle({ specifier, isTypeOnly: false, isDynamic: true, node });
    },
  };
}

function hasOnlyTypes(specifiers: Deno.lint.ImportDeclaration["specifiers"]): boolean {
  return specifiers.length > 0 &&
    specifiers.every((one) => one.type === "ImportSpecifier" && one.importKind === "type");
}

/** The text of a string literal or of a template without expressions. */
export function constantText(node: Deno.lint.Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TemplateLiteral" && node.expressions.length === 0) {
    return node.quasis.map((one) => one.cooked).join("");
  }
  return undefined;
}

/** The path in `new URL(path, import.meta.url)`. */
function moduleUrl(node: Deno.lint.NewExpression): string | undefined {
  const [path, base] = node.arguments;
  if (node.callee.type !== "Identifier" || node.callee.name !== "URL") return undefined;
  if (path === undefined || base?.type !== "MemberExpression") return undefined;
  return base.object.type === "MetaProperty" ? constantText(path) : undefined;
}
