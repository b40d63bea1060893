import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { BadInput } from "../../src/bad_input.ts";
import { examplePolicy } from "../../src/cli/example_policy.ts";
import { policyCommand } from "../../src/cli/policy_command.ts";

/** A folder of policies, in which the command is run. */
class PolicyFolder implements AsyncDisposable {
  readonly #path = Deno.makeTempDirSync();

  file(name: string): string {
    return `${this.#path}/${name}`;
  }

  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(this.file(name), text);
  }

  /** Runs `policy`; what it printed. A word that ends in ".toml" is a file here. */
  async run(...words: readonly string[]): Promise<string> {
    const results: string[] = [];
    const command = policyCommand({
      printResult: (text) => results.push(text),
      now: () => Date.parse("2026-11-23T09:00:00Z"),
    });
    for (const each of [command, ...command.commands]) {
      each.exitOverride().configureOutput({ writeErr: () => {} });
    }
    const args = words.map((word) => word.endsWith(".toml") ? this.file(word) : word);
    try {
      await command.parseAsync(args, { from: "user" });
    } catch (error) {
      if (error instanceof Error) error.cause = results.join("\n");
      throw error;
    }
    return results.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#path, { recursive: true });
  }
}

/** The policies of the README, as printed. */
async function writeReadmePolicies(folder: PolicyFolder): Promise<string[]> {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const found = [...readme.matchAll(/```toml\n# (\S+\.toml)\n([^]*?)```/g)];
  for (const [, name = "", text = ""] of found) await folder.write(name, text);
  return found.map(([, name = ""]) => name);
}

Deno.test("the example is a good policy", async () => {
  await using folder = new PolicyFolder();
  equal(await folder.run("example"), examplePolicy.trimEnd());
  await folder.write("policy.toml", await folder.run("example"));
  match(await folder.run("check", "policy.toml"), /policy\.toml is good: 9 rules$/);
});

