import { deepEqual, equal, throws } from "node:assert/strict";
import {
  controlDirectory,
  listNodeSockets,
  prepareDirectory,
} from "../../src/control/control_socket.ts";

const isPosix = Deno.build.os !== "windows";
const isRoot = isPosix && Deno.uid() === 0;
const nobody = 65_534;

/** Runs a test with a folder that is removed at its end. */
function test(name: string, run: (folder: string) => void, ignore = !isPosix): void {
  Deno.test(name, { ignore }, () => {
    const folder = Deno.makeTempDirSync({ prefix: "control-" });
    try {
      run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

test("sockets are in the runtime directory, or under /tmp by user", () => {
  equal(controlDirectory("/run/user/7"), "/run/user/7/aetherport");
  for (const unusable of [undefined, "", "relative"]) {
    equal(controlDirectory(unusable), `/tmp/aetherport-${Deno.uid()}`);
  }
});

test("the directory is made for this user alone, and used again", (folder) => {
  const directory = `${folder}/aetherport`;
  prepareDirectory(directory);
  equal((Deno.lstatSync(directory).mode ?? 0) & 0o777, 0o700);
  prepareDirectory(directory);
});

test("a directory that others may enter is refused, and said how to mend", (folder) => {
  Deno.chmodSync(folder, 0o750);
  throws(() => prepareDirectory(folder), /open to other users: chmod 700/);
  throws(() => listNodeSockets(folder), /open to other users/);
});

test("another user's directory is refused, for listening and for asking", (folder) => {
  Deno.chownSync(folder, nobody, nobody);
  throws(() => prepareDirectory(folder), /belongs to another user/);
  throws(() => listNodeSockets(folder), /belongs to another user/);
}, !isRoot);

test("what is no directory, or leads to one, is refused", (folder) => {
  Deno.symlinkSync(folder, `${folder}/link`);
  Deno.writeTextFileSync(`${folder}/file`, "");
  for (const name of ["link", "file"]) {
    throws(() => prepareDirectory(`${folder}/${name}`), /is no directory/);
  }
});

test("sockets are listed by process id, and nothing else is", (folder) => {
  const directory = `${folder}/aetherport`;
  deepEqual(listNodeSockets(directory), []);
  prepareDirectory(directory);
  for (const name of ["10.sock", "9.sock", "x.sock", "9.sock.old", "99999999999.sock"]) {
    Deno.writeTextFileSync(`${directory}/${name}`, "");
  }
  deepEqual(listNodeSockets(directory).map(({ pid }) => pid), [9, 10]);
});
