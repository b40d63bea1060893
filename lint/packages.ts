/**
 * `aetherport/packages`: some packages have one home, so that they can be replaced there; nothing
 * is loaded from a URL or from jsr.
 *
 * @module
 */
import { importVisitor } from "./imports.ts";
import { isInside, projectPath } from "./project_path.ts";

/** Tests may use a package to forge, or as the other end. */
const TESTS = "tests/";

/** Where a package may be imported, besides the tests. A package not named here is free. */
const HOMES: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  "werift": [],
  "commander": ["src/cli/"],
  "hono": ["signal/"],
  "@hono/hono": ["signal/"],
  "@peculiar/x509": ["src/identity/"],
  "reflect-metadata": ["src/identity/"],
  "jose": ["src/signaling/", "src/identity/"],
  "fast-check": [],
  "yaml": [],
}));

const FORBIDDEN_SCHEME = /^(?:jsr|https?):/;

/** Refuses packages outside their home, and modules from URLs. */
export const packages: Deno.lint.Rule = {
  create(context) {
    const importer = projectPath(context.filename);
    return importVisitor(({ specifier, node }) => {
      const finding = findingOf(importer, specifier);
      if (finding !== undefined) context.report({ node, ...finding });
    });
  },
};

function findingOf(
  importer: string,
  specifier: string,
): { readonly message: string; readonly hint: string } | undefined {
  if (FORBIDDEN_SCHEME.test(specifier)) {
    return {
      message: `"${specifier}" is loaded from a URL or from jsr`,
      hint: "Take it from npm: add it to the imports in deno.json and import it by that name.",
    };
  }
  const name = packageName(specifier);
  const homes = HOMES.get(name);
  if (homes === undefined) return undefined;
  const places = [...homes, TESTS];
  if (places.some((place) => isInside(importer, place))) return undefined;
  return {
    message: `${importer} must not import the package "${name}"`,
    hint: `Only ${places.join(", ")} may. Use what that place exports instead.`,
  };
}

/** `npm:@scope/name@1.2.3/part`, `@scope/name/part` and `@scope/name` are all `@scope/name`. */
function packageName(specifier: string): string {
  const match = /^(?:npm:\/?)?((?:@[^/]+\/)?[^/@]+)/.exec(specifier);
  return match?.[1] ?? specifier;
}
