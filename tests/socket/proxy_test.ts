import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { BadInput } from "../../src/bad_input.ts";
import { maxAnswerLength, parseConnectAnswer } from "../../src/socket/connect_answer.ts";
import { type ProxyDestination, proxyFor } from "../../src/socket/proxy.ts";

type Variables = Record<string, string>;

const [https, http] = (["https", "http"] as const).map((scheme) => ({
  scheme,
  host: "light.example.org",
})) as [ProxyDestination, ProxyDestination];

/** The proxy's host, where there is one. */
function hostFor(variables: Variables, destination: ProxyDestination = https): string | undefined {
  return proxyFor(destination, (name) => variables[name])?.host;
}

Deno.test("the variable of the scheme goes before ALL_PROXY, upper case before lower case", () => {
  const all = { ALL_PROXY: "http://all:1" };
  equal(hostFor({}), undefined);
  equal(hostFor(all), "all");
  equal(hostFor(all, http), "all");
  equal(hostFor({ ...all, HTTPS_PROXY: "http://secure:1" }), "secure");
  equal(hostFor({ ...all, HTTPS_PROXY: "http://secure:1" }, http), "all");
  equal(hostFor({ ...all, HTTP_PROXY: "http://plain:1" }), "all");
  equal(hostFor({ ...all, HTTP_PROXY: "http://plain:1" }, http), "plain");
  equal(hostFor({ ...all, https_proxy: "http://lower:1" }), "lower");
  equal(hostFor({ https_proxy: "http://lower:1", HTTPS_PROXY: "http://upper:1" }), "upper");
  equal(hostFor({ ...all, https_proxy: " ", HTTPS_PROXY: "" }), "all");
});

Deno.test("a proxy's URL has a scheme, a port and credentials, or their defaults", () => {
  const parse = (ALL_PROXY: string) => {
    const proxy = proxyFor(https, (name) => ({ ALL_PROXY })[name]);
    ok(proxy !== undefined);
    const { label: _, ...rest } = proxy;
    return rest;
  };
  const plain = { protocol: "http", host: "a", port: 80, credentials: undefined };
  deepEqual(parse("http://a"), plain);
  deepEqual(parse("a"), plain);
  deepEqual(parse(" HTTP://a/ "), plain);
  deepEqual(parse("a:3128"), { ...plain, port: 3128 });
  deepEqual(parse("https://a"), { ...plain, protocol: "https", port: 443 });
  deepEqual(parse("socks5://a"), { ...plain, protocol: "socks5", port: 1080 });
  deepEqual(parse("socks5h://[::1]:9"), { ...plain, protocol: "socks5", host: "::1", port: 9 });
  deepEqual(parse("http://me@a"), { ...plain, credentials: { username: "me", password: "" } });
  deepEqual(parse("http://m%40:p%3A%2f@a"), {
    ...plain,
    credentials: { username: "m@", password: "p:/" },
  });
});

Deno.test("a label has the URL without credentials, and the variable", () => {
  const label = proxyFor(https, (name) => ({ all_proxy: "http://me:s3cret@[::1]:9" })[name])?.label;
  equal(label, "the proxy http://[::1]:9 (all_proxy)");
});

Deno.test("what is no proxy's URL is bad input, and not repeated", () => {
  const bad = ["ftp://s3cret", "http://", "http://s3cret:99999", "socks4://s3cret", "socks5://"];
  for (const ALL_PROXY of [...bad, "http://a/s3cret", "http://%s3cret@a", "://s3cret"]) {
    throws(
      () => proxyFor(https, (name) => ({ ALL_PROXY })[name]),
      (error) =>
        error instanceof BadInput && error.message.startsWith("ALL_PROXY ") &&
        !error.message.includes("s3cret"),
      ALL_PROXY,
    );
  }
});

