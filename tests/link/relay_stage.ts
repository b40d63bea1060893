/** Relays, and what they are told, beside a coturn that is stopped in the end. */
import { equal, ok } from "node:assert/strict";
import type { IceServer } from "../../src/link/ice_server.ts";
import {
  openRelay,
  type Relay,
  type RelayAddresses,
  type RelayOptions,
} from "../../src/link/relay.ts";
import { chooseDatagramSockets } from "../../src/socket/choose_datagram_sockets.ts";
import type { SocketAddress } from "../../src/socket/datagram.ts";
import { Coturn, type CoturnOptions, coturnUser } from "../peers/coturn.ts";

const { sockets } = await chooseDatagramSockets();

/** A relay, and what its handler was told. */
export class Client {
  readonly relay: Relay;
  readonly outcome = Promise.withResolvers<RelayAddresses | string>();
  readonly refused: string[] = [];
  readonly #started = performance.now();
  failedAfter = 0;
  failureCount = 0;
  drainedCount = 0;
  handleDatagram: (source: SocketAddress, bytes: Uint8Array) => void = () => {};

  constructor(server: IceServer, options: Partial<RelayOptions> = {}) {
    let isOpened = false;
    this.relay = openRelay({
      server,
      sockets,
      handler: {
        handleAllocated: (addresses) => this.outcome.resolve(addresses),
        handleDatagram: (source, bytes, start, end) => {
          this.handleDatagram(source, bytes.slice(start, end));
          bytes.fill(0xdb, start, end);
        },
        handleDrained: () => this.drainedCount++,
        handleRefused: (address) => this.refused.push(address),
        handleFailed: (reason) => {
          ok(isOpened);
          this.failureCount++;
          this.failedAfter = performance.now() - this.#started;
          this.outcome.resolve(reason);
        },
      },
      ...options,
    });
    isOpened = true;
  }

  async allocated(): Promise<RelayAddresses> {
    const outcome = await this.outcome.promise;
    if (typeof outcome === "string") throw new Error(outcome);
    return outcome;
  }

  async failed(): Promise<string> {
    const outcome = await this.outcome.promise;
    if (typeof outcome !== "string") throw new Error("there is a relay");
    equal(this.failureCount, 1);
    return outcome;
  }
}

/** Runs coturn meanwhile. */
export async function withCoturn(
  options: CoturnOptions,
  body: (coturn: Coturn) => Promise<void>,
): Promise<void> {
  const coturn = await Coturn.start(options);
  try {
    await body(coturn);
  } finally {
    await coturn.stop();
  }
}

/** A TURN server on loopback, with the user that coturn knows. */
export function serverAt(port: number, more: Partial<IceServer> = {}): IceServer {
  return { scheme: "turn", address: `127.0.0.1:${port}`, ...coturnUser, ...more };
}

/** Lets so many ms pass. */
export function wait(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

/** Resolves once that is so; throws where it is not in time, in ms. */
export async function until(condition: () => boolean, patience = 10_000): Promise<void> {
  for (const end = performance.now() + patience; !condition();) {
    if (performance.now() > end) throw new Error("it did not come to that in time");
    await wait(2);
  }
}
