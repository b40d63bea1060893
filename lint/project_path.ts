/**
 * Paths as the rules see them: relative to the repository's root, with forward slashes on every
 * system (`src/link/link.ts`).
 *
 * @module
 */
import { dirname, posix, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The path of a linted file, relative to the repository's root. */
export function projectPath(filename: string): string {
  const absolute = filename.startsWith("file:") ? fileURLToPath(filename) : filename;
  return relative(ROOT, resolve(ROOT, absolute)).split(sep).join("/");
}

/** The path a relative specifier means, or undefined when the specifier names a package. */
export function importedPath(importer: string, specifier: string): string | undefined {
  if (specifier.startsWith("file:")) return projectPath(specifier);
  if (!/^\.{0,2}\//.test(specifier)) return undefined;
  if (specifier.startsWith("/")) return projectPath(specifier);
  return posix.join(posix.dirname(importer), specifier);
}

/** Whether a place holds a path: a place is a folder if it ends in a slash, else one file. */
export function isInside(path: string, place: string): boolean {
  return place.endsWith("/") ? path.startsWith(place) : path === place;
}
