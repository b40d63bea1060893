/** A way from one host's local port to a service on another host. */

/** Two hosts, and how programs are started on them. */
export interface Ground {
  /** Goes before a command that is to run where clients are. */
  readonly near: readonly string[];
  /** Goes before a command that is to run where the service is. */
  readonly far: readonly string[];
  /** The far host's address, as the near one sees it. */
  readonly farAddress: string;
}

/** A tunnel that is up. */
export interface Tunnel extends AsyncDisposable {
  /** Where clients connect to on the near host: a port of 127.0.0.1. */
  readonly port: number;
  /** Its processes, at the near end and at the far end; they may be others after a while. */
  pids(): { readonly near: readonly number[]; readonly far: readonly number[] };
}

/** Both ends on this host. */
export const loopbackGround: Ground = { near: [], far: [], farAddress: "127.0.0.1" };
