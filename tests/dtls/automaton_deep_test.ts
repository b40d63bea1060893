import { equal } from "node:assert/strict";
import { acceptedWords, checkWords } from "./automaton.ts";
import { genuineLanguages } from "./genuine_language.ts";

for (const role of ["client", "server"] as const) {
  Deno.test(`D5: of all sequences of up to 5 messages the ${role} does what its table says`, () => {
    equal(checkWords(role, [], 5), 579_195);
  });

  Deno.test(`D5: so it does of 4 messages behind each start of a good handshake with the ${role}`, () => {
    for (const word of acceptedWords[role]) {
      for (let length = 1; length <= word.length; length++) {
        checkWords(role, word.slice(0, length), 4);
      }
    }
  });

  Deno.test(`D5: with real crypto, of all sequences of up to 4 messages the ${role} does so`, () => {
    equal(checkWords(role, [], 4, genuineLanguages[role]), 41_371);
  });
}
