/**
 * Paths in memory: what one end sends comes to the other after a while, twice or not at all, as chance
 * and the test have it. Bytes are lent in the midst of others and overwritten, so that a view that
 * was kept is found out.
 */
import type { LinkPath } from "../../src/link/link.ts";
import type { Path, PathHandler } from "../../src/link/path.ts";
import type { Candidate, SessionDescription } from "../../src/link/session_description.ts";
import { POISON } from "../sim/lent_memory.ts";
import { Random } from "../sim/random.ts";

/** What lies before and behind lent bytes. */
const guardLength = 13;

/** What becomes of datagrams. */
export interface Weather {
  /** Probabilities. */
  readonly loss?: number;
  readonly duplication?: number;
  /** A datagram of noise, or one that was sent with some bytes changed, comes along. */
  readonly garbage?: number;
  /** In ms. */
  readonly delay?: number;
  /** Up to so much more, so that datagrams overtake one another. In ms. */
  readonly jitter?: number;
  /** When the controlled end hears that the path is open, after the other did. In ms. */
  readonly openDelay?: number;
}

/** One end. */
export class FakePath implements Path {
  handler: PathHandler | undefined;
  readonly credentials = { iceUfrag: "ufra", icePwd: "password-of-22-letters" };
  readonly #network: FakeNetwork;
  readonly address: string;
  other: FakePath | undefined;
  isConnecting = false;
  isClosed = false;

  constructor(network: FakeNetwork, address: string) {
    this.#network = network;
    this.address = address;
  }

  candidates(): Candidate[] {
    return [];
  }

  gather(): Promise<void> {
    return Promise.resolve();
  }

  connect(_remote: SessionDescription): void {
    this.isConnecting = true;
    this.#network.openIfReady();
  }

  addCandidate(_candidate: Candidate | undefined): void {}

  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    mayFragment = false,
  ): void {
    if (this.isClosed) return;
    for (let at = start; at < end; at += segmentLength) {
      const datagram = bytes.slice(at, Math.min(at + segmentLength, end));
      if (datagram.length <= this.#network.longest || mayFragment) {
        this.#network.carry(datagram, this.other);
      }
    }
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  open(): void {
    if (this.isClosed) return;
    this.handler?.handleOpen(this.selected());
  }

  selected(): LinkPath {
    const [local, remote] = [`${this.address}:1000`, `${this.other?.address}:1000`];
    return { local, remote, isRelayed: false };
  }

  /** A datagram comes. */
  deliver(datagram: Uint8Array): void {
    if (this.isClosed) return;
    const end = guardLength + datagram.length;
    const memory = new Uint8Array(end + guardLength).fill(POISON);
    memory.set(datagram, guardLength);
    this.handler?.handleDatagrams(memory, guardLength, end, datagram.length);
    memory.fill(POISON);
  }
}

/** The network between two ends. */
export class FakeNetwork {
  /** A test may change it. */
  weather: Weather;
  /** Longer datagrams go in fragments or not at all, in bytes; a test may change it. */
  longest = Infinity;
  /** Nothing comes through any more, and nobody is told. */
  isSilent = false;
  /** Datagrams sent, in both directions. */
  sentCount = 0;
  readonly #random: Random;
  readonly #ends: FakePath[] = [];

  constructor({ seed = 1, ...weather }: Weather & { readonly seed?: number } = {}) {
    this.#random = new Random(seed);
    this.weather = weather;
  }

  /** Makes one of the two ends; the first is the controlling one. */
  readonly createPath = (): FakePath => {
    const path = new FakePath(this, `192.0.2.${this.#ends.length + 1}`);
    const other = this.#ends[0];
    if (other !== undefined) [path.other, other.other] = [other, path];
    this.#ends.push(path);
    return path;
  };

  /** The controlling end, and the other. */
  get ends(): readonly FakePath[] {
    return this.#ends;
  }

  openIfReady(): void {
    const [one, other] = this.#ends;
    if (one?.isConnecting !== true || other?.isConnecting !== true) return;
    setTimeout(() => one.open(), this.weather.delay ?? 0);
    setTimeout(() => other.open(), (this.weather.delay ?? 0) + (this.weather.openDelay ?? 0));
  }

  carry(datagram: Uint8Array, to: FakePath | undefined): void {
    this.sentCount++;
    const { loss = 0, duplication = 0, garbage = 0 } = this.weather;
    if (this.#random.chance(garbage)) this.#deliverLater(this.#garbageLike(datagram), to);
    if (this.isSilent || this.#random.chance(loss)) return;
    this.#deliverLater(datagram, to);
    if (this.#random.chance(duplication)) this.#deliverLater(datagram, to);
  }

  #deliverLater(datagram: Uint8Array, to: FakePath | undefined): void {
    const { delay = 1, jitter = 0 } = this.weather;
    setTimeout(() => {
      if (!this.isSilent) to?.deliver(datagram);
    }, delay + this.#random.fraction() * jitter);
  }

  #garbageLike(datagram: Uint8Array): Uint8Array {
    const random = this.#random;
    if (random.chance(0.5)) return random.bytes(random.below(200));
    const changed = datagram.slice(0, 1 + random.below(datagram.length));
    changed[random.below(changed.length)] = random.below(256);
    return changed;
  }
}
