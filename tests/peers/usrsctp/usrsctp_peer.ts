/**
 * usrsctp_peer.c as a process: usrsctp, with whole SCTP packets in UDP datagrams.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { isInstalled, PeerProcess } from "../peer_process.ts";
import type { Tally } from "./tally.ts";

const program = fileURLToPath(new URL("../bin/usrsctp_peer", import.meta.url));

/** What the peer tells, by the name of the event. */
export interface UsrsctpEvents {
  readonly bound: { readonly port: number };
  readonly up: {
    /** Of streams. */
    readonly incoming: number;
    readonly outgoing: number;
    readonly interleaving: boolean;
    readonly reconfiguration: boolean;
    readonly partialReliability: boolean;
  };
  readonly sent: { readonly streams: readonly Tally[] };
  readonly received: { readonly streams: readonly Tally[] };
  readonly reset: {
    readonly direction: "incoming" | "outgoing";
    readonly result: "performed" | "denied" | "failed";
    readonly streams: readonly number[];
  };
  readonly "peer shuts down": unknown;
  readonly closed: unknown;
  readonly lost: { readonly error: number; readonly reason: string };
}

/** Whether the peer has been built. Says so, loudly, where it has not. */
export function hasUsrsctp(): Promise<boolean> {
  return isInstalled(program, ["--version"], "SCTP");
}

/** A running peer. */
export class UsrsctpPeer {
  readonly #process: PeerProcess;
  readonly #seenCounts = new Map<string, number>();

  /** `udpPort` is ours; where it is not given, the peer answers whoever sends first. */
  constructor(
    { role, udpPort = 0, isInterleaving }: {
      readonly role: "listen" | "connect";
      readonly udpPort?: number;
      readonly isInterleaving: boolean;
    },
  ) {
    const options = isInterleaving ? ["interleaving"] : [];
    this.#process = new PeerProcess(program, [role, `${udpPort}`, ...options]);
  }

  /** Gives a command. */
  async tell(command: string): Promise<void> {
    await this.#process.write(`${command}\n`);
  }

  /** Waits for the next event of that name. */
  async waitFor<Name extends keyof UsrsctpEvents & string>(
    name: Name,
  ): Promise<UsrsctpEvents[Name]> {
    const count = (this.#seenCounts.get(name) ?? 0) + 1;
    this.#seenCounts.set(name, count);
    const start = `\\{"event":"${name}"`;
    const nth = `^(?:(?:(?!${start}).*\n)*(${start}.*)\n){${count}}`;
    const [, text] = await this.#process.waitFor(new RegExp(nth));
    return JSON.parse(text ?? "");
  }

  /** Everything that it has told. */
  get printed(): string {
    return this.#process.printed;
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }
}
