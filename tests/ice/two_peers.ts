/** The usual cast: A, controlling, and Z, controlled, on hosts of their own. */
import { IcePeer, IceWorld, type PeerOptions, type WorldOptions } from "./ice_world.ts";

export interface TwoPeers {
  readonly world: IceWorld;
  readonly a: IcePeer;
  readonly z: IcePeer;
}

export interface TwoPeersOptions extends Partial<WorldOptions> {
  readonly a?: Partial<PeerOptions>;
  readonly z?: Partial<PeerOptions>;
}

export const addressOfA = "203.0.113.1";
export const addressOfZ = "203.0.113.2";

/** Both, not told of each other yet. */
export function createTwoPeers(options: TwoPeersOptions = {}): TwoPeers {
  const world = new IceWorld({ seed: 1, ...options });
  const a = world.addPeer({
    name: "A",
    role: "controlling",
    addresses: [addressOfA],
    ...options.a,
  });
  const z = world.addPeer({
    name: "Z",
    role: "controlled",
    addresses: [addressOfZ],
    ...options.z,
  });
  return { world, a, z };
}

/** Whether both have a path. */
export function areLinked({ a, z }: TwoPeers): boolean {
  return a.path !== undefined && z.path !== undefined;
}

/** Both, linked and at rest: what was to be nominated is. */
export function linkTwoPeers(options: TwoPeersOptions = {}): TwoPeers {
  const peers = createTwoPeers(options);
  peers.world.connect(peers.a, peers.z);
  if (!peers.world.runUntil(() => areLinked(peers), 60_000)) throw new Error("they are not linked");
  peers.world.runFor(2_000);
  return peers;
}
