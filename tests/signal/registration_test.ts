import assert from "node:assert/strict";
import { parseKeyAnswer, randomId, toBase64Url } from "../../src/signaling/wire.ts";
import { createNodeKey, type NodeKey, registrationBody } from "./node_key.ts";
import { assertRefused, BASE_URL, required, type TestServer, withServer } from "./test_server.ts";

async function put(
  server: TestServer,
  key: NodeKey,
  answer: { readonly challenge: string; readonly audience?: string; readonly signer?: NodeKey },
): Promise<Response> {
  const { challenge, audience = BASE_URL, signer = key } = answer;
  const body = await registrationBody({ ...key, sign: signer.sign }, { audience, challenge });
  return await server.ask("PUT", key.path, { body });
}

Deno.test("gives out the public key of an ingress while it waits, and a 404 before", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    await assertRefused(await server.ask("GET", key.path), 404, "no_ingress");
    await server.register(key);
    const response = await server.ask("GET", key.path);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.deepEqual(required(parseKeyAnswer(await response.text())), key.publicKeySpki);
  });
});

Deno.test("forgets an ingress that was not heard of for its time", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    server.clock.now += 44_999;
    assert.equal((await server.ask("GET", key.path)).status, 200);
    server.clock.now += 1;
    await assertRefused(await server.ask("GET", key.path), 404, "no_ingress");
    const poll = await server.ask("GET", `${key.path}/messages`, { token });
    await assertRefused(poll, 401, "unauthorized");
  });
});

Deno.test("keeps an ingress that polls", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    for (let count = 0; count < 10; count++) {
      server.clock.now += 40_000;
      assert.deepEqual(await server.messages(key, token), []);
    }
    assert.equal((await server.ask("GET", key.path)).status, 200);
  });
});

Deno.test("forgets an ingress that leaves, at once", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    assert.equal((await server.ask("DELETE", key.path, { token })).status, 204);
    await assertRefused(await server.ask("GET", key.path), 404, "no_ingress");
    await assertRefused(await server.ask("DELETE", key.path, { token }), 401, "unauthorized");
    const posted = await server.post(key, { session: randomId(), text: "offer" });
    await assertRefused(posted, 404, "no_ingress");
    await server.register(key);
  });
});

Deno.test("refuses a registration signed by another key", async () => {
  await withServer({}, async (server) => {
    const [key, other] = await Promise.all([createNodeKey(), createNodeKey()]);
    const challenge = await server.challenge(key);
    await assertRefused(await put(server, key, { challenge, signer: other }), 401, "unauthorized");
    await assertRefused(await server.ask("GET", key.path), 404, "no_ingress");
  });
});

Deno.test("refuses a key that the id does not name", async () => {
  await withServer({}, async (server) => {
    const [key, other] = await Promise.all([createNodeKey(), createNodeKey()]);
    const challenge = await server.challenge(key);
    const impostor = { ...other, id: key.id, path: key.path };
    await assertRefused(await put(server, impostor, { challenge }), 401, "unauthorized");
  });
});

Deno.test("refuses a signature with any bit of it flipped", async () => {
  await withServer({ limits: { requestBurst: 10_000 } }, async (server) => {
    const key = await createNodeKey();
    const challenge = await server.challenge(key);
    const body = JSON.parse(await registrationBody(key, { audience: BASE_URL, challenge }));
    const signature = Uint8Array.fromBase64(body.signature, { alphabet: "base64url" });
    for (let bit = 0; bit < signature.length * 8; bit += 7) {
      const flipped = signature.map((byte, at) => at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte);
      const tampered = JSON.stringify({ ...body, signature: toBase64Url(flipped) });
      const response = await server.ask("PUT", key.path, { body: tampered });
      await assertRefused(response, 401, "unauthorized");
    }
    assert.equal((await put(server, key, { challenge })).status, 201);
  });
});

Deno.test("refuses a point that is not on the curve", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const challenge = await server.challenge(key);
    const spki = key.publicKeySpki.map((byte, at) => at === 90 ? byte ^ 1 : byte);
    const { ingressIdOf, ingressPath } = await import("../../src/signaling/wire.ts");
    const id = ingressIdOf(spki);
    const off = { ...key, publicKeySpki: spki, id, path: ingressPath(id) };
    const own = await server.challenge(off);
    await assertRefused(await put(server, off, { challenge: own }), 401, "unauthorized");
    await assertRefused(await put(server, off, { challenge }), 401, "unauthorized");
  });
});