Deno.test("NO_PROXY excludes names and what is below them, addresses, blocks, and all by *", () => {
  const cases: [list: string, excluded: string[], others: string[]][] = [
    ["", [], ["example.org", "192.0.2.1"]],
    ["*", ["example.org", "192.0.2.1", "[::1]"], []],
    ["example.org", ["example.org", "a.b.example.org", "EXAMPLE.org."], ["anexample.org", "org"]],
    [".example.org", ["example.org", "a.example.org"], ["anexample.org"]],
    ["*.example.org", ["a.example.org"], ["anexample.org"]],
    ["a.test, b.test c.test", ["a.test", "b.test", "c.test"], ["d.test"]],
    ["192.0.2.1", ["192.0.2.1", "[::ffff:192.0.2.1]"], ["192.0.2.10", "1.192.0.2.1.test"]],
    ["192.0.2.0/24,10.0.0.0/8", ["192.0.2.255", "10.1.1.1"], ["192.0.3.1", "[2001:db8::1]"]],
    ["2001:db8::/32,[::1]", ["[2001:db8::5]", "2001:db8::6", "::1"], ["[2001:db9::1]", "::2"]],
    ["192.0.2.0/99,/,1.2,.", [], ["192.0.2.1", "example.org"]],
  ];
  for (const [NO_PROXY, excluded, others] of cases) {
    const isUsed = (host: string) =>
      hostFor({ ALL_PROXY: "http://a", NO_PROXY }, { scheme: "https", host }) !== undefined;
    deepEqual(excluded.filter(isUsed), [], NO_PROXY);
    deepEqual(others.filter((host) => !isUsed(host)), [], NO_PROXY);
  }
  equal(hostFor({ ALL_PROXY: "http://a", no_proxy: "*" }), undefined);
  equal(hostFor({ ALL_PROXY: "http://a", NO_PROXY: "other.test", no_proxy: "*" }), "a");
});

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("an answer to CONNECT is read once its head is whole, from any prefix", () => {
  const head = "HTTP/1.1 200 Connection established\r\nVia: 1.1 a\r\n\r\n";
  for (let length = 0; length < head.length; length++) {
    deepEqual(parseConnectAnswer(encode(head.slice(0, length))), { type: "incomplete" });
  }
  for (const rest of ["", "\x16\x03", "\r\n\r\n"]) {
    deepEqual(parseConnectAnswer(encode(head + rest)), {
      ...{ type: "complete", status: 200, end: head.length },
    });
  }
  for (const line of ["HTTP/1.0 407 Denied", "HTTP/1.1 407", "HTTP/1.1 407 "]) {
    const answer = parseConnectAnswer(encode(`${line}\r\n\r\n`));
    equal(answer.type === "complete" && answer.status, 407, line);
  }
});

Deno.test("what is no answer to CONNECT is refused, and none is waited for without end", () => {
  const malformed = ["SSH-2.0-x\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "x"];
  for (const text of [...malformed, "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 200\n\r\n\r\n"]) {
    deepEqual(parseConnectAnswer(encode(text)), { type: "malformed" }, text);
  }
  const long = encode(`HTTP/1.1 200 ${"x".repeat(maxAnswerLength)}`);
  deepEqual(parseConnectAnswer(long.subarray(0, maxAnswerLength - 1)), { type: "incomplete" });
  deepEqual(parseConnectAnswer(long), { type: "malformed" });
});

Deno.test("any bytes are an answer to CONNECT, the beginning of one, or none", () => {
  const piece = fc.oneof(
    fc.constantFrom("HTTP/1.1 ", "200", " OK", "\r\n", "\r\n\r\n", "x: y"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const bytes = encode(pieces.join(""));
      const answer = parseConnectAnswer(bytes);
      if (answer.type !== "complete") return;
      ok(answer.status >= 100 && answer.status <= 599);
      ok(answer.end <= bytes.length);
      deepEqual(parseConnectAnswer(bytes.subarray(0, answer.end)), answer);
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

Deno.test("any texts in the variables are a proxy, none, or bad input", () => {
  const text = fc.oneof(fc.string(), fc.webUrl(), fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(text, text, text, (ALL_PROXY, NO_PROXY, host) => {
      try {
        hostFor({ ALL_PROXY, NO_PROXY }, { scheme: "https", host });
      } catch (error) {
        ok(error instanceof BadInput);
      }
    }),
    { seed: 1, numRuns: 2_000 },
  );
});
