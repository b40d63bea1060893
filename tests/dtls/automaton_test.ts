import { equal } from "node:assert/strict";
import { acceptedWords, checkWord, checkWords } from "./automaton.ts";
import { genuineLanguages } from "./genuine_language.ts";

/** So far a genuine peer gets without knowing what we answer. */
const genuineStarts = { client: 6, server: 3 } as const;

for (const role of ["client", "server"] as const) {
  Deno.test(`D5: the words that connect a ${role} connect it`, () => {
    for (const word of acceptedWords[role]) equal(checkWord(role, word), "connected");
  });

  Deno.test(`D5: of all sequences of up to 4 messages the ${role} does what its table says`, () => {
    equal(checkWords(role, [], 4), 1 + 14 + 14 ** 2 + 14 ** 3 + 14 ** 4);
  });

  Deno.test(`D5: so it does of 2 messages behind each start of a good handshake with the ${role}`, () => {
    for (const word of acceptedWords[role]) {
      for (let length = 1; length <= word.length; length++) {
        checkWords(role, word.slice(0, length), 2);
      }
    }
  });

  Deno.test(`D5: with real crypto, of all sequences of up to 3 messages the ${role} does so`, () => {
    equal(checkWords(role, [], 3, genuineLanguages[role]), 1 + 14 + 14 ** 2 + 14 ** 3);
  });

  Deno.test(`D5: with real crypto, so it does of 1 message behind each start with the ${role}`, () => {
    for (const word of acceptedWords[role]) {
      const length = genuineStarts[role] + (word[0] === "HelloVerifyRequest" ? 1 : 0);
      for (let end = 1; end <= length; end++) {
        checkWords(role, word.slice(0, end), 1, genuineLanguages[role]);
      }
    }
  });
}
