/** What `aetherport config example` prints: a config file in which every key is shown. */
const ingressId = "a".repeat(52);

/** What is not for everybody is commented, and works without its comment. */
export const configExample =
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

# Commands that they may run, as exec:name, and where they may have this node listen.
# allow-exec = ["backup=tar -cf - /srv/data"]
# allow-listen = ["127.0.0.1:8081"]

# Rules of who may reach what, before those above ("aetherport policy example" prints some), and a
# line of JSON for each open, refusal and close.
# policy = "policy.toml"
# audit-log = "audit.jsonl"

# Targets that are told the client's address by a PROXY header.
# proxy-protocol = ["v2=127.0.0.1:80"]

# Where this node waits for others.
aetherlight-base-url = ["https://light.example.org"]

# What goes to the only peer there is; where there are several, it stands in their [[peer]].
# forward = ["8082:127.0.0.1:80", "5353:10.0.0.53:53/udp"]
# reverse = ["8083:127.0.0.1:80"]
# socks = [1080]

# The user:password lines that socks asks for, in a file that its owner alone can read.
# socks-auth-file = "socks.auth"

# Further settings, with what they are by default or an example.
# ice-server = ["stun:stun.example.org", "turn:user@turn.example.org?secret-file=/run/secrets/turn"]
# relay-only = false
# hold = 60
# udp-idle = 60
# signal-type = "aetherlight"
# exit-on-failure = false
# control-socket = "/run/user/1000/home.sock"
# verbose = false
# quiet = false
# log-format = "text"

# What stdin and stdout are joined to, by a node that does not wait for others.
# stdio = "127.0.0.1:22"

# A node that is called, and what goes there: one [[peer]] for each, below all that is not a peer's.
[[peer]]
url = "https://light.example.org/ingresses/${ingressId}"
forward = ["8080:10.0.0.5:80", "127.0.0.1:5432:db.internal:5432"]
`;
