/**
 * Resets an accepted TCP connection, so that its other end sees an error and not a clean end of
 * stream. Deno offers no such call. On Linux connect(2) with AF_UNSPEC sends the RST ("dissolves the
 * association"); it wants the descriptor, which Deno keeps under a symbol of its own. Where either
 * cannot be had the connection is merely closed.
 */

/** AF_UNSPEC in a struct sockaddr: all zero. */
const unspecifiedAddress = new Uint8Array(16);
const libcNames = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

type ConnectCall = (descriptor: number, address: Uint8Array<ArrayBuffer>, length: number) => number;

let connectCall: ConnectCall | undefined;
let isProbed = false;

/** Sends RST; false where this platform offers no way to. Never throws. */
export function resetAccepted(connection: Deno.TcpConn): boolean {
  if (!isProbed) {
    connectCall = probeConnectCall();
    isProbed = true;
  }
  const descriptor = descriptorOf(connection);
  if (connectCall === undefined || descriptor === undefined) return false;
  return connectCall(descriptor, unspecifiedAddress, unspecifiedAddress.length) === 0;
}

function probeConnectCall(): ConnectCall | undefined {
  if (Deno.build.os !== "linux") return undefined;
  for (const name of libcNames) {
    try {
      const library = Deno.dlopen(name, {
        connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
      });
      return library.symbols.connect;
    } catch {
      // Not this libc, or no permission for FFI: the next name, or none.
    }
  }
  return undefined;
}

function descriptorOf(connection: Deno.TcpConn): number | undefined {
  const symbol = Object.getOwnPropertySymbols(connection).find((candidate) =>
    candidate.description === "Deno.internal.fd"
  );
  const value: unknown = symbol === undefined ? undefined : Reflect.get(connection, symbol);
  return typeof value === "number" && Number.isInteger(value) && value > 2 ? value : undefined;
}
