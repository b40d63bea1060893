import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  canonicalAddress,
  formatEndpoint,
  isThisHost,
  parseEndpoint,
  SpecError,
  splitSpec,
} from "../../src/socket/endpoint.ts";

const seed = 3;

/** What the parser says of a bad spec. */
function complaintAbout(spec: string): SpecError {
  try {
    parseEndpoint(spec);
  } catch (error) {
    if (error instanceof SpecError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(spec)} was accepted`);
}

Deno.test("reads hosts in one canonical spelling", () => {
  const hosts: [spec: string, host: string][] = [
    ["10.0.0.5:80", "10.0.0.5"],
    ["255.255.255.255:80", "255.255.255.255"],
    ["nas.local:80", "nas.local"],
    ["NAS.Local:80", "nas.local"],
    ["nas.local.:80", "nas.local"],
    ["LOCALHOST:80", "localhost"],
    ["localhost.:80", "localhost"],
    ["a_b.example:80", "a_b.example"],
    ["1e3:80", "1e3"],
    ["bücher.example:80", "xn--bcher-kva.example"],
    ["[::1]:80", "::1"],
    ["[0:0:0:0:0:0:0:1]:80", "::1"],
    ["[2001:DB8:0:0::1]:80", "2001:db8::1"],
    ["[::]:80", "::"],
    ["[::ffff:10.0.0.5]:80", "10.0.0.5"],
    ["[::FFFF:0a00:0005]:80", "10.0.0.5"],
    ["[::ffff:127.0.0.1]:80", "127.0.0.1"],
    ["[64:ff9b::7f00:1]:80", "64:ff9b::7f00:1"],
  ];
  for (const [spec, host] of hosts) deepEqual(parseEndpoint(spec), { host, port: 80 }, spec);
});

Deno.test("an address with an IPv4 tail is the same address without one", () => {
  deepEqual(parseEndpoint("[64:ff9b::127.0.0.1]:80"), parseEndpoint("[64:ff9b::7f00:1]:80"));
  deepEqual(parseEndpoint("[::1.2.3.4]:80"), parseEndpoint("[::102:304]:80"));
});

Deno.test("refuses IPv4 tails that are not dotted decimal", () => {
  for (const tail of ["010.0.0.1", "0x0a.0.0.1", "10.1", "256.0.0.1"]) {
    equal(complaintAbout(`[::ffff:${tail}]:80`).column, 1, tail);
  }
});

Deno.test("reads ports from 1 to 65535", () => {
  for (const [text, port] of [["1", 1], ["80", 80], ["00080", 80], ["65535", 65_535]] as const) {
    equal(parseEndpoint(`a:${text}`).port, port);
  }
});

Deno.test("tells what is wrong with a spec, and at which column", () => {
  const complaints: [spec: string, column: number, problem: RegExp][] = [
    ["", 1, /port is missing/],
    ["host", 5, /port is missing/],
    [":80", 1, /host is missing/],
    ["host:", 6, /port is missing/],
    ["host:0", 6, /"0" is not a port \(1 to 65535\)/],
    ["host:65536", 6, /is not a port/],
    ["host:-1", 6, /is not a port/],
    ["host:+1", 6, /is not a port/],
    ["host:1.0", 6, /is not a port/],
    ["host:0x50", 6, /is not a port/],
    ["host:http", 6, /is not a port/],
    ["host: 80", 6, /is not a port/],
    ["host:80 ", 6, /is not a port/],
    ["host:123456", 6, /is not a port/],
    ["host:８０", 6, /is not a port/],
    ["host:80:90", 9, /too many parts/],
    ["::1:80", 3, /too many parts/],
    ["[::1]:80:90", 10, /too many parts/],
    ["[::1]", 6, /port is missing/],
    ["[::1:80", 1, /"\[" without its "\]"/],
    ["::1]:80", 4, /"\]" without its "\["/],
    ["[[::1]]:80", 2, /may only begin/],
    ["a[::1]:80", 2, /may only begin/],
    ["[::1]a:80", 1, /not an IPv6 address/],
    ["[]:80", 1, /not an IPv6 address/],
    ["[10.0.0.5]:80", 1, /not an IPv6 address/],
    ["[nas.local]:80", 1, /not an IPv6 address/],
    ["[::1%lo]:80", 1, /not an IPv6 address/],
    ["[1::2::3]:80", 1, /not an IPv6 address/],
    ["[ ::1]:80", 1, /not an IPv6 address/],
    ["*:80", 1, /not a host name/],
    ["a b:80", 1, /not a host name/],
    [" a:80", 1, /not a host name/],
    ["a/b:80", 1, /not a host name/],
    ["user@host:80", 1, /not a host name/],
    ["a?b:80", 1, /not a host name/],
    ["a#b:80", 1, /not a host name/],
    ["a%2eb:80", 1, /not a host name/],
    ["a\nb:80", 1, /not a host name/],
    ["a\0b:80", 1, /not a host name/],
    ["a..b:80", 1, /not a host name/],
    [".a:80", 1, /not a host name/],
    ["-a:80", 1, /not a host name/],
    ["a-:80", 1, /not a host name/],
    [`${"a".repeat(64)}:80`, 1, /not a host name/],
    [`${Array(64).fill("abc").join(".")}:80`, 1, /not a host name/],
  ];
  for (const [spec, column, problem] of complaints) {
    const complaint = complaintAbout(spec);
    equal(complaint.column, column, `${spec}: ${complaint.message}`);
    equal(problem.test(complaint.message), true, `${spec}: ${complaint.message}`);
  }
});

Deno.test("refuses names that some resolvers take for addresses", () => {
  const names = ["127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "010.0.0.1"];
  const more = ["1.2.3.4.", "256.0.0.1", "1.2.3", "1.2.3.4.5", "a.0x", "a.1", "0", "１２７.0.0.1"];
  for (const name of [...names, ...more]) {
    equal(complaintAbout(`${name}:80`).column, 1, name);
  }
});

Deno.test("splits at the colons outside of brackets", () => {
  deepEqual(splitSpec("a:[::1]::b").map(({ text, column }) => [column, text]), [
    [1, "a"],
    [3, "[::1]"],
    [9, ""],
    [10, "b"],
  ]);
});

Deno.test("five spellings mean this host, and nothing else does", () => {
  for (const host of ["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"]) {
    equal(isThisHost(host), true, host);
  }
  for (const host of ["127.0.0.2", "::2", "localhost.example", "local", "0.0.0.1", ""]) {
    equal(isThisHost(host), false, host);
  }
});

Deno.test("only addresses have a canonical spelling", () => {
  equal(canonicalAddress("0:0::1"), "::1");
  equal(canonicalAddress("::ffff:1.2.3.4"), "1.2.3.4");
  for (const text of ["", "localhost", "127.1", "1", "0x7f.0.0.1", "[::1]", "1.2.3.4 "]) {
    equal(canonicalAddress(text), undefined, text);
  }
});

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z])?$/);
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 })
    .map((labels) => labels.join(".")).filter((name) => !name.includes("xn--")),
  fc.ipV4(),
  fc.ipV6().map((address) => canonicalAddress(address) ?? "::1"),
);

Deno.test("what is written reads back the same", () => {
  const endpoint = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
  fc.assert(
    fc.property(endpoint, (one) => deepEqual(parseEndpoint(formatEndpoint(one)), one)),
    { seed, numRuns: 1_000 },
  );
});

Deno.test("what was read is written in one spelling", () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const written = formatEndpoint(parseEndpoint(`[${address}]:80`));
      equal(formatEndpoint(parseEndpoint(written)), written);
    }),
    { seed, numRuns: 1_000 },
  );
});

Deno.test("throws nothing but SpecError", () => {
  const spec = fc.string({ unit: fc.constantFrom(..."ab.:[]%:0159fx-*é\u0000 \u{1f600}") });
  fc.assert(
    fc.property(spec, (text) => {
      try {
        parseEndpoint(text);
      } catch (error) {
        if (!(error instanceof SpecError)) throw error;
      }
    }),
    { seed, numRuns: 5_000 },
  );
});