Deno.test("refuses a challenge that was answered before, even when the node has left", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const challenge = await server.challenge(key);
    const body = await registrationBody(key, { audience: BASE_URL, challenge });
    const first = await server.ask("PUT", key.path, { body });
    const { token } = await first.json();
    await assertRefused(await server.ask("PUT", key.path, { body }), 409, "stale_challenge");
    assert.equal((await server.ask("DELETE", key.path, { token })).status, 204);
    await assertRefused(await server.ask("PUT", key.path, { body }), 409, "stale_challenge");
    // When the record has gone, the challenge has been too old for a while.
    server.clock.now += 46_000;
    await assertRefused(await server.ask("PUT", key.path, { body }), 401, "unauthorized");
  });
});

Deno.test("refuses a challenge older than one that was answered", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const challenge = await server.challenge(key);
    await server.register(key);
    await assertRefused(await put(server, key, { challenge }), 409, "stale_challenge");
  });
});

Deno.test("refuses a challenge after its time, of another id, and of another server", async () => {
  await withServer({}, async (server) => {
    const [key, other] = await Promise.all([createNodeKey(), createNodeKey()]);
    const late = await server.challenge(key);
    server.clock.now += 30_001;
    await assertRefused(await put(server, key, { challenge: late }), 401, "unauthorized");
    const ofOther = await server.challenge(other);
    await assertRefused(await put(server, key, { challenge: ofOther }), 401, "unauthorized");
    await withServer({}, async (stranger) => {
      const foreign = await stranger.challenge(key);
      await assertRefused(await put(server, key, { challenge: foreign }), 401, "unauthorized");
    });
  });
});

Deno.test("takes a challenge of the hour before", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    server.clock.now += 3_600_000 - server.clock.now % 3_600_000 - 1;
    const challenge = await server.challenge(key);
    server.clock.now += 2;
    assert.equal((await put(server, key, { challenge })).status, 201);
  });
});

Deno.test("refuses what was signed for a server of another host", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const challenge = await server.challenge(key);
    const audience = "http://evil.test";
    await assertRefused(await put(server, key, { challenge, audience }), 401, "wrong_audience");
    // Behind a proxy the scheme and the path are the proxy's.
    const proxied = { challenge, audience: "https://light.test/base" };
    assert.equal((await put(server, key, proxied)).status, 201);
  });
});

Deno.test("takes only its own base URLs as audience where they are known", async () => {
  const baseUrls = ["https://light.example/base", "https://other.example"];
  await withServer({ baseUrls }, async (server) => {
    const key = await createNodeKey();
    const challenge = await server.challenge(key);
    for (const audience of [BASE_URL, "https://light.example", "http://other.example"]) {
      await assertRefused(await put(server, key, { challenge, audience }), 401, "wrong_audience");
    }
    assert.equal((await put(server, key, { challenge, audience: baseUrls[0] })).status, 201);
  });
});

Deno.test("a later registration of a key takes over, and the earlier token is told so", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const earlier = await server.register(key);
    const session = randomId();
    await server.post(key, { session, text: "offer" });
    const later = await server.register(key);
    const poll = await server.ask("GET", `${key.path}/messages`, { token: earlier });
    await assertRefused(poll, 409, "taken_over");
    const reply = await server.reply(key, { session, text: "answer", token: earlier });
    await assertRefused(reply, 409, "taken_over");
    const left = await server.ask("DELETE", key.path, { token: earlier });
    await assertRefused(left, 409, "taken_over");
    const [message] = await server.messages(key, later);
    assert.equal(message?.text, "offer");
  });
});

Deno.test("of two registrations at once, one or both hold in turn, and one token is good", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const challenges = [await server.challenge(key)];
    server.clock.now += 1;
    challenges.push(await server.challenge(key));
    const responses = await Promise.all(
      challenges.map((challenge) => put(server, key, { challenge })),
    );
    const tokens = await Promise.all(
      responses.filter(({ status }) => status === 201).map(async (one) => (await one.json()).token),
    );
    const polls = await Promise.all(
      tokens.map((token) => server.ask("GET", `${key.path}/messages`, { token })),
    );
    assert.equal(polls.filter(({ status }) => status === 200).length, 1);
  });
});

Deno.test("refuses a registration's requests without, with a malformed and with a made-up token", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    await server.register(key);
    const path = `${key.path}/messages`;
    await assertRefused(await server.ask("GET", path), 401, "unauthorized");
    await assertRefused(await server.ask("GET", path, { token: "short" }), 401, "unauthorized");
    const basic = { authorization: "Basic dXNlcjpwYXNz" };
    await assertRefused(await server.ask("GET", path, { headers: basic }), 401, "unauthorized");
    const token = toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
    await assertRefused(await server.ask("GET", path, { token }), 409, "taken_over");
  });
});
