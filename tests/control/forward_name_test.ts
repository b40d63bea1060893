import { deepEqual, ok, throws } from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { namesOf, parseForwardName } from "../../src/control/forward_name.ts";
import { parseForwardSpecs } from "../../src/forward/forward_spec.ts";
import { forwardSpec } from "../fakes/sample_specs.ts";

/** Whether the name means the forward, which is bound at these addresses. */
function means(name: string, spec: string, ...addresses: readonly string[]): boolean {
  const names = namesOf(forwardSpec(spec), addresses);
  return parseForwardName(name).some((one) => names.includes(one));
}

Deno.test("a forward is named by its spec, by what it was told, and by what it is bound to", () => {
  const spec = "8080:nas.local:80";
  for (const name of ["8080", "localhost:8080", "LOCALHOST:8080", spec, `localhost:${spec}`]) {
    ok(means(name, spec), name);
  }
  ok(means("127.0.0.1:8080", spec, "127.0.0.1:8080", "[::1]:8080"));
  ok(means("[0:0::1]:8080", spec, "127.0.0.1:8080", "[::1]:8080"));
  ok(means("127.0.0.1:40000", "127.0.0.1:0:a:1", "127.0.0.1:40000"));
  ok(means("/run/a.sock", "/run/a.sock:a:1"));
});

Deno.test("a name means no other forward", () => {
  for (const name of ["8081", "127.0.0.1:8080", "8080:nas.local:81", "8080/udp", "/run/a.sock"]) {
    ok(!means(name, "8080:nas.local:80", "[::1]:8080"), name);
  }
});

Deno.test("one port for TCP and for UDP is two forwards", () => {
  ok(means("53/udp", "53:a:53/udp"));
  ok(!means("53", "53:a:53/udp", "127.0.0.1:53"));
  ok(means("127.0.0.1:53/udp", "53:a:53/udp", "127.0.0.1:53"));
});

Deno.test("a range names all of its forwards", () => {
  const specs = parseForwardSpecs("1-3:a:11-13");
  const names = parseForwardName("1-3:a:11-13");
  deepEqual(specs.map((spec) => namesOf(spec, []).some((one) => names.includes(one))), [
    ...[true, true, true],
  ]);
});

Deno.test("what names nothing is bad input, and says what to write", () => {
  for (const text of ["", "x", "99999", "1:2:3:4:5", "[::1", "nas:x", "/a:b:c:d:e"]) {
    throws(() => parseForwardName(text), (error: Error) => {
      ok(error instanceof BadInput);
      return error.message.includes("Example: 127.0.0.1:8080");
    });
  }
});
