/** When an egress looks for a way to itself: beside its question to the server, or after it. */
import assert from "node:assert/strict";
import { keyIdOf } from "../../src/identity/key_id.ts";
import type { NodeIdentity } from "../../src/identity/node_identity.ts";
import type { NodeIdentitySource } from "../../src/identity/node_identity_source.ts";
import type { LinkOffer } from "../../src/link/link.ts";
import { AetherlightEgress } from "../../src/signaling/aetherlight_egress.ts";
import { FakeExchange, FakeLinkFactory } from "../fakes/link_factory.ts";
import { buildCertificate, nodeParts, testKey } from "../identity/certificate_builder.ts";
import { Arrivals } from "../signal/arrivals.ts";
import { createNodeKey, register } from "../signal/node_key.ts";
import { withStage } from "./aetherlight_stage.ts";

class CountingFactory extends FakeLinkFactory {
  readonly offers = new Arrivals<number>();
  offerCount = 0;

  override createOffer(): Promise<LinkOffer> {
    this.offers.add(++this.offerCount);
    return super.createOffer();
  }
}

function newFactory(): CountingFactory {
  return new CountingFactory(new FakeExchange(), { firstSessionId: 1 });
}

/** Identities of a node that is always the same. */
function identities(): NodeIdentitySource {
  const key = testKey();
  const signer = { name: "test-ca", key: testKey() };
  const identity: NodeIdentity = {
    ...{ name: "egress1", labels: new Map<string, string>(), keyId: keyIdOf(key.spki) },
    privateKeyPem: key.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    ...{
      certificatePem: "",
      chain: [buildCertificate(nodeParts({ name: "egress1", key, signer }))],
    },
    trust: { cas: [] },
    notAfter: Infinity,
    files: { keyPath: "", certPath: "", caPaths: [] },
  };
  return { current: () => Promise.resolve(identity) } as NodeIdentitySource;
}

function egressTo(ingressUrl: string, factory: CountingFactory): AetherlightEgress {
  return new AetherlightEgress({
    ...{ ingressUrl, factory, identities: identities(), exitOnFailure: false },
    judgeOf: () => () => ({ ok: false, reason: "a test" }),
    adopt: () => {},
  });
}

Deno.test("an offer is made beside the first question to the server, not after it", async () => {
  const factory = newFactory();
  const { id } = await createNodeKey();
  const answering = Promise.withResolvers<void>();
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, async () => {
    await answering.promise;
    return new Response(null, { status: 404 });
  });
  const egress = egressTo(`http://127.0.0.1:${server.addr.port}/ingresses/${id}`, factory);
  const running = egress.run();
  assert.equal(await factory.offers.next(), 1);
  egress.close();
  await running;
  answering.resolve();
  await server.shutdown();
  assert.equal(factory.withdrawn.length, 1);
});

Deno.test("after a call in vain no offer is made until the ingress is there", async () => {
  await withStage(async ({ url, key }) => {
    const factory = newFactory();
    const egress = egressTo(url + key.path, factory);
    const running = egress.run();
    assert.equal(await factory.offers.next(), 1);
    // It asks again after 1 s at most.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    assert.deepEqual([factory.offerCount, factory.withdrawn.length], [1, 1]);
    await register(url, key);
    assert.equal(await factory.offers.next(), 2);
    egress.close();
    await running;
    assert.equal(factory.withdrawn.length, 2);
  });
});
