import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import {
  type PastedItem,
  PastedTextReader,
  writePastedText,
} from "../../src/signaling/pasted_text.ts";
import {
  anyDescription,
  descriptionWithCandidates,
  sampleDescription,
} from "../fakes/sample_description.ts";

const seed = 13;
const escape = String.fromCharCode(27);
const offer = writePastedText(sampleDescription);
const answer = writePastedText({
  ...sampleDescription,
  type: "answer",
  setup: "active",
  answers: "1",
});
const longDescription = descriptionWithCandidates(32);

/** What a reader finds in pieces, the end of the input included. */
function readPieces(pieces: readonly string[]): PastedItem[] {
  const reader = new PastedTextReader();
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
}

function kindsOf(items: readonly PastedItem[]): string[] {
  return items.map(({ kind }) => kind);
}

function descriptionsOf(items: readonly PastedItem[]) {
  return items.flatMap((item) => item.kind === "description" ? [item.description] : []);
}

/** A whole text around any body, with the right length and check. */
function frame(body: string, { type = "offer", version = "1" } = {}): string {
  const check = createHash("sha256").update(body).digest("hex").slice(0, 8);
  return `aetherport-${type}:${version}:${body.length}:${check}:${body}:aetherport-end`;
}

function pack(content: string): string {
  return deflateRawSync(content).toString("base64").replace(/=+$/, "");
}

function wrap(text: string, column: number, lineEnd = "\n"): string {
  return text.match(new RegExp(`.{1,${column}}`, "gs"))?.join(lineEnd) ?? "";
}

Deno.test("a text has the documented form", () => {
  match(offer, /^aetherport-offer:1:\d+:[0-9a-f]{8}:[A-Za-z0-9+/]+:aetherport-end$/);
  match(answer, /^aetherport-answer:1:\d+:[0-9a-f]{8}:[A-Za-z0-9+/]+:aetherport-end$/);
  const [, , length, check, body = ""] = offer.split(":");
  equal(body.length, Number(length));
  equal(createHash("sha256").update(body).digest("hex").slice(0, 8), check);
});

Deno.test("a text is one line up to 3,500 characters, and else wrapped", () => {
  const texts = Array.from(
    { length: 300 },
    (_, count) => writePastedText(descriptionWithCandidates(count)),
  );
  const [short, long] = [
    texts.filter((text) => !text.includes("\n")),
    texts.filter((text) => text.includes("\n")),
  ];
  ok(short.length > 0 && long.length > 0);
  ok(short.every(({ length }) => length <= 3_500));
  for (const text of long) {
    ok(text.replaceAll("\n", "").length > 3_500);
    ok(text.split("\n").every(({ length }) => length > 0 && length <= 76));
  }
});

Deno.test("texts read back as they were written", () => {
  fc.assert(
    fc.property(anyDescription, (description) => {
      deepEqual(readPieces([`${writePastedText(description)}\n`]), [
        { kind: "description", description },
      ]);
    }),
    { seed, numRuns: 200 },
  );
});

Deno.test("a text that the program wrapped reads back", () => {
  const description = descriptionWithCandidates(32);
  const long = { ...description, icePwd: "a1B2".repeat(60), iceUfrag: "+/x9".repeat(60) };
  const wrapped = writePastedText(descriptionWithCandidates(250));
  ok(wrapped.includes("\n"));
  deepEqual(descriptionsOf(readPieces([`${wrapped}\n`])), [longDescription]);
  deepEqual(descriptionsOf(readPieces([writePastedText(long)])), [long]);
});

Deno.test("reads texts wrapped at any column, in any way", () => {
  const description = { ...sampleDescription, sessionId: "7" };
  const text = writePastedText(description);
  for (const lineEnd of ["\n", "\r\n", "\r", " \n", "\n    ", "\n\n", " \r\n\t", "\n \n\u00a0"]) {
    for (let column = 1; column <= text.length; column += column < 90 ? 1 : 37) {
      const items = readPieces([`${wrap(text, column, lineEnd)}\n`]);
      deepEqual(items, [{ kind: "description", description }], `${column} ${lineEnd}`);
    }
  }
});

