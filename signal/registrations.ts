/** Which ingress nodes wait, and the proof that they are who their id says. */
import { timingSafeEqual } from "node:crypto";
import {
  ingressIdOf,
  type Registration,
  registrationStatement,
  toBase64Url,
} from "../src/signaling/wire.ts";
import type { Challenges } from "./challenges.ts";
import { Refusal } from "./refusal.ts";
import type { Entry, Store } from "./store.ts";

/** What is stored of an ingress. */
export interface RegistrationRecord {
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** What the node shows with each request; empty once the node has left. */
  readonly token: string;
  /** Of the challenge this registration answered: an older one cannot be answered any more. */
  readonly challengedAt: number;
  readonly renewedAt: number;
}

const TOKEN_LENGTH = 32;
const RENEW_MILLISECONDS = 5_000;

/** The key of an ingress's registration in the store. */
export function registrationKey(id: string): Deno.KvKey {
  return ["ingress", id];
}

/** Whether a record says that its ingress waits. */
export function isWaiting(
  record: RegistrationRecord | undefined,
): record is RegistrationRecord {
  return record !== undefined && record.token !== "";
}

/** The ingress nodes that wait. Methods throw {@link Refusal} for what is not granted. */
export class Registrations {
  readonly #store: Store;
  readonly #challenges: Challenges;
  readonly #lifetime: number;

  /** The lifetime is in ms. */
  constructor(store: Store, challenges: Challenges, lifetime: number) {
    this.#store = store;
    this.#challenges = challenges;
    this.#lifetime = lifetime;
  }

  /** The public key of an ingress that waits. */
  async publicKeyOf(id: string): Promise<Uint8Array> {
    const { value } = await this.#read(id);
    if (isWaiting(value)) return value.publicKey;
    throw new Refusal("no_ingress", "no ingress waits under this id");
  }

  /** Registers an ingress and returns its token. Whoever was registered under the id is out. */
  async register(id: string, registration: Registration): Promise<string> {
    const { publicKey, challenge } = registration;
    const now = this.#store.now();
    const challengedAt = await this.#challenges.verifyIssued(challenge, { id, now });
    if (challengedAt === undefined) {
      throw new Refusal("unauthorized", "the challenge is not one this server lately gave the id");
    }
    if (ingressIdOf(publicKey) !== id || !(await verifySignature(id, registration))) {
      throw new Refusal("unauthorized", "the signature is not by the key that the id names");
    }
    const token = toBase64Url(crypto.getRandomValues(new Uint8Array(TOKEN_LENGTH)));
    const record = { publicKey, token, challengedAt, renewedAt: now };
    await this.#store.retry(registrationKey(id), async () => {
      const entry = await this.#read(id);
      // CHECK replay: a challenge that was answered is older than, or as old as, the one on record.
      if (entry.value !== undefined && entry.value.challengedAt >= challengedAt) {
        throw new Refusal("stale_challenge", "a newer challenge was answered: ask for another", 1);
      }
      return await this.#write(entry, record) || undefined;
    });
    return token;
  }

  /** Passes where the token is the one of the registration on record. */
  async authorize(id: string, token: string | undefined): Promise<void> {
    await this.#authorized(id, token);
  }

  /** Lets the registration live on. */
  async renew(id: string, token: string): Promise<void> {
    const { entry, record } = await this.#authorized(id, token);
    const renewedAt = this.#store.now();
    if (renewedAt - record.renewedAt < RENEW_MILLISECONDS) return;
    // Where the commit fails, another request renewed it, or another node took over: both are right.
    await this.#write(entry, { ...record, renewedAt });
  }

  /** Ends the registration. Its record stays to its end, without a token. */
  async release(id: string, token: string | undefined): Promise<void> {
    const { entry, record } = await this.#authorized(id, token);
    await this.#write(entry, { ...record, token: "" });
  }

  async #authorized(id: string, token: string | undefined): Promise<Authorized> {
    const entry = await this.#read(id);
    const record = entry.value;
    if (token === undefined || !isWaiting(record)) {
      throw new Refusal("unauthorized", "not registered, or no longer: register again");
    }
    if (!isSameToken(token, record.token)) {
      throw new Refusal("taken_over", "another node with the same key has registered since");
    }
    return { entry, record };
  }

  #read(id: string): Promise<Entry<RegistrationRecord>> {
    return this.#store.get<RegistrationRecord>(registrationKey(id));
  }

  #write(entry: Entry<RegistrationRecord>, value: RegistrationRecord): Promise<boolean> {
    const expiresAt = this.#store.now() + this.#lifetime;
    return this.#store.commit({ check: [entry], set: [{ key: entry.key, value, expiresAt }] });
  }
}

interface Authorized {
  readonly entry: Entry<RegistrationRecord>;
  readonly record: RegistrationRecord;
}

function isSameToken(given: string, token: string): boolean {
  const bytes = new TextEncoder().encode(given);
  const expected = new TextEncoder().encode(token);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

async function verifySignature(
  id: string,
  { publicKey, audience, challenge, signature }: Registration,
): Promise<boolean> {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const statement = registrationStatement({ audience, id, challenge });
  try {
    const key = await crypto.subtle.importKey("spki", publicKey, curve, false, ["verify"]);
    return await crypto.subtle.verify(algorithm, key, signature, statement);
  } catch (error) {
    // The bytes are no point of the curve: the caller's fault, whatever the runtime calls it.
    if (error instanceof Error) return false;
    throw error;
  }
}
