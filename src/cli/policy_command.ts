/** `aetherport policy`: checks policies, tries them out and shows one. */
import { Command } from "commander";
import type { Decision, Policy } from "../access/policy/policy.ts";
import { isSerial } from "../access/policy/revocation.ts";
import {
  isTrialRequest,
  parseCases,
  readTrialAddress,
  readTrialField,
  type Trial,
  type TrialCase,
  type TrialField,
  tryOut,
} from "../access/policy/trial.ts";
import { BadInput } from "../bad_input.ts";
import { refusalOfRequest } from "../forward/filters/http/judge_request.ts";
import { hostAddresses } from "../link/host_addresses.ts";
import { SpecError } from "../socket/endpoint.ts";
import { examplePolicy } from "./example_policy.ts";
import { readPolicyFile, readText } from "./node_access.ts";

/** Where the command prints, and its clock; for tests. */
export interface PolicyCommandOptions {
  readonly printResult?: (text: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

type Context = Required<PolicyCommandOptions>;

interface TestFlags extends Omit<Trial, "target"> {
  readonly target?: string;
  readonly at?: number;
  readonly expect?: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  # a policy to begin with
  aetherport policy example > policy.toml
  aetherport policy check policy.toml

  # what a node would be answered, and by which rule
  aetherport policy test policy.toml --peer anna-laptop --label team=data --ca our-ca \\
    --target db.internal:5432 --at 2026-11-23T09:00:00+01:00`;

const testExamples = `
A file of cases has one table for each:

  [[case]]
  peer = "anna-laptop"
  label = { team = "data" }
  ca = "our-ca"
  target = "db.internal:5432"
  at = 2026-11-23T09:00:00+01:00
  expect = "allow"
  rule = "database in office hours"`;

/** The command `policy` with its sub-commands. */
export function policyCommand(options: PolicyCommandOptions = {}): Command {
  const context: Context = {
    printResult: options.printResult ?? console.log,
    now: options.now ?? Date.now,
  };
  const command = new Command("policy")
    .usage("<check|test|example> [flags]")
    .description("Checks and tries out the rules of --policy: who may reach what.")
    .addHelpText("after", examples)
    .addCommand(checkCommand(context))
    .addCommand(testCommand(context))
    .addCommand(
      new Command("example").description("Prints a policy that uses every key.")
        .action(() => context.printResult(examplePolicy.trimEnd())),
    )
    .allowExcessArguments()
    .action((_flags: unknown, command: Command) => {
      const [word] = command.args;
      const found = word === undefined
        ? "no sub-command was given"
        : `there is no "policy ${word}"`;
      throw new BadInput(`${found}: use policy check, test or example`);
    });
  // For the help texts alone, which name a command with its parents.
  new Command("aetherport").addCommand(command);
  return command;
}

function checkCommand({ printResult }: Context): Command {
  return new Command("check")
    .description("Reads a policy; what is wrong in it is told with its line, and ends with 2.")
    .argument("<file>", "the policy")
    .action(async (file: string) => {
      const { rules } = await readPolicyFile(file);
      printResult(`${file} is good: ${rules.length} ${rules.length === 1 ? "rule" : "rules"}`);
    });
}

function testCommand(context: Context): Command {
  return new Command("test")
    .description("Prints what a request would be answered, and the rule that decides.")
    .argument("<file>", "the policy")
    .option("--peer <name>", "the peer's name; without peer, label, ca and key: a pasted link")
    .option("--label <key=value>", "a label of the peer; repeatable", addLabel)
    .option("--ca <name or fingerprint>", "the authority that vouches for the peer")
    .option("--key <key id>", "the peer's key id")
    .option("--serial <number>", "the serial number of the peer's certificate", parseSerial)
    .option(
      "--target <target>",
      "host:port, host:port/udp, unix:/path, exec:name, " +
        "listen:host:port or bench",
    )
    .option(
      "--address <address>",
      "what the target's name resolves to; without it rules go by the name alone",
      parseAddressFlag,
    )
    .option("--http <request>", "a request in the stream, such as 'GET /index.html'", parseRequest)
    .option("--header <field>", "one of its header fields, name: value; repeatable", addField)
    .option("--at <time>", "when, such as 2026-11-27T09:00:00+01:00 (default: now)", parseTime)
    .option("--expect <file>", "try all cases of a file, and end with 1 where one fails")
    .option("--json", "print JSON, one object a line")
    .addHelpText("after", testExamples)
    .action(async (file: string, flags: TestFlags) => {
      const policy = await readPolicyFile(file);
      if (flags.expect !== undefined) return await runCases(policy, flags.expect, flags, context);
      printTrial(policy, flags, context);
    });
}

function printTrial(policy: Policy, flags: TestFlags, { printResult, now }: Context): void {
  const { target } = flags;
  if (target === undefined) {
    throw new BadInput("policy test needs --target host:port, or --expect with a file of cases");
  }
  if (flags.header !== undefined && flags.http === undefined) {
    throw new BadInput("--header needs --http, whose field it is");
  }
  const decision = decide(policy, { ...flags, target }, flags.at ?? now());
  printResult(flags.json ? JSON.stringify(jsonOf(decision)) : describe(decision));
}

async function runCases(
  policy: Policy,
  file: string,
  { json }: TestFlags,
  { printResult, now }: Context,
): Promise<void> {
  const cases = parseCases({ text: await readText(file), file });
  const outcomes = cases.map((each) => {
    const decision = decide(policy, each, each.at ?? now());
    return { each, decision, isGood: isExpected(each, decision) };
  });
  for (const { each, decision, isGood } of outcomes) {
    const { position, target, expect } = each;
    if (json) printResult(JSON.stringify({ case: position, ok: isGood, ...jsonOf(decision) }));
    else if (!isGood) {
      const wanted = each.rule === undefined ? expect : `${expect} (${each.rule})`;
      printResult(`case ${position}, ${target}: expected ${wanted}, got ${describe(decision)}`);
    }
  }
  const failedCount = outcomes.filter(({ isGood }) => !isGood).length;
  if (!json) printResult(`${cases.length - failedCount} of ${cases.length} cases are as expected`);
  if (failedCount > 0) throw new Error(`${failedCount} cases of ${file} are not as expected`);
}

function decide(policy: Policy, trial: Trial, now: number): Decision {
  try {
    return withRequest(tryOut(policy, trial, { now, ownAddresses: hostAddresses() }), trial);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(`--target ${JSON.stringify(trial.target)}: ${error.message}`);
  }
}

/** The verdict on a request within a stream that is allowed. */
function withRequest(
  decision: Decision,
  { http: line, header: fields = [], target }: Trial,
): Decision {
  if (line === undefined || !decision.isAllowed || decision.content === undefined) return decision;
  const { rule = "", content } = decision;
  const reason = content.protocol === "http"
    ? refusalOfRequest(content.http, {
      line,
      fields,
      host: target.replace(/^unix:.*/, "localhost"),
    })
    : `only ${content.protocol.toUpperCase()} passes here`;
  if (reason === undefined) return decision;
  return { ...decision, isAllowed: false, reason: `${reason} (rule ${JSON.stringify(rule)})` };
}

function isExpected({ expect, rule }: TrialCase, decision: Decision): boolean {
  return verdictOf(decision) === expect && (rule === undefined || rule === decision.rule);
}

function verdictOf({ isAllowed }: Decision): "allow" | "deny" {
  return isAllowed ? "allow" : "deny";
}

function jsonOf(decision: Decision): Record<string, unknown> {
  const { rule = null, reason, limiting } = decision;
  const limits = limiting.map(({ name }) => name);
  return { verdict: verdictOf(decision), rule, reason: reason === "" ? null : reason, limits };
}

function describe(decision: Decision): string {
  const { rule, reason, limiting } = decision;
  if (!decision.isAllowed) return `deny: ${reason}`;
  const limits = limiting.map(({ name }) => JSON.stringify(name)).join(", ");
  return `allow: rule ${JSON.stringify(rule)}${limits === "" ? "" : `, limits of ${limits}`}`;
}

function addLabel(text: string, labels: Record<string, string> = {}): Record<string, string> {
  const [key = "", ...value] = text.split("=");
  if (key === "" || value.length === 0) {
    throw new BadInput(`--label ${JSON.stringify(text)} is not key=value`);
  }
  return { ...labels, [key]: value.join("=") };
}

function parseRequest(text: string): string {
  if (isTrialRequest(text)) return text;
  throw new BadInput(`--http ${JSON.stringify(text)} is not a method and a path ('GET /')`);
}

function addField(text: string, fields: readonly TrialField[] = []): readonly TrialField[] {
  const field = readTrialField(text);
  if (field !== undefined) return [...fields, field];
  throw new BadInput(`--header ${JSON.stringify(text)} is not "name: value"`);
}

function parseAddressFlag(text: string): string {
  const address = readTrialAddress(text);
  if (address !== undefined) return address;
  throw new BadInput(`--address ${JSON.stringify(text)} is not an address`);
}

function parseSerial(text: string): string {
  if (isSerial(text)) return text;
  throw new BadInput(`--serial ${JSON.stringify(text)} is not a number in hexadecimal`);
}

function parseTime(text: string): number {
  const [, day = ""] = /^(\d{4}-\d\d-\d\d)[T ].*(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const [time, start] = [Date.parse(text), new Date(Date.parse(day))];
  // The 30th of February would be the 2nd of March.
  const isDay = !Number.isNaN(time) && day !== "" && start.toISOString().startsWith(day);
  if (isDay) return time;
  throw new BadInput(
    `--at ${JSON.stringify(text)} is not a time with its offset (2026-11-27T09:00:00+01:00)`,
  );
}
