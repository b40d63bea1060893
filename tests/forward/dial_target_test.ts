import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { DialError } from "../../src/forward/dial_error.ts";
import { dialTarget } from "../../src/forward/dial_target.ts";
import { closedPort, closeQuietly, Service } from "../fakes/sockets.ts";

const never = new AbortController().signal;

async function failureOf(host: string, port: number, signal = never): Promise<DialError> {
  try {
    const connection = await dialTarget({ kind: "tcp", host, port }, { signal });
    connection.close();
  } catch (error) {
    if (error instanceof DialError) return error;
    throw error;
  }
  throw new Error("the dial succeeded");
}

Deno.test("dials what is listening there", async () => {
  for (const host of ["127.0.0.1", "::1"]) {
    using service = Service.echo(host);
    const connection = await dialTarget({ kind: "tcp", host, port: service.port }, {
      signal: never,
    });
    await connection.write(new Uint8Array([7]));
    equal(await connection.read(new Uint8Array(1)), 1);
    connection.close();
  }
});

Deno.test("this host is found on either loopback address", async () => {
  for (const listening of ["127.0.0.1", "::1"]) {
    using service = Service.echo(listening);
    for (const host of ["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"]) {
      const connection = await dialTarget({ kind: "tcp", host, port: service.port }, {
        signal: never,
      });
      ok(connection.remote.includes(listening), `${host}: ${connection.remote}`);
      connection.close();
    }
  }
});

Deno.test("a target that refuses is unreachable", async () => {
  const port = closedPort();
  for (const host of ["127.0.0.1", "localhost", "127.0.0.2"]) {
    equal((await failureOf(host, port)).code, "unreachable", host);
  }
});

Deno.test("a name without an address is unresolved", async () => {
  const failure = await failureOf("nowhere.invalid", 80);
  equal(failure.code, "unresolved");
  ok(failure.message.includes("nowhere.invalid"));
});

Deno.test("a dial that is given up before it began fails", async () => {
  using service = Service.echo();
  await failureOf("127.0.0.1", service.port, AbortSignal.abort());
});

Deno.test("a dial that is given up while nobody answers fails at once", {
  // Linux drops what does not fit into the backlog, so the dial hangs.
  ignore: Deno.build.os !== "linux",
}, async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  const filling = [await Deno.connect({ port }), await Deno.connect({ port })];
  const abort = new AbortController();
  const failing = failureOf("127.0.0.1", port, abort.signal);
  abort.abort();
  ok((await failing).code !== "timeout");
  filling.forEach(closeQuietly);
  listener.close();
});

Deno.test("a name is resolved once, and of its addresses only those permitted are dialled", async () => {
  using service = Service.echo("127.0.0.1");
  const answers = [["127.0.0.9", "127.0.0.1"], ["127.0.0.9"]];
  const asked: (readonly string[])[] = [];
  const connection = await dialTarget({ kind: "tcp", host: "flip.example", port: service.port }, {
    signal: never,
    lookup: () => Promise.resolve(answers.shift() ?? []),
    permit: (addresses) => {
      asked.push(addresses);
      return addresses.filter((address) => address === "127.0.0.1");
    },
  });
  equal(connection.remote, `127.0.0.1:${service.port}`);
  connection.close();
  deepEqual(asked, [["127.0.0.9", "127.0.0.1"]]);
  equal(answers.length, 1);
});

Deno.test("a resolver that answers otherwise the next time changes nothing of what was judged", async () => {
  using service = Service.echo("127.0.0.1");
  let lookupCount = 0;
  const lookup = () => Promise.resolve(lookupCount++ === 0 ? ["127.0.0.9"] : ["127.0.0.1"]);
  const target = { kind: "tcp", host: "flip.example", port: service.port } as const;
  // Nobody listens at the address that was judged; where it leads now, somebody does.
  const permit = (addresses: readonly string[]) => addresses;
  await rejects(dialTarget(target, { signal: never, lookup, permit }), { code: "unreachable" });
  equal(lookupCount, 1);
});
