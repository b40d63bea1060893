import { equal } from "node:assert/strict";
import { serve } from "../program/local_service.ts";

const ignore = Deno.build.os !== "linux";
const script = new URL("../fakes/stdout_ender.ts", import.meta.url).pathname;
const words = [Deno.execPath(), "run", "-A", "--quiet", script];

Deno.test("the reader of a pipe sees the end, while stdin goes on", { ignore }, async () => {
  const heard = await Deno.makeTempFile();
  const [program = "", ...args] = words;
  const child = new Deno.Command(program, {
    args: [...args, heard],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  equal(await new Response(child.stdout).text(), "said");
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("heard"));
  await writer.close();
  equal((await child.status).code, 0);
  equal(await Deno.readTextFile(heard), "heard");
  await Deno.remove(heard);
});

Deno.test("the other end of a socket, which is stdin too, sees the end", { ignore }, async () => {
  const heard = await Deno.makeTempFile();
  const ended = Promise.withResolvers<string>();
  await using service = await serve((socket) => {
    let text = "";
    socket.on("data", (bytes) => text += bytes);
    socket.on("end", () => {
      ended.resolve(text);
      socket.end("heard");
    });
  });
  const command = `exec 3<>/dev/tcp/127.0.0.1/${service.port}; exec "$@" <&3 >&3 3>&-`;
  const { code } = await new Deno.Command("bash", {
    args: ["-c", command, "-", ...words, heard],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  equal(code, 0);
  equal(await ended.promise, "said");
  equal(await Deno.readTextFile(heard), "heard");
  await Deno.remove(heard);
});

Deno.test("a file and a null device have no end", { ignore }, async () => {
  const heard = await Deno.makeTempFile();
  const [program = "", ...args] = words;
  const { code } = await new Deno.Command(program, {
    args: [...args, heard],
    stdin: "null",
    stdout: "null",
  }).output();
  equal(code, 0);
  await Deno.remove(heard);
});
