import { equal, notEqual } from "node:assert/strict";
import { parseProxyCredentials } from "../../../src/forward/socks/proxy_credentials.ts";

function jsonOf(text: string): string {
  return JSON.stringify({ credentials: parseProxyCredentials(text, "a test") });
}

Deno.test("as JSON they are the same for the same pairs, and others for others", () => {
  equal(jsonOf("me:secret\nyou:too"), jsonOf("me:secret\r\n\r\nyou:too\r\n"));
  for (const other of ["me:Secret\nyou:too", "me:secret", "mes:ecret\nyou:too"]) {
    notEqual(jsonOf("me:secret\nyou:too"), jsonOf(other), other);
  }
});

Deno.test("as JSON they are other ones in another process, and say nothing of the pairs", async () => {
  const at = new URL("../../../src/forward/socks/proxy_credentials.ts", import.meta.url);
  const script = `import { parseProxyCredentials } from ${JSON.stringify(at)};
    console.log(JSON.stringify({ credentials: parseProxyCredentials("me:secret", "a test") }));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", script] }).output();
  const json = new TextDecoder().decode(stdout).trim();
  equal(Object.keys(JSON.parse(json)).join(), "credentials");
  notEqual(json, jsonOf("me:secret"));
});
