/** Which program this is. */
import packageConfig from "../../deno.json" with { type: "json" };

/** What `--version` prints. */
export const programVersion = `aetherport ${packageConfig.version}`;
