import { ControlServer } from "../../src/control/control_server.ts";
import { sampleStatus } from "../fakes/sample_status.ts";
import { fuzzSocket } from "./socket_fuzz.ts";

Deno.test("200,000 changed requests get a line each", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const folder = await Deno.makeTempDir({ prefix: "control-" });
  const path = `${folder}/a.sock`;
  const server = await ControlServer.open(
    path,
    () => ({ version: 1, ok: true, status: sampleStatus() }),
  );
  try {
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
    await Promise.all(seeds.map((seed) => fuzzSocket(path, { seed, count: 25_000 })));
  } finally {
    server.close();
    await Deno.remove(folder, { recursive: true });
  }
});
