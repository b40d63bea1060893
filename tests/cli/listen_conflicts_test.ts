import { throws } from "node:assert/strict";
import { requireOwnAddresses } from "../../src/cli/listen_conflicts.ts";
import { parseForwardSpecs } from "../../src/forward/forward_spec.ts";
import { parseSocksListen, socksSpec } from "../../src/forward/socks/socks_spec.ts";

const forwards = (...texts: readonly string[]) => texts.flatMap((text) => parseForwardSpecs(text));
const socks = (text: string) => socksSpec(parseSocksListen(text), undefined);

Deno.test("forwards that listen at one address are refused, with both of them and the address", () => {
  const bad = [
    [forwards("8080:a:1", "8080:b:2"), "127.0.0.1:8080"],
    [forwards("8080:a:1", "[::1]:8080:b:2"), "[::1]:8080"],
    [forwards("53:a:1/udp", "127.0.0.1:53:b:2/udp"), "127.0.0.1:53/udp"],
    [forwards("/run/a.sock:a:1", "/run/a.sock:b:2"), "/run/a.sock"],
    [forwards("0.0.0.0:8080:a:1", "8080:b:2"), "127.0.0.1:8080"],
    [forwards("10.0.0.1:8080:a:1", "0.0.0.0:8080:b:2"), "10.0.0.1:8080"],
    [forwards("[::]:8080:a:1", "[::1]:8080:b:2"), "[::1]:8080"],
    [forwards("[::]:53:a:1/udp", "53:b:2/udp"), "[::1]:53/udp"],
    [[...forwards("8000-8010:a:9000-9010"), socks("8005")], "127.0.0.1:8005"],
  ] as const;
  for (const [specs, address] of bad) {
    throws(
      () => requireOwnAddresses(specs),
      ({ message }: Error) =>
        message.endsWith(` both listen at ${address}: give one another address`),
      address,
    );
  }
  throws(
    () => requireOwnAddresses(forwards("10.0.0.1:80:a:1", "10.0.0.1:80:b:2")),
    /^BadInput: "10\.0\.0\.1:80:a:1" and "10\.0\.0\.1:80:b:2" both listen/,
  );
});

Deno.test("addresses that differ by host, port or protocol, and free ports, are no conflict", () => {
  requireOwnAddresses([
    ...forwards("8080:a:1", "8081:a:1", "10.0.0.1:8080:a:1", "8080:a:1/udp", "0:a:1", "0:a:1"),
    ...forwards("0.0.0.0:53:a:1", "[::1]:53:a:1", "[::]:53:a:1/udp", "0.0.0.0:53:a:1/udp"),
    ...[socks("0"), ...forwards("/run/a.sock:a:1", "/run/b.sock:a:1")],
  ]);
});

Deno.test({
  name: "on Linux [::] is all addresses of IPv4, too, by TCP",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    for (const host of ["0.0.0.0", "127.0.0.1"]) {
      throws(
        () => requireOwnAddresses(forwards("[::]:80:a:1", `${host}:80:b:2`)),
        new RegExp(`both listen at ${host}:80`),
      );
    }
  },
});
