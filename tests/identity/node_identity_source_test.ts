import assert from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { NodeIdentitySource } from "../../src/identity/node_identity_source.ts";
import { nodeExtensions, testKey } from "./certificate_builder.ts";
import { commonName } from "./certificate_builder.ts";
import { inIdentityFolder, node } from "./identity_folder.ts";

function named(name: string) {
  return { subject: commonName(name), extensions: nodeExtensions({ ...node, name }) };
}

Deno.test("an identity stays the same object while its files do", () =>
  inIdentityFolder(async ({ files }) => {
    const source = await NodeIdentitySource.open(files, { warn: assert.fail });
    assert.equal(await source.current(), await source.current());
  }));

Deno.test("a changed certificate is taken up at the next use", () =>
  inIdentityFolder(async ({ files, writeNode }) => {
    const source = await NodeIdentitySource.open(files, { warn: assert.fail });
    await writeNode(named("renamed-node"));
    const [one, other] = await Promise.all([source.current(), source.current()]);
    assert.equal(one.name, "renamed-node");
    assert.equal(one, other);
  }));

Deno.test("a file replaced by one of the same size and time is noticed", () =>
  inIdentityFolder(async ({ files, folder, writeNode }) => {
    const source = await NodeIdentitySource.open(files, { warn: assert.fail });
    const { mtime, atime } = await Deno.stat(files.certPath);
    await Deno.rename(files.certPath, `${folder}/old.pem`);
    await writeNode(named("node2"));
    if (mtime !== null && atime !== null) await Deno.utime(files.certPath, atime, mtime);
    assert.equal((await source.current()).name, "node2");
  }));

Deno.test("bad new files keep the identity, and are warned of once", () =>
  inIdentityFolder(async ({ files, writeKey, writeNode }) => {
    const warnings: string[] = [];
    const source = await NodeIdentitySource.open(files, { warn: (line) => warnings.push(line) });
    const before = await source.current();
    await Deno.remove(files.certPath);
    assert.equal(await source.current(), before);
    assert.equal(await source.current(), before);
    assert.match(warnings.join("\n"), /^keeping the identity of "node1".*no such file[^\n]*$/);
    await writeNode(named("node2"));
    await writeKey(testKey());
    assert.equal(await source.current(), before);
    assert.equal(warnings.length, 2);
    await writeKey(node.key);
    assert.equal((await source.current()).name, "node2");
    assert.equal(warnings.length, 2);
  }));

Deno.test("with bad files from the start there is no identity", () =>
  inIdentityFolder(async ({ files }) => {
    await Deno.remove(files.keyPath);
    await assert.rejects(NodeIdentitySource.open(files, { warn: assert.fail }), BadInput);
  }));
