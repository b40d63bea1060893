/** The control socket on a real file system, with clients of all kinds. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { askNode, askStatus } from "../../src/control/control_client.ts";
import type { ControlAnswer } from "../../src/control/control_answer.ts";
import { type AnswerRequest, ControlServer } from "../../src/control/control_server.ts";
import { LineReader } from "../../src/control/line_stream.ts";
import { withExpiredTimers } from "../fakes/expired_timers.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { sampleStatus } from "../fakes/sample_status.ts";
import { fuzzSocket } from "./socket_fuzz.ts";

const ignore = Deno.build.os === "windows";
const encoder = new TextEncoder();
const status = sampleStatus();
const answerStatus: AnswerRequest = () => ({ version: 1, ok: true, status });
const statusRequest = '{"version":1,"request":"status"}\n';

/** Runs a test with a path in a folder of its own, which has to be empty at its end. */
function test(name: string, run: (path: string) => Promise<void>): void {
  Deno.test(name, { ignore }, async () => {
    await LogRecorder.start();
    const folder = await Deno.makeTempDir({ prefix: "control-" });
    try {
      await run(`${folder}/a.sock`);
      deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Opens a server for a test, and closes it. */
async function withServer(
  path: string,
  run: () => Promise<void>,
  answer = answerStatus,
): Promise<void> {
  const server = await ControlServer.open(path, answer);
  try {
    await run();
  } finally {
    server.close();
  }
}

/** A client that says what it is told, and reads lines. */
class Client implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #lines: LineReader;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#lines = new LineReader(connection, 1_000_000);
  }

  static async connect(path: string): Promise<Client> {
    return new Client(await Deno.connect({ transport: "unix", path }));
  }

  async say(text: string | Uint8Array): Promise<void> {
    let rest = typeof text === "string" ? encoder.encode(text) : text;
    while (rest.length > 0) rest = rest.subarray(await this.#connection.write(rest));
  }

  /** The next answer; undefined where the server has closed. */
  async hear(): Promise<ControlAnswer | undefined> {
    const line = await this.#lines.next().catch(() => undefined);
    return line === undefined ? undefined : JSON.parse(line);
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** As a node leaves it that was killed: what closes a socket in order removes it. */
async function leaveStale(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.new` });
  await Deno.rename(`${path}.new`, path);
  listener.close();
}

function codeOf(answer: ControlAnswer | undefined): string | undefined {
  return answer?.ok === false ? answer.code : answer && "ok";
}

test("answers one request after another, each with a line", async (path) => {
  await withServer(path, async () => {
    using client = await Client.connect(path);
    await client.say(statusRequest.repeat(3));
    for (let turn = 0; turn < 3; turn++) {
      deepEqual(await client.hear(), { version: 1, ok: true, status });
    }
    await client.say("nonsense\n");
    equal(codeOf(await client.hear()), "bad-request");
    await client.say(statusRequest);
    equal(codeOf(await client.hear()), "ok");
  });
});

test("what cannot be done is answered with the reason", async (path) => {
  const answer = () => Promise.reject(new Error("the address is in use"));
  await withServer(path, async () => {
    deepEqual(await askNode(path, { request: "status" }), {
      ...{ version: 1, ok: false, code: "failed", reason: "the address is in use" },
    });
    await rejects(askStatus(path), /has refused: the address is in use/);
  }, answer);
});

test("the socket is its owner's alone, from the first", async (path) => {
  await withServer(path, () => {
    equal((Deno.lstatSync(path).mode ?? 0) & 0o777, 0o600);
    return Promise.resolve();
  });
});

test("a client that never speaks is sent away after 10 s", async (path) => {
  await withServer(path, async () => {
    await withExpiredTimers(10_000, async () => {
      using silent = await Client.connect(path);
      equal(await silent.hear(), undefined);
      using halting = await Client.connect(path);
      await halting.say('{"version":').catch(() => {});
      equal(await halting.hear(), undefined);
    });
    deepEqual(await askStatus(path), status);
  });
});

test("a client that does not take its answers is sent away, and holds up nobody", async (path) => {
  const reason = "x".repeat(10_000_000);
  const answer: AnswerRequest = () => ({ version: 1, ok: false, code: "failed", reason });
  await withServer(path, async () => {
    using lazy = await Client.connect(path);
    await withExpiredTimers(10_000, async () => {
      await lazy.say(statusRequest).catch(() => {});
      using other = await Client.connect(path);
      equal(await other.hear(), undefined);
    });
  }, answer);
});

test("of 17 clients the last is told so, and one that goes makes room", async (path) => {
  await withServer(path, async () => {
    const clients = await Promise.all(Array.from({ length: 16 }, () => Client.connect(path)));
    for (const client of clients) {
      await client.say(statusRequest);
      equal(codeOf(await client.hear()), "ok");
    }
    using last = await Client.connect(path);
    equal(codeOf(await last.hear()), "busy");
    equal(await last.hear(), undefined);
    await rejects(askStatus(path), /16 clients are connected already/);
    clients.pop()?.[Symbol.dispose]();
    while (codeOf(await askNode(path, { request: "status" })) !== "ok");
    for (const client of clients) client[Symbol.dispose]();
  });
});

test("lines longer than 64 KB, and bytes that are no text, end the conversation", async (path) => {
  await withServer(path, async () => {
    using long = await Client.connect(path);
    await long.say("x".repeat(65_537)).catch(() => {});
    equal(codeOf(await long.hear()), "bad-request");
    equal(await long.hear(), undefined);
    using binary = await Client.connect(path);
    await binary.say(Uint8Array.of(0xc0, 0xff, 10));
    equal(codeOf(await binary.hear()), "bad-request");
    equal(await binary.hear(), undefined);
    using longest = await Client.connect(path);
    await longest.say(statusRequest.padStart(65_537));
    equal(codeOf(await longest.hear()), "ok");
  });
});

test("5,000 changed requests get a line each, and the node goes on", async (path) => {
  await withServer(path, async () => {
    await fuzzSocket(path, { seed: 3, count: 5_000 });
    deepEqual(await askStatus(path), status);
  });
});

test("a socket that nobody listens on is replaced", async (path) => {
  await leaveStale(path);
  ok(Deno.lstatSync(path).isSocket);
  equal(await askNode(path, { request: "status" }), undefined);
  await withServer(path, async () => deepEqual(await askStatus(path), status));
});

test("a socket that somebody listens on is not", async (path) => {
  await withServer(path, async () => {
    await rejects(ControlServer.open(path, answerStatus), /a running node listens there/);
    deepEqual(await askStatus(path), status);
  });
});

test("a file that is no socket is not replaced", async (path) => {
  const makers = [
    () => Deno.writeTextFile(path, "precious"),
    () => Deno.symlink("precious", path),
    () => Deno.mkdir(path),
  ];
  for (const make of makers) {
    await make();
    await rejects(ControlServer.open(path, answerStatus), /no socket/);
    await Deno.remove(path);
  }
});

test("closing sends its clients away", async (path) => {
  const server = await ControlServer.open(path, answerStatus);
  using client = await Client.connect(path);
  await client.say(statusRequest);
  equal(codeOf(await client.hear()), "ok");
  server.close();
  server.close();
  equal(await client.hear(), undefined);
  equal(await askNode(path, { request: "status" }), undefined);
});

test("a directory that is not there is named", async (path) => {
  await rejects(ControlServer.open(`${path}/b.sock`, answerStatus), new RegExp(`${path} does not`));
});

test("a program that is no node is told from one", async (path) => {
  const listener = Deno.listen({ transport: "unix", path });
  const asking = askNode(path, { request: "status" });
  const connection = await listener.accept();
  await connection.write(encoder.encode("220 mail.example.org ESMTP\n"));
  await rejects(asking, /speaks another protocol/);
  connection.close();
  const silent = withExpiredTimers(5_000, () => askNode(path, { request: "status" }));
  await rejects(silent, (error: Error) => {
    match(error.message, /no answer within 5 s/);
    return true;
  });
  listener.close();
});
