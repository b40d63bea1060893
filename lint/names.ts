/**
 * `aetherport/names`: a file is named for what it is about. A name that fits everything gathers
 * everything, and `export *` makes everything API.
 *
 * @module
 */
import { posix } from "node:path";
import { projectPath } from "./project_path.ts";

const VAGUE_NAMES = ["utils", "helpers", "common", "types", "index"];

/** Refuses vague file names in `src/`, and barrels everywhere. */
export const names: Deno.lint.Rule = {
  create(context) {
    const path = projectPath(context.filename);
    return {
      Program(node) {
        const name = posix.basename(path).split(".")[0] ?? "";
        if (!path.startsWith("src/") || !VAGUE_NAMES.includes(name)) return;
        context.report({
          node,
          message: `"${name}" does not say what ${path} is about`,
          hint: "Name the file for its main export.",
        });
      },
      ExportAllDeclaration(node) {
        context.report({
          node,
          message: `export * from "${node.source.value}" makes every one of its exports API`,
          hint: "Export by name what others are to use.",
        });
      },
    };
  },
};
