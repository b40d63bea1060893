/** The config file that `aetherport config example` prints. */
import type { Option } from "commander";
import { configKeysOf } from "./config_settings.ts";

const ingressId = "a".repeat(52);

const example =
  `# A config file of aetherport, in TOML. Keys are the flags' names: a flag that may be repeated
# takes a list, a switch true or false. Flags and AETHERPORT_ variables win over it. It is read from
# ~/.config/aetherport/config.toml or /etc/aetherport/config.toml, or where --config says.
# A running node takes a changed file up by itself, and at SIGHUP; connections go on.

# Who this node is, and whose nodes it trusts. Paths begin at this file's folder.
key = "home-key.pem"
cert = "home-cert.pem"
cacert = ["cacert.pem"]

# Nodes that are trusted for their key ("aetherport cert show" prints it).
# allow-peer = ["${ingressId}"]

# What other nodes may reach from here; nothing else is reachable.
allow = ["127.0.0.1:80", "bench"]

# Where this node waits for others.
aetherlight-base-url = ["https://light.example.org"]

# Further settings, with what they are by default or an example.
# ice-server = ["stun:stun.example.org", "turn:user@turn.example.org?secret-file=/run/secrets/turn"]
# relay-only = false
# hold = 60
# signal-type = "aetherlight"
# exit-on-failure = false
# verbose = false
# quiet = false
# log-format = "text"

# A node that is called, and what goes there: one [[peer]] for each, below all that is not a peer's.
# A forward above the first, forward = ["…"], goes to the only one there is.
[[peer]]
url = "https://light.example.org/ingresses/${ingressId}"
forward = ["8080:10.0.0.5:80", "127.0.0.1:5432:db.internal:5432"]
`;

/** The example, with what it leaves out of the flags' keys. */
export function configExample(flags: readonly Option[]): string {
  const lines = configKeysOf(flags)
    .filter(({ name }) => name !== "aetherlight-ingress-url" && !isShown(name))
    .map(({ name, isPerPeer }) => {
      const option = flags.find((each) => each.name() === name);
      return `# ${name}${isPerPeer ? " (a peer's, too)" : ""}: ${option?.description ?? ""}\n`;
    });
  return example + lines.join("");
}

function isShown(name: string): boolean {
  return new RegExp(`^(# )?${name} = `, "m").test(example);
}
