/** PROXY headers as a target reads them (HAProxy, "The PROXY protocol", sections 2.1 and 2.2). */

/** What a header says. */
export interface ReadHeader {
  readonly family: "TCP4" | "TCP6" | "UDP4" | "UDP6" | "UNKNOWN";
  readonly source?: string;
  readonly destination?: string;
  /** Values of version 2 by their types. */
  readonly values: ReadonlyMap<number, string>;
  /** What of the bytes it takes. */
  readonly length: number;
}

const signature = "\r\n\r\n\0\r\nQUIT\n";
const families = new Map(
  [
    [0x11, "TCP4"],
    [0x12, "UDP4"],
    [0x21, "TCP6"],
    [0x22, "UDP6"],
  ] as const,
);

/** Reads the header at the beginning of some bytes. Throws where there is none. */
export function readProxyHeader(bytes: Uint8Array): ReadHeader {
  const latin = new TextDecoder("latin1").decode(bytes);
  return latin.startsWith(signature) ? readBinary(bytes) : readText(latin);
}

function readText(text: string): ReadHeader {
  const [line = ""] = /^PROXY [^\r\n]{1,100}\r\n/.exec(text) ?? [];
  const [, family, from, to, fromPort, toPort, ...rest] = line.trimEnd().split(" ");
  const common = { values: new Map(), length: line.length };
  if (family === "UNKNOWN") return { family, ...common };
  const isKnown = family === "TCP4" || family === "TCP6";
  if (!isKnown || toPort === undefined || rest.length > 0) throw new Error(`no header: ${line}`);
  return { family, source: `${from} ${fromPort}`, destination: `${to} ${toPort}`, ...common };
}

function readBinary(bytes: Uint8Array): ReadHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = 16 + view.getUint16(14);
  if (end > bytes.length) throw new Error("the header is cut short");
  if (bytes[12] === 0x20) return { family: "UNKNOWN", values: new Map(), length: end };
  const family = families.get((bytes[13] ?? 0) as 0x11);
  if (bytes[12] !== 0x21 || family === undefined) throw new Error("no such command or family");
  const length = family.endsWith("4") ? 4 : 16;
  const ports = 16 + 2 * length;
  const address = (at: number) => [...bytes.subarray(at, at + length)].join(".");
  return {
    family,
    source: `${address(16)} ${view.getUint16(ports)}`,
    destination: `${address(16 + length)} ${view.getUint16(ports + 2)}`,
    values: readValues(bytes.subarray(ports + 4, end)),
    length: end,
  };
}

function readValues(bytes: Uint8Array): Map<number, string> {
  const values = new Map<number, string>();
  for (let at = 0; at < bytes.length;) {
    const length = ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (at + 3 + length > bytes.length) throw new Error("a value is cut short");
    values.set(bytes[at] ?? 0, new TextDecoder().decode(bytes.subarray(at + 3, at + 3 + length)));
    at += 3 + length;
  }
  return values;
}
