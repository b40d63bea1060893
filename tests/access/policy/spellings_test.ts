import { equal, ok } from "node:assert/strict";
import { SpecError } from "../../../src/socket/endpoint.ts";
import { type Trial, tryOut } from "../../../src/access/policy/trial.ts";
import { policyOf } from "../../fakes/policies.ts";

/** Spellings of hosts that are, or some systems take to be, this host or near it. */
const spellings = [
  // loopback
  ...["127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001"],
  ...[
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "127.0.0.01",
    "0x7f.1",
    "0",
    "0.0.0.0",
    "0.0.0.1",
  ],
  ...["localhost", "LOCALHOST", "localhost.", "LocalHost."],
  ...["[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[0::0]", "[::0001]", "[::0.0.0.1]", "[::1%25lo]"],
  ...[
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[::ffff:0:127.0.0.1]",
  ],
  ...["[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]"],
  ...["[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[::ffff:0.0.0.0]"],
  // link-local and metadata
  ...["169.254.169.254", "169.254.1", "169.16689662", "0xa9.254.169.254", "0251.0376.0251.0376"],
  ...["0xa9fea9fe", "2852039166", "169.254.169.254.", "169.254.0.1", "[::ffff:169.254.169.254]"],
  ...["[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[::169.254.169.254]"],
  ...["[fe80::1]", "[FE80::1]", "[fe80:0:0:0::1]", "[febf::1]", "[fe80::1%25eth0]"],
  ...["[fd00:ec2::254]", "[FD00:0EC2::0254]", "100.100.100.200", "[fd00:ec2::23]", "169.254.170.2"],
  ...["169.254.170.23", "[fd20:ce::254]", "[fd00:100::100:200]", "168.63.129.16", "192.0.0.192"],
  ...["[fd00:c1::a9fe:a9fe]", "[fd00:42::42]", "[fd00:a9fe:a9fe::1]", "[64:ff9b::168.63.129.16]"],
  // groups
  ...["224.0.0.1", "239.255.255.250", "255.255.255.255", "[ff02::1]", "[64:ff9b::e000:1]"],
];

const wide = `
  [[rule]]
  action = "allow"
  target.host = ["*", "*.*", "0.0.0.0/0", "::/0", "*.org"]
`;
const now = { now: 0, ownAddresses: ["192.0.2.10", "2001:db8::10"] };

async function decide(text: string, trial: Trial) {
  const policy = await policyOf(text);
  try {
    return tryOut(policy, trial, now).isAllowed ? "allow" : "deny";
  } catch (error) {
    if (error instanceof SpecError) return "malformed";
    throw error;
  }
}

Deno.test("no spelling of this host, or of what is near it, is reached by a wide rule", async () => {
  ok(spellings.length >= 60, `${spellings.length}`);
  for (const host of spellings) {
    const found = await decide(wide, { target: `${host}:80` });
    ok(found !== "allow", `${host}: ${found}`);
  }
});

Deno.test("a wide rule does reach what is elsewhere", async () => {
  for (const host of ["203.0.113.7", "[2001:db8::1]", "[64:ff9b::203.0.113.7]", "[fd00:ec2::1]"]) {
    equal(await decide(wide, { target: `${host}:80` }), "allow", host);
  }
});

Deno.test("a name that leads to this host, or near it, is not reached by a wide rule", async () => {
  const addresses = [
    "127.0.0.1",
    "::1",
    "169.254.169.254",
    "fe80::1",
    "192.0.2.10",
    "2001:db8::10",
  ];
  const translated = ["64:ff9b::c000:20a", "2002:c000:20a::1", "::ffff:127.0.0.1"];
  for (const address of [...addresses, ...translated]) {
    equal(await decide(wide, { target: "rebound.example.org:80", address }), "deny", address);
  }
});

Deno.test("what names such an address reaches it, in any spelling", async () => {
  const pairs: [rule: string, host: string][] = [
    ["localhost", "127.0.0.1"],
    ["127.0.0.1", "[::ffff:127.0.0.1]"],
    ["::1", "localhost."],
    ["fe80::/10", "[FE80::1]"],
    ["fd00:ec2::254", "[FD00:0EC2::0254]"],
    ["168.63.129.16", "168.63.129.16"],
    ["192.0.2.10", "[::ffff:192.0.2.10]"],
    ["224.0.0.0/4", "239.255.255.250"],
  ];
  for (const [rule, host] of pairs) {
    const text = `[[rule]]\naction = "allow"\ntarget.host = "${rule}"`;
    equal(await decide(text, { target: `${host}:80` }), "allow", `${rule} ${host}`);
  }
});
