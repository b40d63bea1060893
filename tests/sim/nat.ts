/**
 * A network address translator (RFC 4787): which public address a private one is given, and what is
 * let in. It knows nothing of the network around it; time and addresses come in.
 */
import type { Instant } from "../../src/sans_io.ts";

/** An address and a port. */
export interface NatAddress {
  readonly address: string;
  readonly port: number;
}

/** What a mapping or a filter depends on (RFC 4787, sections 4.1 and 5). */
export type NatDependence =
  | "endpoint-independent"
  | "address-dependent"
  | "address-and-port-dependent";

export interface NatOptions {
  readonly publicAddress: string;
  readonly mapping: NatDependence;
  readonly filtering: NatDependence;
  /** Whether hosts behind it reach each other by its public address (section 6). */
  readonly isHairpinning?: boolean;
  /** A mapping ends when nothing was sent from within for so long (section 4.3). */
  readonly lifetimeMs?: number;
  /** Public ports are given in turn from here. */
  readonly firstPort?: number;
}

/** The four kinds that people speak of. */
export const natKinds = {
  "full cone": { mapping: "endpoint-independent", filtering: "endpoint-independent" },
  "restricted cone": { mapping: "endpoint-independent", filtering: "address-dependent" },
  "port-restricted cone": {
    mapping: "endpoint-independent",
    filtering: "address-and-port-dependent",
  },
  "symmetric": {
    mapping: "address-and-port-dependent",
    filtering: "address-and-port-dependent",
  },
} as const;

export type NatKind = keyof typeof natKinds;

/** Section 4.3 asks for 120 s and more. */
const defaultLifetimeMs = 120_000;
const defaultFirstPort = 40_000;

interface Mapping {
  readonly key: string;
  readonly inner: NatAddress;
  readonly publicPort: number;
  /** By what the filter depends on: when it was last sent to. */
  readonly sentTo: Map<string, Instant>;
  usedAt: Instant;
}

export class Nat {
  readonly publicAddress: string;
  readonly isHairpinning: boolean;
  readonly #mapping: NatDependence;
  readonly #filtering: NatDependence;
  readonly #lifetimeMs: number;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();
  #nextPort: number;

  constructor(options: NatOptions) {
    this.publicAddress = options.publicAddress;
    this.isHairpinning = options.isHairpinning ?? false;
    this.#mapping = options.mapping;
    this.#filtering = options.filtering;
    this.#lifetimeMs = options.lifetimeMs ?? defaultLifetimeMs;
    this.#nextPort = options.firstPort ?? defaultFirstPort;
  }

  /** The public address that a datagram from within leaves from. */
  translateOut(inner: NatAddress, destination: NatAddress, now: Instant): NatAddress {
    const key = `${inner.address} ${inner.port} ${scopeOf(this.#mapping, destination)}`;
    const mapping = this.#alive(this.#byKey.get(key), now) ?? this.#create(key, inner, now);
    mapping.usedAt = now;
    mapping.sentTo.set(scopeOf(this.#filtering, destination), now);
    return { address: this.publicAddress, port: mapping.publicPort };
  }

  /** The private address that a datagram from outside is passed on to; undefined drops it. */
  translateIn(source: NatAddress, publicPort: number, now: Instant): NatAddress | undefined {
    const mapping = this.#alive(this.#byPort.get(publicPort), now);
    const openedAt = mapping?.sentTo.get(scopeOf(this.#filtering, source));
    if (openedAt === undefined || now - openedAt > this.#lifetimeMs) return undefined;
    return mapping?.inner;
  }

  /** Forgets all mappings, as when it is switched off and on. */
  reset(): void {
    this.#byKey.clear();
    this.#byPort.clear();
  }

  #alive(mapping: Mapping | undefined, now: Instant): Mapping | undefined {
    if (mapping === undefined || now - mapping.usedAt <= this.#lifetimeMs) return mapping;
    this.#byKey.delete(mapping.key);
    this.#byPort.delete(mapping.publicPort);
    return undefined;
  }

  #create(key: string, inner: NatAddress, now: Instant): Mapping {
    const publicPort = this.#nextPort++;
    const mapping = { key, inner, publicPort, sentTo: new Map<string, Instant>(), usedAt: now };
    this.#byKey.set(key, mapping);
    this.#byPort.set(publicPort, mapping);
    return mapping;
  }
}

function scopeOf(dependence: NatDependence, { address, port }: NatAddress): string {
  switch (dependence) {
    case "endpoint-independent":
      return "";
    case "address-dependent":
      return address;
    case "address-and-port-dependent":
      return `${address} ${port}`;
    default:
      return dependence satisfies never;
  }
}