Deno.test("what is wrong is bad input: in a file, in a flag, in a case", async () => {
  await using folder = new PolicyFolder();
  await folder.write("bad.toml", '[[rule]]\naction = "alow"\n');
  await folder.write("good.toml", '[[rule]]\naction = "allow"\n');
  await folder.write("cases.toml", '[[case]]\ntarget = "x:80"\n\n[[case]]\nexpect = "deny"\n');
  await folder.write("cases2.toml", '[[case]]\ntarget = "x"\nexpect = "deny"\n');
  const bad: [words: string[], problem: RegExp][] = [
    [["check", "bad.toml"], /bad\.toml, line 2: rule 1, action: expected "allow", "deny" or/],
    [["check", "none.toml"], /cannot read .*none\.toml/],
    [["test", "good.toml"], /needs --target/],
    [["test", "good.toml", "--target", "x"], /--target "x": a port is missing/],
    [["test", "good.toml", "--target", "x:80", "--at", "2026-11-23"], /--at "2026-11-23" is not/],
    [["test", "good.toml", "--target", "x:80", "--label", "team"], /--label "team" is not/],
    [["test", "good.toml", "--target", "x:80", "--address", "y"], /--address "y" is not/],
    [
      ["test", "good.toml", "--expect", "cases.toml"],
      /cases\.toml, line 1: case 1, expect: expected/,
    ],
    [["test", "good.toml", "--expect", "cases2.toml"], /cases2\.toml, line 2: case 1, target: exp/],
    [["test", "good.toml", "--target", "x:80", "--at", "2026-02-31T12:00:00Z"], /--at "2026-02-31/],
    [["test", "good.toml", "--target", "x:80", "--serial", "zz"], /--serial "zz" is not/],
    [["test", "good.toml", "--target", "x:80", "--header", "a: b"], /--header needs --http/],
    [["tset"], /there is no "policy tset"/],
  ];
  for (const [words, problem] of bad) {
    await rejects(folder.run(...words), (error) => {
      match(`${error}`, problem);
      return error instanceof BadInput;
    });
  }
});

Deno.test("what flags refuse is refused in a file of cases, with line and key", async () => {
  await using folder = new PolicyFolder();
  await folder.write("policy.toml", '[revoked]\nserial = "1"\n[[rule]]\naction = "allow"\n');
  const rows: [line: string, problem: RegExp][] = [
    ['address = "banana"', /line 4: case 1, address: expected an address, found "banana"/],
    ['serial = "zz"', /line 4: case 1, serial: expected a number in hexadecimal, found "zz"/],
    ["at = 2026-11-23", /line 4: case 1, at: expected a date and time with its offset/],
    ["at = 09:00:00", /line 4: case 1, at: expected a date and time with its offset/],
    ["at = 2026-11-23T09:00:00", /line 4: .* with its offset, found "2026-11-23T09:00:00.000"/],
    ['http = "get"', /line 4: case 1, http: expected a method and a path, found "get"/],
    ['header = ["a: b", "c"]\nhttp = "GET /"', /case 1, header: expected a field .*found "c"/],
    ['header = "a: b"', /line 4: case 1, header: expected the key http beside it/],
  ];
  const read = () => folder.run("test", "policy.toml", "--expect", "cases.toml");
  for (const [line, problem] of rows) {
    await folder.write("cases.toml", `[[case]]\ntarget = "x:80"\nexpect = "deny"\n${line}\n`);
    await rejects(read(), (error) => {
      match(`${error}`, problem);
      return error instanceof BadInput;
    });
  }
  await folder.write("cases.toml", "case = []\n");
  await rejects(read(), /line 1: case: expected tables that begin with \[\[case\]\]/);
});

Deno.test("a file of cases has requests in the stream, too", async () => {
  await using folder = new PolicyFolder();
  await writeReadmePolicies(folder);
  const start = '[[case]]\ntarget = "localhost:3000"\n';
  await folder.write(
    "cases.toml",
    `${start}http = "GET /"\nheader = ["Accept: */*", "Host: x"]\nexpect = "allow"\n` +
      `${start}http = "GET /"\nheader = "Host: a b"\nexpect = "deny"\n` +
      `${start}http = "POST /"\nexpect = "deny"\nrule = "look, not touch"\n`,
  );
  const at = "3 of 3 cases are as expected";
  equal(await folder.run("test", "share.toml", "--expect", "cases.toml"), at);
});

Deno.test("a verdict is told with its rule, as text and as JSON", async () => {
  await using folder = new PolicyFolder();
  await folder.write("policy.toml", examplePolicy);
  const anna = ["--peer", "anna-laptop", "--label", "team=data", "--ca", "our-ca"];
  const test = (...words: string[]) => folder.run("test", "policy.toml", ...words);
  equal(
    await test(...anna, "--target", "db.internal:5432"),
    'allow: rule "database in office hours", limits of "fair shares", "database in office hours"',
  );
  equal(
    await test(...anna, "--target", "db.internal:5432", "--at", "2026-11-22T12:00:00Z"),
    "deny: no rule allows it",
  );
  equal(
    await test(...anna, "--target", "db.internal:5432", "--address", "10.0.9.1"),
    'deny: rule "never the printers" denies it',
  );
  deepEqual(JSON.parse(await test("--target", "127.0.0.1:80", "--json")), {
    verdict: "allow",
    rule: "the web server here",
    reason: null,
    limits: ["fair shares", "the web server here"],
  });
});

Deno.test("a file of cases passes, or fails with what was expected", async () => {
  await using folder = new PolicyFolder();
  await folder.write("policy.toml", examplePolicy);
  const good = `
    [[case]]
    peer = "anna-laptop"
    label = { team = "data" }
    ca = "our-ca"
    target = "db.internal:5432"
    at = 2026-11-23T09:00:00+01:00
    expect = "allow"
    rule = "database in office hours"
    [[case]]
    target = "exec:backup"
    expect = "deny"`;
  await folder.write("cases.toml", good);
  equal(
    await folder.run("test", "policy.toml", "--expect", "cases.toml"),
    "2 of 2 cases are as expected",
  );
  await folder.write("cases.toml", good.replace('expect = "deny"', 'expect = "allow"'));
  await rejects(folder.run("test", "policy.toml", "--expect", "cases.toml"), (error: Error) => {
    match(error.message, /^1 cases of .*cases\.toml are not as expected$/);
    match(`${error.cause}`, /case 2, exec:backup: expected allow, got deny: no rule allows it/);
    return !(error instanceof BadInput);
  });
});

Deno.test("the README's policies do what it says of them", async () => {
  await using folder = new PolicyFolder();
  const names = await writeReadmePolicies(folder);
  deepEqual(names, ["share.toml", "ci.toml", "office.toml"]);
  const anna = ["--peer", "anna-laptop", "--target", "db.internal:5432", "--address", "10.0.0.5"];
  const runner = ["--peer", "runner-7", "--label", "role=ci"];
  const registry = ["--target", "registry.example.org:443"];
  const table: [file: string, words: string[], verdict: RegExp][] = [
    ["share.toml", ["--target", "127.0.0.1:3000"], /^allow: rule "look, not touch"/],
    ["share.toml", ["--target", "127.0.0.1:3000", "--http", "GET /a?b"], /^allow/],
    ["share.toml", ["--target", "127.0.0.1:3000", "--http", "POST /a"], /^deny: POST is not all/],
    ["share.toml", ["--target", "127.0.0.1:3000", "--http", "CONNECT a"], /^deny: CONNECT/],
    ["share.toml", ["--target", "localhost:3001"], /^deny: no rule/],
    ["share.toml", ["--target", "localhost:3000", "--at", "2026-11-28T00:00:00+01:00"], /no rule/],
    ["ci.toml", [...runner, "--ca", "ci-ca", ...registry, "--address", "203.0.113.9"], /^allow/],
    ["ci.toml", [...runner, "--ca", "ci-ca", ...registry, "--address", "10.1.2.3"], /nothing in h/],
    ["ci.toml", [...runner, "--ca", "our-ca", ...registry, "--address", "203.0.113.9"], /no rule/],
    ["ci.toml", [...runner, "--ca", "ci-ca", "--target", "example.org:443"], /no rule/],
    ["office.toml", [...anna, "--at", "2026-11-23T08:00:00+01:00"], /^allow/],
    ["office.toml", [...anna, "--at", "2026-11-23T18:00:00+01:00"], /^deny: no rule allows it$/],
    ["office.toml", [...anna, "--at", "2026-11-22T12:00:00+01:00"], /^deny/],
    ["office.toml", [...anna, "--peer", "anna-old-laptop"], /revoked/],
    ["office.toml", [...anna, "--peer", "bob"], /^deny/],
  ];
  for (const [file, words, verdict] of table) {
    match(await folder.run("test", file, ...words), verdict, `${file} ${words.join(" ")}`);
  }
});
