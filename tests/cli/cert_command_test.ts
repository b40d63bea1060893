import assert from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { certCommand } from "../../src/cli/cert_command.ts";
import { loadNodeIdentity } from "../../src/identity/node_identity.ts";
import { verifyCertificateChain } from "../../src/identity/verify.ts";

const root = new URL("../../", import.meta.url);
const day = 86_400_000;

/** What `cert show --json` prints, as far as it is looked at. */
interface Shown {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly keyId: string;
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly daysLeft: number;
  readonly serialNumber: string;
  readonly isCa: boolean;
}

class CertFolder {
  readonly path: string;
  readonly results: string[] = [];
  readonly notes: string[] = [];
  now = Date.now();

  constructor(path: string) {
    this.path = path;
  }

  /** Runs `cert` in the folder: a word that ends in ".pem" is a file there. */
  async run(...words: readonly string[]): Promise<void> {
    const command = certCommand({
      printResult: (text) => this.results.push(text),
      printNote: (line) => this.notes.push(line),
      now: () => this.now,
    });
    for (const each of [command, ...command.commands]) {
      each.exitOverride().configureOutput({ writeErr: () => {} });
    }
    const args = words.map((word) => word.endsWith(".pem") ? this.file(word) : word);
    await command.parseAsync(args, { from: "user" });
  }

  /** `cert generate` with all files in the folder. */
  async generate(name: string, ...flags: readonly string[]): Promise<void> {
    const files = ["--key", `${name}-key.pem`, "--cert", `${name}-cert.pem`];
    await this.run("generate", "--name", name, ...files, ...this.caFlags, ...flags);
  }

  async reSign(name: string, ...flags: readonly string[]): Promise<void> {
    await this.run("re-sign", "--cert", `${name}-cert.pem`, ...this.caFlags, ...flags);
  }

  async show(file: string): Promise<Shown> {
    await this.run("show", "--json", file);
    return JSON.parse(this.results.pop() ?? "");
  }

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  names(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).sort((a, b) => a < b ? -1 : 1);
  }

  get caFlags(): string[] {
    return ["--cakey", "cakey.pem", "--cacert", "cacert.pem"];
  }
}

function certTest(
  name: string,
  test: (folder: CertFolder) => Promise<void>,
  { ignore = false } = {},
): void {
  Deno.test({ name, ignore, fn: () => inCertFolder(test) });
}

async function inCertFolder(test: (folder: CertFolder) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await test(new CertFolder(path));
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

function badInput(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BadInput, String(error));
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"));
    return true;
  };
}

certTest("generate makes a CA and a node that it vouches for", async (folder) => {
  await folder.generate("node1", "--label", "site=berlin ä", "--label", "tier=2");
  const files = ["cacert.pem", "cakey.pem", "node1-cert.pem", "node1-key.pem"];
  assert.deepEqual(folder.names(), files);
  assert.equal(folder.notes.length, 4);
  assert.match(folder.notes.join("\n"), /^wrote \S*cakey\.pem \(0600\)$/m);
  assert.deepEqual(folder.results, []);
  const identity = await loadNodeIdentity({
    keyPath: folder.file("node1-key.pem"),
    certPath: folder.file("node1-cert.pem"),
    caPaths: [folder.file("cacert.pem")],
  });
  const verdict = verifyCertificateChain(identity.chain, identity.trust, Date.now());
  assert.ok(verdict.ok);
  assert.deepEqual([...verdict.peer.labels], [["site", "berlin ä"], ["tier", "2"]]);
});

certTest("keys can be read by their owner only", async (folder) => {
  if (Deno.build.os === "windows") return;
  await folder.generate("node1");
  for (const name of ["cakey.pem", "node1-key.pem"]) {
    assert.equal((Deno.statSync(folder.file(name)).mode ?? 0) & 0o777, 0o600);
  }
});

certTest("a second node gets the same CA", async (folder) => {
  await folder.generate("node1");
  await folder.generate("node2");
  const [ca, one, two] = await Promise.all(
    ["cacert.pem", "node1-cert.pem", "node2-cert.pem"].map((file) =>
      new CertFolder(folder.path).show(file)
    ),
  );
  assert.ok(ca?.isCa);
  assert.deepEqual([one?.issuer, two?.issuer], [ca.name, ca.name]);
  assert.notEqual(one?.keyId, two?.keyId);
  assert.match(one?.serialNumber ?? "", /^[0-9A-F]{24,32}$/);
});

