/** What `aetherport policy example` prints: a policy in which every key is used. */
export const examplePolicy =
  `# Rules are read from the top; the first that matches decides. What none matches is denied.
# A rule needs an action ("allow", "deny" or "limit"); each key beside it narrows the rule.

# Whoever holds one of these is let in no more, by no rule.
[revoked]
serial = ["3A5F00C1"]
name = ["old-laptop", "guest-*"]
key = "6jyriazonnd5gjogl44clleck7fcw3xqky5xkvqpspqi2h3xn62q"

# A rule with the action "limit" decides nothing: its limits hold for what a rule below allows.
[[rule]]
name = "fair shares"
action = "limit"
limit = { connections = 200, opens-per-second = 50, bytes-per-second = "20 MB" }

[[rule]]
name = "never the printers"
action = "deny"
target = { host = "10.0.9.0/24" }

# One colleague, one database, office hours.
[[rule]]
name = "database in office hours"
action = "allow"
network = "tcp"
peer = { name = "anna-*", label = { team = ["data", "ops"] }, ca = "our-ca" }
target = { host = ["db.internal", "10.0.0.5"], port = [5432, "6000-6010"] }
time = { days = "mon-fri", hours = "08:00-18:00", zone = "Europe/Berlin", until = 2030-12-31 }
limit = { connections = 5, bytes = "10 GB", idle = "15m", duration = "9h" }

# This host itself, and what is near it, is reached only where a rule names it.
[[rule]]
name = "the web server here"
action = "allow"
target = { host = "localhost", port = 80 }
limit = { bytes-per-second = { up = "100 kB", down = "2 MB" } }

# Whoever has pasted a text, without a certificate: each request is judged by itself. In hosts * is
# anything within one label, in paths anything but a slash, and ** anything.
[[rule]]
name = "look, not touch"
action = "allow"
peer = { pasted = true }
target = { host = "localhost", port = 3000 }
time = { from = 2026-11-23, until = 2030-12-31T18:00:00+01:00 }
[rule.http]
methods = ["GET", "HEAD"]
hosts = ["localhost", "*.example.org"]
paths = ["/", "/static/**"]
headers = { accept-language = ["de*", "en*"] }
max-body = 0
set-headers = { X-From = "outside" }
remove-headers = ["cookie", "authorization"]

# TLS, by the name and the protocols that a client asks for; the encryption is left alone.
[[rule]]
name = "the registry"
action = "allow"
target = { host = "registry.example.org", port = 443 }
tls = { sni = "*.example.org", alpn = ["h2", "http/1.1"] }

# Nothing but SSH ("http" and "tls" insist on those), for the owner of one key.
[[rule]]
name = "ssh for one key"
action = "allow"
peer = { key = "q4vecfytmix77uidu3jil55ixnszadpklldwq6vuzzonhpo2txpa" }
target = { host = "10.0.0.0/8", port = 22 }
protocol = "ssh"

# An expression (CEL) over peer.name, peer.key, peer.labels, peer.cas, peer.pasted; target.kind,
# target.text, target.host, target.address, target.port, target.path, target.command; time.date,
# time.day, time.hour, time.minute (of the rule's zone).
[[rule]]
name = "own machines"
action = "allow"
if = 'target.host == peer.name + ".home.arpa" && target.port >= 1024'

# Sockets, offered commands, listening here and measuring the link are allowed by name only.
[[rule]]
name = "ops"
action = "allow"
peer = { label = { team = "ops" } }
target = { unix = "/run/app/*.sock", exec = "backup", listen = "127.0.0.1", bench = true }
`;
