import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  peerNameType,
  type ProxyHeaderOptions,
  writeProxyHeader,
} from "../../src/forward/proxy_header.ts";
import { readProxyHeader } from "../fakes/proxy_header_parser.ts";

const [client4, service4] = [
  { host: "192.168.0.1", port: 56324 },
  { host: "192.168.0.11", port: 443 },
];
const [client6, service6] = [
  { host: "2001:db8::1", port: 56324 },
  { host: "2001:db8::b", port: 443 },
];
const signature = "0d0a0d0a000d0a515549540a";

const textOf = (options: Omit<ProxyHeaderOptions, "version" | "transport">) =>
  new TextDecoder().decode(writeProxyHeader({ version: 1, transport: "tcp", ...options }));
const hexOf = (options: Omit<ProxyHeaderOptions, "version">) =>
  writeProxyHeader({ version: 2, ...options }).toHex();

Deno.test("version 1 has the bytes of the specification's examples", () => {
  equal(
    textOf({ source: client4, destination: service4 }),
    "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
  );
  equal(
    textOf({ source: client6, destination: service6 }),
    "PROXY TCP6 2001:db8::1 2001:db8::b 56324 443\r\n",
  );
  equal(textOf({ source: undefined, destination: service4 }), "PROXY UNKNOWN\r\n");
});

Deno.test("version 1 maps an IPv4 address beside one of IPv6", () => {
  equal(
    textOf({ source: client4, destination: service6 }),
    "PROXY TCP6 ::ffff:192.168.0.1 2001:db8::b 56324 443\r\n",
  );
});

Deno.test("a client without a destination gets any address of its family", () => {
  equal(
    textOf({ source: client4, destination: undefined }),
    "PROXY TCP4 192.168.0.1 0.0.0.0 56324 0\r\n",
  );
  equal(
    textOf({ source: client6, destination: undefined }),
    "PROXY TCP6 2001:db8::1 :: 56324 0\r\n",
  );
});

Deno.test("version 1 has no longer line than 107 bytes (section 2.1)", () => {
  const longest = { host: "1111:2222:3333:4444:5555:6666:7777:8888", port: 65_535 };
  const line = textOf({ source: longest, destination: longest });
  equal(line.length, 104);
});

Deno.test("version 1 knows no datagrams", () => {
  const header = writeProxyHeader({
    ...{ version: 1, transport: "udp", source: client4, destination: service4 },
  });
  equal(new TextDecoder().decode(header), "PROXY UNKNOWN\r\n");
});

Deno.test("version 2 has the bytes of section 2.2", () => {
  equal(
    hexOf({ transport: "tcp", source: client4, destination: service4 }),
    `${signature}2111000c` + "c0a80001c0a8000b" + "dc0401bb",
  );
  equal(
    hexOf({ transport: "udp", source: client4, destination: service4 }),
    `${signature}2112000c` + "c0a80001c0a8000b" + "dc0401bb",
  );
  equal(
    hexOf({ transport: "tcp", source: client6, destination: service6 }),
    `${signature}21210024` + "20010db8000000000000000000000001" +
      "20010db800000000000000000000000b" + "dc0401bb",
  );
  equal(
    hexOf({ transport: "udp", source: client6, destination: service6 }).slice(24, 32),
    "21220024",
  );
  equal(
    hexOf({ transport: "tcp", source: undefined, destination: service4 }),
    `${signature}200000` + "00",
  );
});

Deno.test("version 2 maps an IPv4 address beside one of IPv6", () => {
  equal(
    hexOf({ transport: "tcp", source: client6, destination: service4 }),
    `${signature}21210024` + "20010db8000000000000000000000001" +
      "00000000000000000000ffffc0a8000b" + "dc0401bb",
  );
});

Deno.test("version 2 names the other node in a value of type 0xE0", () => {
  const header = writeProxyHeader({
    ...{ version: 2, transport: "tcp", source: client4, destination: service4 },
    peerName: "häuschen",
  });
  equal(
    header.toHex(),
    `${signature}21110018` + "c0a80001c0a8000b" + "dc0401bb" + "e00009" + "68c3a475736368656e",
  );
  deepEqual([...readProxyHeader(header).values], [[peerNameType, "häuschen"]]);
});

Deno.test("a name is no address", () => {
  throws(
    () => hexOf({ transport: "tcp", source: { host: "nas", port: 1 }, destination: service4 }),
    RangeError,
  );
});

Deno.test("whatever is written is read again", () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 })
      .map((groups) => groups.map((group) => group.toString(16)).join(":")),
  );
  const endpoint = fc.record({ host: address, port: fc.nat({ max: 65_535 }) });
  const version = fc.constantFrom(1 as const, 2 as const);
  const property = fc.property(version, endpoint, endpoint, (version, source, destination) => {
    const header = writeProxyHeader({ version, transport: "tcp", source, destination });
    const read = readProxyHeader(header);
    equal(read.length, header.length);
    equal(read.source?.split(" ")[1], String(source.port));
    equal(read.destination?.split(" ")[1], String(destination.port));
    const isIpv6 = source.host.includes(":") || destination.host.includes(":");
    equal(read.family, isIpv6 ? "TCP6" : "TCP4");
    if (!isIpv6) equal(read.source?.split(" ")[0], source.host);
  });
  fc.assert(property, { seed: 1, numRuns: 500 });
});
