/** A TURN client on a simulated network: what it sends to peers goes with its requests, in order. */
import type { Instant, SansIo, Transmit } from "../../../src/sans_io.ts";
import type { TransportAddress } from "../../../src/ice/stun/address.ts";
import { TurnClient, type TurnClientOptions } from "../../../src/ice/turn/turn_client.ts";
import type { TurnEvent } from "../../../src/ice/turn/turn_event.ts";
import { Pair, type PairOptions } from "../../sim/pair.ts";
import { Random } from "../../sim/random.ts";
import { FakeTurnServer, type FakeTurnServerOptions, user } from "./fake_turn_server.ts";

/** What a peer has sent. */
export interface ClientData {
  readonly type: "data";
  readonly source: TransportAddress;
  readonly data: Uint8Array;
}

export class ClientEndpoint implements SansIo<TurnEvent | ClientData> {
  readonly client: TurnClient;
  readonly #data: ClientData[] = [];
  readonly #messages: Uint8Array[] = [];

  constructor(
    options: Partial<TurnClientOptions> & Pick<TurnClientOptions, "random">,
    now: Instant = 0,
  ) {
    this.client = new TurnClient({
      ...user,
      isStream: false,
      handleData: (source, bytes, start, end) =>
        this.#data.push({ type: "data", source, data: bytes.slice(start, end) }),
      ...options,
    }, now);
  }

  /** Sends a datagram to a peer; false where it is dropped at once. */
  send(peer: TransportAddress, data: Uint8Array, now: Instant): boolean {
    const out = new Uint8Array(data.length + 100);
    const length = this.client.wrap(out, 7, data, 0, data.length, peer, now);
    // Requests that this made due go first.
    const requests: Uint8Array[] = [];
    for (let next = this.#pollClient(now); next !== undefined; next = this.#pollClient(now)) {
      requests.push(next);
    }
    this.#messages.push(...requests);
    if (length > 0) this.#messages.push(out.slice(7, 7 + length));
    return length > 0;
  }

  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.client.handleMessage(bytes, 0, bytes.length, now);
  }

  handleTimeout(now: Instant): void {
    this.client.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    return this.client.nextTimeout();
  }

  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
    const message = this.#messages.shift();
    if (message === undefined) return this.client.pollTransmit(out, now);
    out.set(message);
    return { length: message.length, segmentSize: message.length };
  }

  pollEvent(): TurnEvent | ClientData | undefined {
    return this.client.pollEvent() ?? this.#data.shift();
  }

  #pollClient(now: Instant): Uint8Array | undefined {
    const out = new Uint8Array(4_096);
    const transmit = this.client.pollTransmit(out, now);
    return transmit && out.slice(0, transmit.length);
  }
}

/** The events of one type. */
export function ofType<Type extends (TurnEvent | ClientData)["type"]>(
  events: readonly (TurnEvent | ClientData)[],
  type: Type,
): Extract<TurnEvent | ClientData, { type: Type }>[] {
  return events.filter((event): event is Extract<TurnEvent | ClientData, { type: Type }> =>
    event.type === type
  );
}

export type TurnPair = Pair<ClientEndpoint, FakeTurnServer>;

/** A client and a server, 20 ms apart. */
export function turnPair(
  { seed = 1, client = {}, server = {}, ...options }:
    & { seed?: number; client?: Partial<TurnClientOptions>; server?: FakeTurnServerOptions }
    & Partial<Omit<PairOptions<ClientEndpoint, FakeTurnServer>, "seed" | "a" | "z">> = {},
): TurnPair {
  const random = new Random(`turn ${seed}`);
  return new Pair({
    seed,
    a: new ClientEndpoint({ random: (length) => random.bytes(length), ...client }),
    z: new FakeTurnServer(server),
    names: { a: "client", z: "server" },
    impairments: { delayMs: 20 },
    ...options,
  });
}

/** Runs until there is an allocation. */
export function allocate(pair: TurnPair): TurnPair {
  pair.run({ until: () => ofType(pair.events.a, "allocated").length > 0 });
  return pair;
}
