/** A node's key, as the server and the client transport know it. */
import assert from "node:assert/strict";
import {
  ingressIdOf,
  ingressPath,
  registrationStatement,
  writeRegistration,
} from "../../src/signaling/wire.ts";

/** A P-256 key with the id it gives. */
export interface NodeKey {
  readonly publicKeySpki: Uint8Array<ArrayBuffer>;
  readonly id: string;
  /** The path of its ingress. */
  readonly path: string;
  sign(statement: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** Makes a key. */
export async function createNodeKey(): Promise<NodeKey> {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const { publicKey, privateKey } = await crypto.subtle.generateKey(curve, true, [
    "sign",
    "verify",
  ]);
  const publicKeySpki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const id = ingressIdOf(publicKeySpki);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  return {
    publicKeySpki,
    id,
    path: ingressPath(id),
    sign: async (statement) =>
      new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, statement)),
  };
}

/** The body that registers a key's ingress with an answered challenge. */
export async function registrationBody(
  { id, publicKeySpki: publicKey, sign }: NodeKey,
  { audience, challenge }: { readonly audience: string; readonly challenge: string },
): Promise<string> {
  const signature = await sign(registrationStatement({ audience, id, challenge }));
  return writeRegistration({ publicKey, audience, challenge, signature });
}

/** Registers a key's ingress at a server, and does not wait there; its token. */
export async function register(baseUrl: string, key: NodeKey): Promise<string> {
  const { challenge } = await (await fetch(`${baseUrl}${key.path}/challenge`)).json();
  const body = await registrationBody(key, { audience: baseUrl, challenge });
  const response = await fetch(baseUrl + key.path, { method: "PUT", body });
  const answer = await response.json();
  assert.equal(response.status, 201, JSON.stringify(answer));
  return answer.token;
}
