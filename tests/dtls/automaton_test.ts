import { equal } from "node:assert/strict";
import { acceptedWords, checkWord, checkWords } from "./automaton.ts";

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
}