certTest("openssl verifies what was made, strictly", async (folder) => {
  await folder.generate("node1");
  let output: Deno.CommandOutput;
  try {
    const paths = [folder.file("cacert.pem"), folder.file("node1-cert.pem")] as const;
    output = await new Deno.Command("openssl", {
      args: ["verify", "-x509_strict", "-CAfile", ...paths],
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn("SKIPPED: openssl is not installed");
    return;
  }
  assert.match(new TextDecoder().decode(output.stdout), /node1-cert\.pem: OK/);
});

certTest("a certificate begins five minutes ago and lives as long as was asked", async (folder) => {
  folder.now = Math.floor(folder.now / 1000) * 1000;
  await folder.generate("node1");
  await folder.generate("node2", "--duration", "48h");
  const [year, two, ca] = [
    await folder.show("node1-cert.pem"),
    await folder.show("node2-cert.pem"),
    await folder.show("cacert.pem"),
  ];
  assert.equal(Date.parse(year.notBefore), folder.now - 300_000);
  assert.equal(Date.parse(year.notAfter), folder.now + 365 * day);
  assert.equal(Date.parse(two.notAfter), folder.now + 2 * day);
  assert.equal(two.daysLeft, 2);
  assert.equal(Date.parse(ca.notAfter), folder.now + 3650 * day);
});

certTest("a node's certificate never outlives its CA, and that is said", async (folder) => {
  await folder.run("generate-ca", "--name", "our-ca", "--duration", "10d", ...folder.caFlags);
  await folder.generate("node1");
  const [ca, made] = [await folder.show("cacert.pem"), await folder.show("node1-cert.pem")];
  assert.equal(ca.name, "our-ca");
  assert.equal(made.notAfter, ca.notAfter);
  assert.match(folder.notes.join("\n"), /^note: the certificate ends with its CA, on /m);
});

certTest("certificates from 2050 on are written and read", async (folder) => {
  await folder.run("generate-ca", "--duration", "36500d", ...folder.caFlags);
  await folder.generate("node1", "--duration", "20000d");
  assert.ok((await folder.show("node1-cert.pem")).daysLeft >= 19_999);
});

certTest(
  "nothing is overwritten without --force, and with it the CA still is not",
  async (folder) => {
    await folder.generate("node1");
    const before = folder.names().map((name) => Deno.readTextFileSync(folder.file(name)));
    const commands = [
      () => folder.generate("node1"),
      () => folder.run("generate-ca", ...folder.caFlags),
      () => folder.reSign("node1"),
    ];
    for (const command of commands) {
      await assert.rejects(command(), badInput(/is there already: give --force/));
    }
    assert.deepEqual(
      folder.names().map((name) => Deno.readTextFileSync(folder.file(name))),
      before,
    );
    await folder.generate("node1", "--force");
    const after = folder.names().map((name) => Deno.readTextFileSync(folder.file(name)));
    assert.deepEqual(after.map((text, at) => text === before[at]), [true, true, false, false]);
  },
);

certTest("half a CA is refused with the file that is missing", async (folder) => {
  await folder.run("generate-ca", ...folder.caFlags);
  await Deno.rename(folder.file("cakey.pem"), folder.file("moved.pem"));
  await assert.rejects(
    folder.generate("node1"),
    badInput(/certificate ".*" is there, but not its key/),
  );
  await Deno.rename(folder.file("moved.pem"), folder.file("cakey.pem"));
  await Deno.remove(folder.file("cacert.pem"));
  await assert.rejects(folder.generate("node1"), badInput(/key ".*" is there, but not its cert/));
  assert.deepEqual(folder.names(), ["cakey.pem"]);
});

certTest(
  "a CA that cannot issue is refused: ended, another's key, a node, open to others",
  async (folder) => {
    await folder.generate("node1");
    await folder.run("generate-ca", "--cakey", "k2.pem", "--cacert", "c2.pem");
    const swapped = ["--cakey", "k2.pem", "--cacert", "cacert.pem"];
    await assert.rejects(
      folder.generate("node2", ...swapped),
      badInput(/its key is not the one in/),
    );
    const asCa = ["--cakey", "node1-key.pem", "--cacert", "node1-cert.pem"];
    await assert.rejects(folder.generate("node2", ...asCa), badInput(/is no authority/));
    folder.now += 3651 * day;
    await assert.rejects(
      folder.generate("node2"),
      badInput(/cannot issue with the CA .* it ended on/),
    );
    folder.now = Date.now();
    await Deno.chmod(folder.file("cakey.pem"), 0o644);
    await assert.rejects(folder.generate("node2"), badInput(/chmod 600/));
    assert.ok(!folder.names().some((name) => name.startsWith("node2")));
  },
);

certTest("re-sign keeps the key, name, labels and lifetime", async (folder) => {
  await folder.generate("node1", "--label", "site=berlin", "--duration", "60d");
  const old = await folder.show("node1-cert.pem");
  folder.now += 50 * day;
  await folder.reSign("node1", "--force");
  const renewed = await folder.show("node1-cert.pem");
  const { serialNumber, notBefore, notAfter, ...kept } = renewed;
  assert.deepEqual({ ...old, ...kept, fingerprint: "" }, { ...old, fingerprint: "" });
  assert.notEqual(serialNumber, old.serialNumber);
  assert.equal(Date.parse(notAfter) - Date.parse(old.notAfter), 50 * day);
  assert.equal(Date.parse(notBefore) - Date.parse(old.notBefore), 50 * day);
});

certTest("re-sign changes what is given: name, key, labels, lifetime, file", async (folder) => {
  await folder.generate("node1", "--label", "site=berlin", "--label", "tier=2");
  await folder.generate("node2");
  const changes = ["--name", "node3", "--label", "site=oslo", "--label", "tier=", "--label", "x=y"];
  const rest = ["--key", "node2-key.pem", "--duration", "5d", "--out", "node3-cert.pem"];
  await folder.reSign("node1", ...changes, ...rest);
  const [two, three] = [await folder.show("node2-cert.pem"), await folder.show("node3-cert.pem")];
  assert.equal(three.name, "node3");
  assert.equal(three.keyId, two.keyId);
  assert.deepEqual(three.labels, { site: "oslo", x: "y" });
  assert.equal(three.daysLeft, 5);
  assert.equal((await folder.show("node1-cert.pem")).name, "node1");
});

certTest("re-sign moves a node to another CA, and refuses to renew a CA", async (folder) => {
  await folder.generate("node1");
  const other = ["--cakey", "k2.pem", "--cacert", "c2.pem"];
  await folder.run("generate-ca", "--name", "new-ca", ...other);
  await folder.reSign("node1", ...other, "--force");
  assert.equal((await folder.show("node1-cert.pem")).issuer, "new-ca");
  const renewal = folder.run("re-sign", "--cert", "cacert.pem", "--force", ...folder.caFlags);
  await assert.rejects(renewal, badInput(/cannot renew ".*cacert\.pem"/));
});

certTest("a node under an intermediate CA carries it in its certificate file", async (folder) => {
  // An intermediate is no business of this command, so it is made by hand.
  const { authorityParts, basicConstraints, buildCertificate, keyUsage, subjectKeyId, testKey } =
    await import("../identity/certificate_builder.ts");
  const { writePem } = await import("../../src/identity/pem.ts");
  const [rootCa, sub] = [{ name: "root", key: testKey() }, { name: "sub", key: testKey() }];
  const parts = authorityParts({ ...sub, signer: rootCa });
  const year = authorityParts(rootCa).validity;
  const extensions = [basicConstraints({ ca: true }), keyUsage(5), subjectKeyId(sub.key.id)];
  const der = buildCertificate({ ...parts, validity: year, extensions });
  await Deno.writeTextFile(folder.file("cacert.pem"), writePem({ label: "CERTIFICATE", der }));
  const pkcs8 = sub.key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await Deno.writeTextFile(folder.file("cakey.pem"), pkcs8, { mode: 0o600 });
  await folder.generate("node1");
  await folder.run("show", "--json", "node1-cert.pem");
  const names = folder.results.join("\n").split("\n").map((line) =>
    (JSON.parse(line) as Shown).name
  );
  assert.deepEqual(names, ["node1", "sub"]);
});

certTest("show prints a certificate for people", async (folder) => {
  await folder.generate("node1", "--label", "site=berlin");
  await folder.run("show", "node1-cert.pem");
  const [text = ""] = folder.results;
  assert.match(text, /^name: +node1$/m);
  assert.match(text, /^labels: +site=berlin$/m);
  assert.match(text, /^key id: +[a-z2-7]{52}$/m);
  assert.match(text, /^issuer: +aetherport-ca-[a-z2-7]{8}$/m);
  assert.match(text, /^valid to: +\S+Z \(36[45] days left\)$/m);
  assert.match(text, /^SHA-256 fingerprint: ([0-9A-F]{2}:){31}[0-9A-F]{2}$/m);
  assert.match(text, /^is a CA: +no$/m);
});

const wrongWords: Record<string, readonly [words: string[], message: RegExp]> = {
  "no sub-command": [[], /no sub-command was given/],
  "an unknown sub-command": [["generat"], /there is no "cert generat"/],
  "no name": [["generate"], /needs --name/],
  "a name that is a path": [["generate", "--name", "../a"], /cannot use the name "\.\.\/a"/],
  "a lifetime in minutes": [["generate", "--name", "a", "--duration", "30m"], /duration "30m"/],
  "no lifetime": [["generate", "--name", "a", "--duration", "0h"], /duration "0h"/],
  "a lifetime over a century": [["generate-ca", "--duration", "36501d"], /duration "36501d"/],
  "a label without a value": [["generate", "--name", "a", "--label", "x="], /label "x="/],
  "a label without a key": [["generate", "--name", "a", "--label", "=x"], /label "=x"/],
  "a label with a line break": [
    ["generate", "--name", "a", "--label", "x=a\nb"],
    /label "x=a\\nb"/,
  ],
  "a label given twice": [["generate", "--name", "a", "--label", "x=1", "--label", "x=2"], /twice/],
  "17 labels": [
    [
      "generate",
      "--name",
      "a",
      ...Array.from({ length: 17 }, (_, at) => ["--label", `k${at}=v`]).flat(),
    ],
    /17 labels were given: give 16 at most/,
  ],
  "no certificate to renew": [["re-sign"], /needs --cert/],
  "no certificate to show": [["show"], /needs a certificate/],
};

for (const [what, [words, message]] of Object.entries(wrongWords)) {
  certTest(`${what} is refused in one line, and nothing is written`, async (folder) => {
    await assert.rejects(folder.run(...words), badInput(message));
    assert.deepEqual(folder.names(), []);
  });
}

certTest(
  "labels that make a certificate too large are refused, and nothing is written",
  async (folder) => {
    const long = Array.from({ length: 16 }, (_, at) => ["--label", `k${at}=${"ä".repeat(64)}`]);
    await assert.rejects(
      folder.generate("node1", ...long.flat()),
      badInput(/fewer or shorter labels/),
    );
    assert.deepEqual(folder.names(), []);
  },
);

// As processes of their own.

const runSource = await Deno.readTextFile(new URL("src/cli/run.ts", root));
const isRegistered = runSource.includes("cert_command.ts");

async function deno(args: readonly string[], cwd: string): Promise<Deno.CommandOutput> {
  return await new Deno.Command(Deno.execPath(), { args: [...args], cwd, stdin: "null" }).output();
}

certTest("the program makes certificates where it is run, and ends with 0 or 2", async (folder) => {
  const main = new URL("main.ts", root).pathname;
  const cert = (...words: string[]) => deno(["run", "-A", main, "cert", ...words], folder.path);
  const made = await cert("generate", "--name", "node1");
  const text = new TextDecoder();
  assert.equal(made.code, 0, text.decode(made.stderr));
  assert.equal(text.decode(made.stdout), "");
  assert.equal(folder.names().length, 4);
  const shown = await cert("show", "--json", "node1-cert.pem");
  assert.equal((JSON.parse(text.decode(shown.stdout)) as Shown).name, "node1");
  const again = await cert("generate", "--name", "node1");
  assert.equal(again.code, 2);
  assert.match(text.decode(again.stderr), /^\S*:? ?"node1-key\.pem" is there already[^\n]*\n$/);
}, { ignore: !isRegistered });

certTest("the issuing library is loaded only where a certificate is made", async (folder) => {
  await folder.generate("node1");
  const script = `
    import { certCommand } from ${JSON.stringify(new URL("src/cli/cert_command.ts", root).href)};
    await certCommand().parseAsync(["show", "--json", "node1-cert.pem"], { from: "user" });
    console.log("defineMetadata" in Reflect);`;
  const config = new URL("deno.json", root).pathname;
  const { stdout } = await deno(["eval", "--config", config, script], folder.path);
  assert.match(new TextDecoder().decode(stdout), /"name":"node1".*\nfalse\n$/);
});
