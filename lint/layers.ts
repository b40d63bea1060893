/**
 * `aetherport/layers`: imports point down the layers only. The table below is the architecture; to
 * change the one is to change the other.
 *
 * @module
 */
import { importVisitor } from "./imports.ts";
import type { ImportSite } from "./imports.ts";
import { importedPath, projectPath } from "./project_path.ts";

/** What the files of one layer may import besides each other and the files directly in `src/`. */
interface Layer {
  readonly imports: readonly string[];
  /** Layers of which only types may be imported. */
  readonly types?: readonly string[];
  /** Folders outside `src/` that may be loaded, by dynamic import only. */
  readonly dynamic?: readonly string[];
}

/** The layers, from the top down. */
const LAYERS: ReadonlyMap<string, Layer> = new Map(Object.entries<Layer>({
  cli: {
    imports: [
      "control",
      "node",
      "bench",
      "forward",
      "access",
      "tunnel",
      "link",
      "datachannel",
      "ice",
      "sctp",
      "crypto",
      "dtls",
      "socket",
      "signaling",
      "identity",
      "config",
    ],
    dynamic: ["signal"],
  },
  control: { imports: ["node", "forward", "access", "link", "socket"] },
  node: {
    imports: ["bench", "forward", "access", "tunnel", "link", "signaling", "identity", "socket"],
  },
  bench: { imports: ["forward", "access", "tunnel", "link"] },
  forward: { imports: ["access", "tunnel", "link", "socket"] },
  access: { imports: ["identity", "socket"] },
  tunnel: { imports: ["link"] },
  link: { imports: ["datachannel", "ice", "sctp", "crypto", "dtls", "socket", "identity"] },
  datachannel: { imports: ["sctp"] },
  ice: { imports: [], types: ["socket"] },
  sctp: { imports: [] },
  crypto: { imports: [], types: ["dtls"] },
  dtls: { imports: [] },
  socket: { imports: [] },
  signaling: { imports: ["identity", "link", "socket"] },
  identity: { imports: [] },
  config: { imports: [] },
}));

/** The one file of `src/` that the server imports: it shares that with the nodes. */
const WIRE_TYPES = "src/signaling/wire.ts";

/** Read by whoever has to tell the version. */
const MANIFEST = "deno.json";

interface Finding {
  readonly message: string;
  readonly hint: string;
}

/** Refuses imports that point up or across the layers. */
export const layers: Deno.lint.Rule = {
  create(context) {
    const importer = projectPath(context.filename);
    const judge = judgeOf(importer);
    if (judge === undefined) return {};
    return importVisitor((site) => {
      const imported = importedPath(importer, site.specifier);
      if (imported === undefined || imported === MANIFEST) return;
      const finding = judge(importer, imported, site);
      if (finding !== undefined) context.report({ node: site.node, ...finding });
    });
  },
};

type Judge = (importer: string, imported: string, site: ImportSite) => Finding | undefined;

function judgeOf(importer: string): Judge | undefined {
  if (importer.startsWith("src/")) return judgeSource;
  if (importer.startsWith("signal/")) return judgeServer;
  return undefined;
}

function judgeServer(importer: string, imported: string): Finding | undefined {
  if (imported.startsWith("signal/") || imported === WIRE_TYPES) return undefined;
  return {
    message: `${importer} (the server) must not import ${imported}`,
    hint: `signal/ shares nothing with the nodes but ${WIRE_TYPES}: put what both need there.`,
  };
}

function judgeSource(importer: string, imported: string, site: ImportSite): Finding | undefined {
  const from = layerOf(importer);
  if (from !== undefined && !LAYERS.has(from)) return unknownLayer(importer, from);
  if (!imported.startsWith("src/")) return judgeOutside(importer, imported, site);
  const to = layerOf(imported);
  if (to === undefined || to === from) return undefined;
  if (!LAYERS.has(to)) return unknownLayer(imported, to);
  if (from === undefined) return rootImportsLayer(importer, imported);
  return judgeLayers({ importer, imported, from, to, isTypeOnly: site.isTypeOnly });
}

/** The folder below `src/` a file is in; undefined for a file directly in `src/`. */
function layerOf(path: string): string | undefined {
  const [, layer, file] = path.split("/");
  return file === undefined ? undefined : layer;
}

function judgeOutside(importer: string, imported: string, site: ImportSite): Finding | undefined {
  const folder = imported.split("/")[0] ?? imported;
  const permitted = LAYERS.get(layerOf(importer) ?? "")?.dynamic?.includes(folder) ?? false;
  if (permitted && site.isDynamic) return undefined;
  return {
    message: `${importer} must not import ${imported}`,
    hint: permitted
      ? `Load ${folder}/ with import() where it is started, so that nodes do not carry it.`
      : "src/ stands by itself: move what it needs into src/, below the layer that uses it.",
  };
}

function judgeLayers(
  { importer, imported, from, to, isTypeOnly }: {
    readonly importer: string;
    readonly imported: string;
    readonly from: string;
    readonly to: string;
    readonly isTypeOnly: boolean;
  },
): Finding | undefined {
  const layer = LAYERS.get(from) ?? { imports: [] };
  const isType = layer.types?.includes(to) ?? false;
  if (layer.imports.includes(to) || (isType && isTypeOnly)) return undefined;
  return {
    message: `${importer} must not import ${imported}: "${to}" is not below "${from}"`,
    hint: isType
      ? `Of "${to}", "${from}" may import types only: write import type.`
      : `${permissions(from, layer)} Hand it in from a layer above, or move it down.`,
  };
}

function permissions(name: string, layer: Layer): string {
  const types = (layer.types ?? []).map((one) => `${one} (types)`);
  const all = [...layer.imports, ...types, "files directly in src/"];
  return `"${name}" may import: ${all.join(", ")}.`;
}

function rootImportsLayer(importer: string, imported: string): Finding {
  return {
    message: `${importer} lies below all layers and must not import ${imported}`,
    hint: "Move the file into the layer it belongs to.",
  };
}

function unknownLayer(path: string, layer: string): Finding {
  return {
    message: `${path}: src/${layer}/ is not a layer`,
    hint: "Put the file into a layer, or add the layer to the table in lint/layers.ts.",
  };
}
