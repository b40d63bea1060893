/**
 * Prints what an executable consists of as a CycloneDX document: Deno, and every npm package that
 * `main.ts` reaches, with the hashes of deno.lock. The same tree gives the same text.
 *
 *     deno run -A .github/sbom.ts > aetherport.cdx.json
 *
 * @module
 */

/** What is needed of `deno info --json main.ts`. */
export interface ModuleGraph {
  readonly modules: readonly { readonly kind?: string; readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<Record<string, NpmPackage>>;
}

/** One resolved package. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Keys into the list of packages. */
  readonly dependencies: readonly string[];
}

/** What is needed of deno.lock. */
export interface Lockfile {
  readonly npm: Readonly<Record<string, { readonly integrity?: string }>>;
}

/** What is needed of deno.json. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

interface Component {
  readonly "type": string;
  readonly "bom-ref": string;
  readonly "name": string;
  readonly "version": string;
  readonly "purl": string;
  readonly "hashes"?: readonly { readonly alg: string; readonly content: string }[];
  readonly "licenses"?: readonly { readonly license: { readonly id: string } }[];
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

/** A CycloneDX document, as far as it is used here. */
export interface Sbom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

/** Lists what is reachable from the entry, and only that. */
export function createSbom(
  { graph, lockfile, manifest, denoVersion }: {
    readonly graph: ModuleGraph;
    readonly lockfile: Lockfile;
    readonly manifest: Manifest;
    readonly denoVersion: string;
  },
): Sbom {
  const direct = graph.modules.flatMap((one) => one.npmPackage === undefined ? [] : one.npmPackage);
  const keys = reachable(graph, direct);
  const program = programComponent(manifest);
  const deno = denoComponent(denoVersion);
  const libraries = keys.map((key) => libraryComponent(packageOf(graph, key), lockfile, key));
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: program },
    components: [deno, ...libraries],
    dependencies: [
      { ref: program["bom-ref"], dependsOn: [deno["bom-ref"], ...refsOf(graph, direct)] },
      ...keys.map((key) => packageOf(graph, key)).map((one) => ({
        ref: npmUrl(one),
        dependsOn: refsOf(graph, one.dependencies),
      })),
    ],
  };
}

function reachable(graph: ModuleGraph, roots: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const open = [...roots];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (found.has(key)) continue;
    found.add(key);
    open.push(...packageOf(graph, key).dependencies);
  }
  return [...found].sort(compareText);
}

function packageOf(graph: ModuleGraph, key: string): NpmPackage {
  const found = graph.npmPackages[key];
  if (found === undefined) throw new Error(`making the SBOM: "${key}" is not in deno info's list`);
  return found;
}

function refsOf(graph: ModuleGraph, keys: readonly string[]): readonly string[] {
  return [...new Set(keys.map((key) => npmUrl(packageOf(graph, key))))].sort(compareText);
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function npmUrl({ name, version }: NpmPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function programComponent({ name, version, license }: Manifest): Component {
  const purl = `pkg:generic/${name.replace("@", "%40")}@${version}`;
  const licenses = [{ license: { id: license } }];
  return { "type": "application", "bom-ref": purl, name, version, purl, licenses };
}

function denoComponent(version: string): Component {
  const purl = `pkg:github/denoland/deno@v${version}`;
  const licenses = [{ license: { id: "MIT" } }];
  return { "type": "platform", "bom-ref": purl, "name": "deno", version, purl, licenses };
}

function libraryComponent(found: NpmPackage, lockfile: Lockfile, key: string): Component {
  const purl = npmUrl(found);
  const { name, version } = found;
  const digest = /^sha512-(.+)$/.exec(lockfile.npm[key]?.integrity ?? "")?.[1];
  if (digest === undefined) throw new Error(`making the SBOM: deno.lock has no hash of "${key}"`);
  const hashes = [{ alg: "SHA-512", content: Uint8Array.fromBase64(digest).toHex() }];
  return { "type": "library", "bom-ref": purl, name, version, purl, hashes };
}

async function moduleGraph(): Promise<ModuleGraph> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  if (!success) throw new Error("making the SBOM: deno info failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

if (import.meta.main) {
  const sbom = createSbom({
    graph: await moduleGraph(),
    lockfile: JSON.parse(await Deno.readTextFile("deno.lock")),
    manifest: JSON.parse(await Deno.readTextFile("deno.json")),
    denoVersion: Deno.version.deno,
  });
  console.log(JSON.stringify(sbom, null, 2));
}
