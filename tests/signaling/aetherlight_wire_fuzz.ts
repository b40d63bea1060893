/** The parsers of the wire format, and texts that were right once. */
import fc from "fast-check";
import {
  parseBaseUrl,
  parseChallengeAnswer,
  parseClientFrame,
  parseErrorAnswer,
  parseIngressUrl,
  parseKeyAnswer,
  parseMessagesAnswer,
  parseRegistration,
  parseServerFrame,
  parseText,
  parseTokenAnswer,
  randomId,
  toBase64Url,
} from "../../src/signaling/wire.ts";
import { mutated } from "../signal/mutations.ts";
import { createNodeKey, registrationBody } from "../signal/node_key.ts";

/** One right text, or more, for each parser. */
export async function rightTexts(): Promise<string[]> {
  const key = await createNodeKey();
  const message = { sequence: 1, session: randomId(), text: "sealed" };
  return [
    await registrationBody(key, { audience: "https://light.example", challenge: "abc" }),
    JSON.stringify({ text: "sealed" }),
    JSON.stringify({ messages: [message, message] }),
    JSON.stringify({ type: "message", ...message }),
    JSON.stringify({ type: "end", code: "taken_over", message: "gone" }),
    JSON.stringify({ type: "ack", sequence: 1 }),
    JSON.stringify({ error: { code: "no_ingress", message: "gone" } }),
    JSON.stringify({ token: toBase64Url(new Uint8Array(32)), challenge: "abc" }),
    JSON.stringify({ publicKey: toBase64Url(key.publicKeySpki) }),
    `https://light.example/ingresses/${key.id}`,
  ];
}

/** All parsers of the wire format. */
export const parsers: readonly ((text: string) => unknown)[] = [
  parseRegistration,
  parseText,
  parseMessagesAnswer,
  parseServerFrame,
  parseClientFrame,
  parseErrorAnswer,
  parseTokenAnswer,
  parseChallengeAnswer,
  parseKeyAnswer,
  parseIngressUrl,
  parseBaseUrl,
];

/** Gives every parser so many mutants; none may throw. */
export async function fuzzParsers(runCount: number): Promise<void> {
  const texts = fc.oneof(mutated(await rightTexts()), fc.json(), fc.string());
  const property = fc.property(texts, (text) => parsers.forEach((parse) => parse(text)));
  fc.assert(property, { numRuns: runCount });
}
