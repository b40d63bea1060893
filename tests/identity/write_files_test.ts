import assert from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { type NewFile, writeFiles } from "../../src/identity/write_files.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function file(path: string, changed: Partial<NewFile> = {}): NewFile {
  return { path, text: "new", mode: 0o600, overwrite: false, ...changed };
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort((a, b) => a < b ? -1 : 1);
}

Deno.test("writes whole files with the permissions asked for, and nothing beside them", () =>
  inFolder(async (folder) => {
    await writeFiles([file(`${folder}/key`), file(`${folder}/cert`, { mode: 0o644 })]);
    assert.deepEqual(namesIn(folder), ["cert", "key"]);
    assert.equal(await Deno.readTextFile(`${folder}/key`), "new");
    if (Deno.build.os === "windows") return;
    assert.equal((Deno.statSync(`${folder}/key`).mode ?? 0) & 0o777, 0o600);
  }));

Deno.test("replaces nothing unless asked to, and then takes back what it wrote before", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/cert`, "old");
    const files = [file(`${folder}/key`), file(`${folder}/cert`)];
    await assert.rejects(writeFiles(files), BadInput);
    assert.deepEqual(namesIn(folder), ["cert"]);
    assert.equal(await Deno.readTextFile(`${folder}/cert`), "old");
  }));

Deno.test("a dangling link in the way is not written through", () =>
  inFolder(async (folder) => {
    await Deno.symlink(`${folder}/elsewhere`, `${folder}/key`);
    await assert.rejects(writeFiles([file(`${folder}/key`)]), BadInput);
    assert.deepEqual(namesIn(folder), ["key"]);
  }));

Deno.test("a replaced key does not keep the old file's permissions", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/key`, "old", { mode: 0o666 });
    await writeFiles([file(`${folder}/key`, { overwrite: true })]);
    assert.equal(await Deno.readTextFile(`${folder}/key`), "new");
    if (Deno.build.os === "windows") return;
    assert.equal((Deno.statSync(`${folder}/key`).mode ?? 0) & 0o777, 0o600);
  }));

Deno.test("of many writers at once, one wins and its file is whole", () =>
  inFolder(async (folder) => {
    const texts = Array.from({ length: 20 }, (_, at) => `${at}`.repeat(5000));
    const results = await Promise.allSettled(
      texts.map((text) => writeFiles([file(`${folder}/key`, { text })])),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    assert.deepEqual(namesIn(folder), ["key"]);
    assert.ok(texts.includes(await Deno.readTextFile(`${folder}/key`)));
  }));

Deno.test("a missing directory is told before anything is written", () =>
  inFolder(async (folder) => {
    const files = [file(`${folder}/key`), file(`${folder}/no/cert`)];
    await assert.rejects(writeFiles(files), /directory does not exist/);
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test("two files of one name are refused", () =>
  inFolder(async (folder) => {
    const files = [file(`${folder}/a`), file(`${folder}/x/../a`)];
    await assert.rejects(writeFiles(files), /two files/);
  }));
