import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DerDefect,
  DerReader,
  derTag,
  readBoolean,
  readInteger,
  readNamedBits,
  readObjectIdentifier,
  readOnlyElement,
  readText,
  readTime,
} from "../../src/identity/der.ts";
import { der, oid, utf8 } from "./certificate_builder.ts";

function bytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

function element(hex: string) {
  return new DerReader(bytes(hex)).any();
}

Deno.test("reads what the independent writer wrote", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), (content) => {
    assert.deepEqual(readOnlyElement(der(0x04, content), 0x04).content, content);
  }));
});

Deno.test("refuses lengths that are indefinite, padded, too long or cut off", () => {
  const bad = [
    ...[
      "30 80 00 00",
      "30 81 01 00",
      "30 82 00 81",
      "30 83 00 00 01 00",
      "30 84",
      "30 82 01",
      "30",
    ],
    ...["30 02 00", "1f 81 01 00", "30 ff"],
  ];
  for (const each of bad) assert.throws(() => element(each), DerDefect, each);
});

Deno.test("refuses what follows a value", () => {
  assert.throws(() => readOnlyElement(bytes("05 00 00"), 0x05), DerDefect);
});

Deno.test("a boolean is 00 or FF", () => {
  assert.equal(readBoolean(element("01 01 00")), false);
  assert.equal(readBoolean(element("01 01 ff")), true);
  for (const bad of ["01 01 01", "01 00", "01 02 ff ff"]) {
    assert.throws(() => readBoolean(element(bad)), DerDefect, bad);
  }
});

Deno.test("an integer is in its shortest form", () => {
  for (const good of ["02 01 00", "02 02 00 80", "02 01 80", "02 02 ff 7f"]) {
    assert.ok(readInteger(element(good)));
  }
  for (const bad of ["02 00", "02 02 00 7f", "02 02 ff 80"]) {
    assert.throws(() => readInteger(element(bad)), DerDefect, bad);
  }
});

Deno.test("named bits have no trailing zeros and no stray ones", () => {
  assert.deepEqual([...readNamedBits(element("03 02 01 06"))], [5, 6]);
  assert.deepEqual([...readNamedBits(element("03 03 07 00 80"))], [8]);
  for (
    const bad of ["03 01 00", "03 02 00 06", "03 02 02 06", "03 02 08 80", "03 00", "03 02 07 00"]
  ) {
    assert.throws(() => readNamedBits(element(bad)), DerDefect, bad);
  }
});

Deno.test("object identifiers are read in dotted form", () => {
  for (const dotted of ["1.2.840.10045.4.3.2", "2.5.29.15", "0.9.2342", "2.999.1"]) {
    const written = dotted === "2.999.1" ? bytes("06 03 88 37 01") : oid(dotted);
    assert.equal(readObjectIdentifier(new DerReader(written).any()), dotted);
  }
  for (const bad of ["06 00", "06 02 80 01", "06 01 81"]) {
    assert.throws(() => readObjectIdentifier(element(bad)), DerDefect, bad);
  }
});

Deno.test("times are those of RFC 5280 and real dates", () => {
  const time = (tag: number, text: string) => readTime(new DerReader(der(tag, utf8(text))).any());
  assert.equal(time(derTag.utcTime, "491231235959Z"), Date.parse("2049-12-31T23:59:59Z"));
  assert.equal(time(derTag.utcTime, "500101000000Z"), Date.parse("1950-01-01T00:00:00Z"));
  assert.equal(time(derTag.generalizedTime, "20500101000000Z"), Date.parse("2050-01-01T00:00:00Z"));
  assert.equal(time(derTag.generalizedTime, "99991231235959Z"), Date.parse("9999-12-31T23:59:59Z"));
  const bad = [
    ...["2601010000Z", "260101000000+0100", "260230000000Z", "261301000000Z", "260101250000Z"],
    ...["260101006000Z", "260101000000", "", "26010100000aZ"],
  ];
  for (const text of bad) assert.throws(() => time(derTag.utcTime, text), DerDefect, text);
  for (const text of ["20490101000000Z", "20500101000000.5Z"]) {
    assert.throws(() => time(derTag.generalizedTime, text), DerDefect, text);
  }
});

Deno.test("texts hold only what their type allows", () => {
  const text = (tag: number, content: Uint8Array) =>
    readText(new DerReader(der(tag, content)).any());
  assert.equal(text(derTag.utf8String, utf8("ä")), "ä");
  assert.equal(text(derTag.printableString, utf8("Node 1")), "Node 1");
  assert.throws(() => text(derTag.printableString, utf8("a_b")), DerDefect);
  assert.throws(() => text(derTag.utf8String, bytes("ff")), DerDefect);
  assert.throws(() => text(derTag.ia5String, bytes("80")), DerDefect);
  assert.throws(() => text(derTag.integer, utf8("1")), DerDefect);
});
