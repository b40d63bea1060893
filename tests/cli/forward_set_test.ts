import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { ForwardSet } from "../../src/cli/forward_set.ts";
import { formatServedSpec } from "../../src/forward/served_spec.ts";
import type { RoutedForward } from "../../src/node/node.ts";
import { portableTcpSockets } from "../../src/socket/choose_tcp_sockets.ts";
import type { TcpListener } from "../../src/socket/tcp.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";
import { forwardSpec } from "../fakes/sample_specs.ts";
import { freePort } from "../program/local_service.ts";

/** Listens by Deno, which lets go of an address late; the specs that listen. */
class ListeningNode implements Disposable {
  readonly #listeners = new Map<RoutedForward, TcpListener>();

  addForward(forward: RoutedForward): void {
    const { listen } = forward.spec;
    if (listen.kind !== "tcp") throw new Error(`not for ${listen.kind}`);
    const { host, port } = listen;
    const onConnection = () => {};
    this.#listeners.set(forward, portableTcpSockets.listen({ host, port, onConnection }));
  }

  removeForward(forward: RoutedForward): void {
    this.#listeners.get(forward)?.close();
    this.#listeners.delete(forward);
  }

  get forwards(): RoutedForward[] {
    return [...this.#listeners.keys()];
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners.values()) listener.close();
  }
}

function setOf(node: ListeningNode): ForwardSet<RoutedForward> {
  return new ForwardSet({
    add: (forward) => node.addForward(forward),
    remove: (forward) => node.removeForward(forward),
    has: (forward) => node.forwards.includes(forward),
    format: ({ spec }) => formatServedSpec(spec),
  });
}

function forward(spec: string, route?: string): RoutedForward {
  return { spec: forwardSpec(`127.0.0.1:${spec}`), route };
}

Deno.test("what says the same is kept as it is, what differs by its route is another", async () => {
  using node = new ListeningNode();
  const set = setOf(node);
  const [one, two, three] = [freePort(), freePort(), freePort()];
  const before = [forward(`${one}:a:1`), forward(`${two}:a:2`, "x"), forward(`0:a:3`)];
  await set.begin(before);
  const changed = [forward(`0:a:3`), forward(`${one}:a:1`, "y"), forward(`${two}:a:2`, "x")];
  deepEqual(await set.replace([...changed, forward(`${three}:a:1`)]), {
    ...{ added: 2, removed: 1, kept: 2 },
  });
  deepEqual(node.forwards.map((each) => before.indexOf(each)), [1, 2, -1, -1]);
  deepEqual(await set.replace([]), { added: 0, removed: 4, kept: 0 });
  equal(node.forwards.length, 0);
});

Deno.test("an address goes from one forward to another, and they may swap", async () => {
  using node = new ListeningNode();
  const set = setOf(node);
  const [one, two] = [freePort(), freePort()];
  await set.begin([forward(`${one}:a:1`), forward(`${two}:a:2`)]);
  for (let turn = 0; turn < 20; turn++) {
    const [first, second] = turn % 2 === 0 ? [two, one] : [one, two];
    const swapped = [forward(`${first}:a:1`), forward(`${second}:a:2`)];
    deepEqual(await set.replace(swapped), { added: 2, removed: 2, kept: 0 });
  }
});

Deno.test("at the start an address that is taken is an error, later it is said and tried again", async () => {
  const log = await LogRecorder.start();
  using node = new ListeningNode();
  const set = setOf(node);
  const port = freePort();
  const wanted = [forward(`${port}:a:1`), forward(`0:a:2`)];
  {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port });
    await rejects(setOf(node).begin(wanted), Deno.errors.AddrInUse);
    deepEqual(await set.replace(wanted), { added: 1, removed: 0, kept: 0 });
    match(lineOf(await log.next("forward-failed")), new RegExp(`127\\.0\\.0\\.1:${port}:a:1`));
  }
  deepEqual(await set.replace(wanted), { added: 1, removed: 0, kept: 1 });
});

Deno.test("what others have removed is added again where it is wanted, and is kept by nobody", async () => {
  using node = new ListeningNode();
  const set = setOf(node);
  const [one, two] = [forward("0:a:1"), forward("0:a:2")];
  await set.begin([one, two]);
  node.removeForward(one);
  deepEqual(await set.replace([one, two]), { added: 1, removed: 0, kept: 1 });
  equal(node.forwards.length, 2);
  node.removeForward(two);
  deepEqual(await set.replace([one]), { added: 0, removed: 0, kept: 1 });
  deepEqual([set.includes(one), set.includes(two)], [true, false]);
});