Deno.test("reads texts with blanks anywhere", () => {
  const blanks = fc.array(
    fc.tuple(fc.nat(offer.length), fc.constantFrom(" ", "\t", "\n", "\r\n", "\u200b", "\u00a0")),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(blanks, (blanks) => {
      const places = blanks.toSorted(([one], [other]) => other - one);
      const text = places.reduce(
        (text, [at, blank]) => text.slice(0, at) + blank + text.slice(at),
        offer,
      );
      deepEqual(kindsOf(readPieces([`${text}\n`])), ["description"]);
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("reads texts in pieces cut at any position", () => {
  const pasted = `${offer}\r\n${answer}\n`;
  const cuts = fc.uniqueArray(fc.nat(pasted.length), { maxLength: 40 });
  fc.assert(
    fc.property(cuts, (cuts) => {
      const places = [0, ...cuts.toSorted((one, other) => one - other), pasted.length];
      const pieces = places.slice(1).map((end, at) => pasted.slice(places[at], end));
      deepEqual(kindsOf(readPieces(pieces)), ["description", "description"]);
    }),
    { seed, numRuns: 500 },
  );
  deepEqual(kindsOf(readPieces([...pasted])), ["description", "description"]);
});

Deno.test("reads what terminals paste in brackets", () => {
  const pasted = `${escape}[200~${offer}${escape}[201~\n`;
  deepEqual(kindsOf(readPieces([pasted])), ["description"]);
});

Deno.test("reads what terminals paste in brackets, cut at any position", () => {
  const pasted = `${escape}[200~${offer}${escape}[201~\n`;
  for (let cut = 1; cut < pasted.length; cut++) {
    const pieces = [pasted.slice(0, cut), pasted.slice(cut)];
    deepEqual(kindsOf(readPieces(pieces)), ["description"], `cut at ${cut}`);
  }
});

Deno.test("finds a text between others", () => {
  const before = ["Paste this: ", "$ aetherport\n", "\n\n", "12:00:01 offer:\n", "aether\n"];
  for (const text of before) {
    for (const after of ["\n", " thanks\n", "\n$ \n", "\r\n\r\n"]) {
      const items = readPieces([`${text}${offer}${after}`]);
      deepEqual(descriptionsOf(items), [sampleDescription], `${text} ${after}`);
      ok(items.every(({ kind }) => kind === "description" || kind === "wrong"));
    }
  }
});

Deno.test("finds two texts in one piece", () => {
  for (const between of ["\n", "", " ", "\r\n"]) {
    const items = readPieces([`${offer}${between}${answer}\n`]);
    deepEqual(descriptionsOf(items).map(({ type }) => type), ["offer", "answer"]);
    equal(items.length, 2);
  }
});

Deno.test("a text needs no line end", () => {
  const reader = new PastedTextReader();
  deepEqual(kindsOf(reader.push(offer)), ["description"]);
  deepEqual(reader.end(), []);
});

Deno.test("nothing is said of nothing", () => {
  deepEqual(readPieces([]), []);
  deepEqual(readPieces(["", "\n", " \r\n", "\t\n\n", `${escape}[200~${escape}[201~\n`]), []);
});

Deno.test("a text that ends early is cut short", () => {
  for (let length = "aetherport-offer:".length; length < offer.length; length++) {
    const [item, ...more] = readPieces([`${offer.slice(0, length)}\n`]);
    equal(item?.kind, "truncated", `after ${length} characters`);
    deepEqual(more, []);
  }
});

Deno.test("a text that has lost its middle is cut short", () => {
  const middle = offer.slice(60, 160);
  deepEqual(kindsOf(readPieces([`${offer.replace(middle, "")}\n`])), ["truncated"]);
});

Deno.test("a text that has lost its beginning is cut short, and not wrong", () => {
  for (const lost of [1, 5, 16, 17, 30, 100]) {
    deepEqual(kindsOf(readPieces([`${offer.slice(lost)}\n`])), ["truncated"], `${lost} lost`);
  }
});

Deno.test("says how much of a text has come so far", () => {
  const reader = new PastedTextReader();
  equal(reader.incomplete(), undefined);
  reader.push(offer.slice(0, 100));
  const item = reader.incomplete();
  equal(item?.kind, "truncated");
  match(item?.kind === "truncated" ? item.problem : "", /\d+ of \d+ characters/);
  reader.push(offer.slice(100));
  equal(reader.incomplete(), undefined);
});

Deno.test("a text altered anywhere is damaged, or no text at all", () => {
  const bodyStart = offer.split(":").slice(0, 4).join(":").length + 1;
  for (let at = bodyStart; at < offer.indexOf(":aetherport-end"); at++) {
    const other = offer[at] === "A" ? "B" : "A";
    const items = readPieces([`${offer.slice(0, at)}${other}${offer.slice(at + 1)}\n`]);
    deepEqual(kindsOf(items), ["damaged"], `at ${at}`);
  }
  for (let at = "aetherport-offer:".length; at < bodyStart; at++) {
    const items = readPieces([`${offer.slice(0, at)}!${offer.slice(at + 1)}\n`]);
    deepEqual(kindsOf(items), ["damaged"], `at ${at}`);
  }
});

Deno.test("a text with more in it than was printed is damaged", () => {
  deepEqual(kindsOf(readPieces([`${offer.replace(":aetherport-end", "AAA:aetherport-end")}\n`])), [
    "damaged",
  ]);
});

Deno.test("text that is none of this program is wrong", () => {
  const texts = [
    "hello\n",
    "v=0\r\n",
    "42\n",
    "-----BEGIN CERTIFICATE-----\n",
    '{"type":"offer","sdp":"v=0"}\n',
    "aetherport-invite:1:2:3\n",
    "\ud800\u0000x\n",
  ];
  for (const text of texts) deepEqual(kindsOf(readPieces([text])), ["wrong"], text);
});

Deno.test("a line is wrong also where it ends as a text begins", () => {
  for (const text of ["data\n", "banana\n", "aethernet a\n", "see aether\n"]) {
    deepEqual(kindsOf(new PastedTextReader().push(text)), ["wrong"], text);
  }
});

Deno.test("text that is none of this program is wrong without a line end too", () => {
  for (const text of ["hello", "v=0"]) deepEqual(kindsOf(readPieces([text])), ["wrong"], text);
});

Deno.test("a text of another version says so", () => {
  const [item] = readPieces([`${frame("AAAA", { version: "2" })}\n`]);
  equal(item?.kind, "wrong");
  match(item?.kind === "wrong" ? item.problem : "", /format 2.*reads 1/);
});

Deno.test("a whole text with an unusable description is wrong, and says why", () => {
  const bodies: [body: string, problem: RegExp][] = [
    ["", /does not unpack/],
    ["AAAA", /does not unpack/],
    [pack(""), /exactly one data channel session/],
    [pack("hello"), /exactly one data channel session/],
    [pack("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"), /has no ice-ufrag/],
  ];
  for (const [body, problem] of bodies) {
    const [item] = readPieces([`${frame(body)}\n`]);
    equal(item?.kind, "wrong");
    match(item?.kind === "wrong" ? item.problem : "", problem);
  }
});

Deno.test("an offer that calls itself an answer is wrong", () => {
  const [, , , , body = ""] = offer.split(":");
  deepEqual(kindsOf(readPieces([`${frame(body, { type: "answer" })}\n`])), ["wrong"]);
});

Deno.test("a small text that unpacks to much is refused", () => {
  const bomb = frame(pack("x".repeat(20_000_000)));
  ok(bomb.length < 65_536);
  const [item] = readPieces([`${bomb}\n`]);
  equal(item?.kind, "wrong");
});

Deno.test("a good text is read after every bad one", () => {
  const bad = [
    "hello\n",
    "data\n",
    offer.slice(0, 100),
    `${offer.slice(0, 100)}\n`,
    `${offer.slice(0, -5)}\n`,
    `${offer.replace("aether", "aeter")}\n`,
    `${offer.slice(20)}\n`,
    `${offer.slice(0, 80)}A${offer.slice(80)}\n`,
    `${frame("AAAA")}\n`,
    `${frame("AAAA", { version: "9" })}\n`,
    `${frame(pack("x".repeat(1_000_000)))}\n`,
    "aetherport-offer:\n",
    "aetherport-offer:aetherport-offer:\n",
    ":aetherport-end\n",
  ];
  for (const text of bad) {
    const reader = new PastedTextReader();
    const before = reader.push(text);
    const after = [...reader.push(`${offer}\n`), ...reader.end()];
    deepEqual(descriptionsOf([...before, ...after]), [sampleDescription], text);
    equal(after.at(-1)?.kind, "description", text);
  }
});

Deno.test("a text that never ends is dropped, and the next one is read", () => {
  for (const filler of ["x", "x\n", "A".repeat(76) + "\n"]) {
    const reader = new PastedTextReader();
    const items = reader.push("aetherport-offer:1:1000000:00000000:");
    const piece = filler.repeat(Math.ceil(10_000 / filler.length));
    for (let length = 0; length < 400_000; length += piece.length) {
      items.push(...reader.push(piece));
    }
    ok(kindsOf(items).includes("wrong"));
    deepEqual(descriptionsOf(reader.push(`\n${offer}\n`)), [sampleDescription]);
  }
});

Deno.test("text without any line end is dropped after a while, and not kept", () => {
  for (const filler of ["x", "a", "aether"]) {
    const reader = new PastedTextReader();
    const items: PastedItem[] = [];
    for (let count = 0; count < 20; count++) items.push(...reader.push(filler.repeat(10_000)));
    ok(kindsOf(items).includes("wrong"), `${filler} goes on for ${20 * filler.length}0,000`);
  }
});
