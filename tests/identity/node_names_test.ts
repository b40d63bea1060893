import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isDnsName,
  isLabelValue,
  isNodeName,
  namesFromUris,
  urisOfNames,
} from "../../src/identity/node_names.ts";

const nameUnit = fc.constantFrom(..."abcXYZ019._-");
const name = fc.string({ unit: nameUnit, minLength: 1, maxLength: 64 }).filter(isNodeName);
const value = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter(isLabelValue);

Deno.test("names and labels come back from their URIs", () => {
  const labels = fc.array(fc.tuple(name, value), { maxLength: 16 }).map((each) => new Map(each));
  fc.assert(fc.property(name, labels, (name, labels) => {
    const outcome = namesFromUris(urisOfNames({ name, labels }));
    assert.ok(outcome.ok);
    assert.equal(outcome.value.name, name);
    assert.deepEqual(outcome.value.labels, new Map([...labels].sort(([a], [b]) => a < b ? -1 : 1)));
  }));
});

Deno.test("a name is 1 to 64 safe characters, the first a letter or digit", () => {
  for (const good of ["a", "Node-1.example_x", "0", "a".repeat(64)]) {
    assert.ok(isNodeName(good), good);
  }
  const bad = ["", "a".repeat(65), ".", "..", "-a", "_a", "a/b", "a b", "a\n", "ä", "a\0", "a%41"];
  for (const each of bad) assert.ok(!isNodeName(each), each);
});

Deno.test("a label's value is 1 to 128 bytes of UTF-8 without control characters", () => {
  for (const good of ["x", "berlin ä", "a=b", "ä".repeat(64)]) assert.ok(isLabelValue(good), good);
  const bad = ["", "ä".repeat(65), "a\nb", "\x7f", "\u0085", "\ud800"];
  for (const each of bad) assert.ok(!isLabelValue(each), each);
});

Deno.test("a name that is a host's name is a DNS name; one that looks like an address is not", () => {
  for (const good of ["node1", "a.example", "a-b", "1a", "10.0.0.x"]) {
    assert.ok(isDnsName(good), good);
  }
  for (const bad of ["a_b", "a..b", "a-", "a.", "10.0.0.1", "7"]) assert.ok(!isDnsName(bad), bad);
});

Deno.test("URIs that say anything twice, or not in their one spelling, are refused", () => {
  const node = "aetherport:node/a";
  const bad = [
    [],
    ["aetherport:node/"],
    [node, node],
    [node, "aetherport:label/a"],
    [node, "aetherport:label/=a"],
    [node, "aetherport:label/a="],
    [node, "aetherport:label/a=%"],
    [node, "aetherport:label/a=%c3%a4"],
    [node, "aetherport:label/a=%0A"],
    [node, "aetherport:label/a=1", "aetherport:label/a=1"],
    [node, ...Array.from({ length: 17 }, (_, at) => `aetherport:label/k${at}=1`)],
  ];
  for (const uris of bad) assert.ok(!namesFromUris(uris).ok, uris.join(" "));
});

Deno.test("URIs of other kinds are ignored", () => {
  const uris = ["https://example.org/", "aetherport:later/x", "aetherport:node/a"];
  assert.ok(namesFromUris(uris).ok);
});
