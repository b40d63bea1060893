import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  type ControlMessage,
  maxCreditLength,
  parseControlMessage,
  type RefusalCode,
  writeControlMessage,
} from "../../src/tunnel/control_message.ts";

const seed = 5;
const codes: readonly RefusalCode[] = [
  "denied",
  "malformed",
  "unresolved",
  "unreachable",
  "timeout",
  "exhausted",
];
const messages: readonly ControlMessage[] = [
  { type: "opened" },
  { type: "end" },
  { type: "ended" },
  { type: "credit", bytes: 1 },
  { type: "credit", bytes: maxCreditLength },
  { type: "credit", bytes: 786_432, client: "[2001:db8::1]:65535" },
  { type: "reset", reason: "the target went away" },
  ...codes.map((code): ControlMessage => ({
    type: "refused",
    code,
    reason: "no --allow names it",
  })),
];

Deno.test("every message reads back as it was written", () => {
  for (const message of messages) {
    deepEqual(parseControlMessage(writeControlMessage(message)), message);
  }
});

Deno.test("a message cut short is none", () => {
  for (const message of messages) {
    const text = writeControlMessage(message);
    for (let length = 0; length < text.length; length++) {
      equal(parseControlMessage(text.slice(0, length)), undefined, text.slice(0, length));
    }
  }
});

Deno.test("refuses what is no message", () => {
  const texts = [
    "",
    " ",
    "null",
    "true",
    "1",
    '"opened"',
    "[]",
    '["opened"]',
    "{}",
    '{"type":null}',
    '{"type":1}',
    '{"type":["opened"]}',
    '{"type":{"type":"opened"}}',
    '{"type":"Opened"}',
    '{"type":"opened "}',
    '{"type":"toString"}',
    '{"type":"__proto__"}',
    '{"__proto__":{"type":"opened"}}',
    '{"Type":"opened"}',
    '{"type":"opened"}{"type":"opened"}',
    '{"type":"opened"',
    "{'type':'opened'}",
    "\ufeff\u0000",
    "[".repeat(2_000),
    `${'{"a":'.repeat(400)}1`,
  ];
  for (const text of texts) equal(parseControlMessage(text), undefined, text);
});

Deno.test("refuses credit that is no count of bytes", () => {
  const values = ["-1", "0", "-0", "0.5", "1.5", "1e99", "NaN", "Infinity", "null", '"5"', "[5]"];
  for (const value of [...values, "{}", "true", String(maxCreditLength + 1), "-9007199254740993"]) {
    equal(parseControlMessage(`{"type":"credit","bytes":${value}}`), undefined, value);
  }
  equal(parseControlMessage('{"type":"credit"}'), undefined);
});

Deno.test("refuses long messages unread", () => {
  const pad = (length: number) => `{"type":"end","pad":"${"x".repeat(length)}"}`;
  const overhead = pad(0).length;
  deepEqual(parseControlMessage(pad(2_048 - overhead)), { type: "end" });
  equal(parseControlMessage(pad(2_049 - overhead)), undefined);
});

Deno.test("passes on no more of a message than it knows", () => {
  deepEqual(parseControlMessage('{"type":"end","bytes":5,"__proto__":{"x":1},"reason":"x"}'), {
    type: "end",
  });
  equal(Reflect.get({}, "x"), undefined);
});

Deno.test("takes an unknown refusal for an unreachable target", () => {
  for (const code of ['"strange"', "5", "null", '"toString"', "[]"]) {
    deepEqual(parseControlMessage(`{"type":"refused","code":${code},"reason":"no"}`), {
      type: "refused",
      code: "unreachable",
      reason: "no",
    });
  }
});

Deno.test("a missing reason is said to be missing", () => {
  for (const reason of ["5", "null", "{}", '["x"]']) {
    deepEqual(parseControlMessage(`{"type":"reset","reason":${reason}}`), {
      type: "reset",
      reason: "no reason given",
    });
  }
});

Deno.test("reasons are one line without control characters", () => {
  const reason = "a\r\nb\u001b[31mc\u0000d\u007fe\u009bf\u2028g\u2029h\ti";
  const message = parseControlMessage(JSON.stringify({ type: "reset", reason }));
  deepEqual(message, { type: "reset", reason: "a  b [31mc d e f g h i" });
});

Deno.test("long reasons are cut", () => {
  for (const type of ["reset", "refused"]) {
    const text = JSON.stringify({ type, code: "denied", reason: "x".repeat(1_900) });
    const message = parseControlMessage(text);
    equal(message !== undefined && "reason" in message ? message.reason.length : 0, 512);
  }
});

Deno.test("any message that is written can be read, whatever its reason", () => {
  for (const unit of ["a", '"', "\\", "\u0000", "\u001b", "\ud800", "\u{1f600}", "\u2028"]) {
    const reason = unit.repeat(600);
    equal(parseControlMessage(writeControlMessage({ type: "reset", reason }))?.type, "reset", unit);
    const refused = writeControlMessage({ type: "refused", code: "denied", reason });
    equal(parseControlMessage(refused)?.type, "refused", unit);
  }
});

Deno.test("reads any JSON without throwing", () => {
  fc.assert(
    fc.property(fc.json(), fc.jsonValue(), (json, value) => {
      parseControlMessage(json);
      for (const key of ["type", "bytes", "code", "reason"]) {
        for (const message of messages) {
          parseControlMessage(JSON.stringify({ ...message, [key]: value }));
        }
      }
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("credit counts whatever it says of a client", () => {
  for (const client of ["nas.local\n:80", "x".repeat(10), "1".repeat(65), "", 7, null, ["1"]]) {
    const text = JSON.stringify({ type: "credit", bytes: 5, client });
    deepEqual(parseControlMessage(text), { type: "credit", bytes: 5 });
  }
});
