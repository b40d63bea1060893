/** The server under requests that were right once. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { randomId, toBase64Url, WEBSOCKET_PROTOCOL } from "../../src/signaling/wire.ts";
import { mutated } from "./mutations.ts";
import { createNodeKey, registrationBody } from "./node_key.ts";
import { BASE_URL, type TestServer, withServer } from "./test_server.ts";

interface Mutant {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly authorization: string;
  readonly protocol: string;
  readonly isUpgrade: boolean;
}

/** Right requests of every kind, and texts close to them. */
async function mutants(server: TestServer): Promise<fc.Arbitrary<Mutant>> {
  const key = await createNodeKey();
  const token = await server.register(key);
  const session = randomId();
  const path = `${key.path}/sessions/${session}`;
  await server.post(key, { session, text: "offer" });
  const challenge = await server.challenge(key);
  const paths = [
    "/healthz",
    key.path,
    `${key.path}/challenge`,
    `${key.path}/messages?after=7`,
    `${path}/replies?after=7`,
    `${path}/messages/${randomId()}`,
    `${path}/replies/${randomId()}`,
    path,
  ];
  const stranger = toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
  const bodies = [
    await registrationBody(key, { audience: BASE_URL, challenge }),
    JSON.stringify({ text: "candidate" }),
    "",
  ];
  return fc.record({
    method: fc.constantFrom("GET", "PUT", "DELETE", "POST", "HEAD", "PATCH", "OPTIONS"),
    path: fc.oneof(fc.constantFrom(...paths), mutated(paths)),
    body: fc.oneof(fc.constantFrom(...bodies), mutated(bodies)),
    authorization: mutated([`Bearer ${token}`, `Bearer ${stranger}`, ""]),
    protocol: mutated([`${WEBSOCKET_PROTOCOL}, token.${token}`, WEBSOCKET_PROTOCOL]),
    isUpgrade: fc.boolean(),
  });
}

/** Undefined where no client could send it. */
function requestOf(mutant: Mutant): Request | undefined {
  const { method, path, body, authorization, protocol, isUpgrade } = mutant;
  // Without a key, since there is no connection that it could become a WebSocket of.
  const upgrade = { connection: "upgrade", upgrade: "websocket" };
  try {
    return new Request(`${BASE_URL}/${path.replace(/^\/+/, "")}`, {
      method,
      headers: {
        ...{ authorization, host: "light.test", "sec-websocket-protocol": protocol },
        ...(isUpgrade ? upgrade : {}),
      },
      body: ["GET", "HEAD"].includes(method) ? undefined : body,
    });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Sends so many mutants. None is answered with 5xx, and none makes the server log a failure. */
export async function fuzzEndpoints(runCount: number): Promise<void> {
  const limits = { requestBurst: 1e9, requestsPerSecond: 1e9 };
  const lines: string[] = [];
  await withServer({ limits, log: (line) => lines.push(line) }, async (server) => {
    const statuses = new Set<number>();
    const property = fc.asyncProperty(await mutants(server), async (mutant) => {
      const request = requestOf(mutant);
      if (request === undefined) return;
      const { status } = await server.signalApp.app.fetch(request, {});
      statuses.add(status);
      assert(status < 500, `${status}`);
    });
    await fc.assert(property, { numRuns: runCount });
    assert.deepEqual(lines, []);
    // The mutants are near enough to what is right to reach everything.
    for (const status of [200, 204, 400, 401, 404, 409]) assert(statuses.has(status), `${status}`);
  });
}
