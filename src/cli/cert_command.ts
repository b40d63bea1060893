/**
 * `aetherport cert`: makes, renews and shows certificates. What was asked for goes to stdout; what
 * was done, to stderr.
 */
import { Command } from "commander";
import { BadInput } from "../bad_input.ts";
import {
  type AuthorityInUse,
  type AuthorityPaths,
  certificateFile,
  createAuthority,
  exists,
  hasAuthorityFiles,
  keyFile,
  publicKeyOf,
  readAuthorityFiles,
} from "../identity/authority_files.ts";
import type { Certificate } from "../identity/certificate.ts";
import { describeSummary, summaryOf } from "../identity/certificate_summary.ts";
import { backdating, parseDuration } from "../identity/duration.ts";
import { readCertificateFile, readPrivateKeyFile } from "../identity/identity_files.ts";
import type { Validity } from "../identity/issue.ts";
import {
  isLabelValue,
  isNodeName,
  maxLabelCount,
  maxLabelValueLength,
  nodeNameRule,
  type NodeNames,
} from "../identity/node_names.ts";
import { nodeNamesOf } from "../identity/verify.ts";
import { type NewFile, writeFiles } from "../identity/write_files.ts";
import { requireSubCommand } from "./unknown_command.ts";

const dayLength = 24 * 60 * 60_000;
const nodeLifetime = 365 * dayLength;
const authorityLifetime = 3650 * dayLength;

/** Where the command prints, and its clock; for tests. */
export interface CertCommandOptions {
  readonly printResult?: (text: string) => void;
  readonly printNote?: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

type Context = Required<CertCommandOptions>;

/** The flags of all sub-commands; each has some of them. */
interface Flags {
  readonly name?: string;
  readonly key?: string;
  readonly cert?: string;
  readonly cakey: string;
  readonly cacert: string;
  readonly out?: string;
  readonly label?: ReadonlyMap<string, string>;
  readonly duration?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  # a key and a certificate for each of two nodes; the first call makes the CA too
  aetherport cert generate --name node1 --label site=berlin
  aetherport cert generate --name node2

  # what a certificate says, with its key id
  aetherport cert show node1-cert.pem

  # for another year
  aetherport cert re-sign --cert node1-cert.pem --force`;

/** The command `cert` with its sub-commands. */
export function certCommand(options: CertCommandOptions = {}): Command {
  const context: Context = {
    printResult: options.printResult ?? console.log,
    printNote: options.printNote ?? console.error,
    now: options.now ?? Date.now,
  };
  const command = new Command("cert")
    .usage("<generate|generate-ca|re-sign|show> [flags]")
    .description("Makes, renews and shows the certificates that nodes know each other by.")
    .addHelpText("after", examples)
    .addCommand(generateCommand(context))
    .addCommand(generateCaCommand(context))
    .addCommand(reSignCommand(context))
    .addCommand(showCommand(context));
  requireSubCommand(command);
  // For the help texts alone, which name a command with its parents.
  new Command("aetherport").addCommand(command);
  return command;
}

function generateCommand(context: Context): Command {
  return new Command("generate")
    .description("Makes a node's key and certificate, and the CA where there is none.")
    .option("--name <name>", `the node's name, required: ${nodeNameRule}`)
    .option("--key <file>", "the key to write (default: <name>-key.pem)")
    .option("--cert <file>", "the certificate to write (default: <name>-cert.pem)")
    .option("--cakey <file>", "the CA's key; made where absent", "cakey.pem")
    .option("--cacert <file>", "the CA's certificate; made where absent", "cacert.pem")
    .option("--label <key=value>", "a label to put into the certificate; repeatable", addLabel)
    .option(
      "--duration <time>",
      'how long it is valid, "8760h" or "365d" (default: 365d)',
      parseDuration,
    )
    .option("--force", "replace the node's key and certificate where they are there already")
    .addHelpText(
      "after",
      "\nExample:\n  aetherport cert generate --name node1 --label site=berlin --duration 90d",
    )
    .action((flags: Flags) => generate(flags, context));
}

function generateCaCommand(context: Context): Command {
  return new Command("generate-ca")
    .description("Makes a CA: a key, and a certificate that both nodes are to trust.")
    .option("--name <name>", `the CA's name: ${nodeNameRule} (default: one from its key)`)
    .option("--cakey <file>", "the key to write", "cakey.pem")
    .option("--cacert <file>", "the certificate to write", "cacert.pem")
    .option("--label <key=value>", "a label to put into the certificate; repeatable", addLabel)
    .option("--duration <time>", "how long it is valid (default: 3650d)", parseDuration)
    .option("--force", "replace the files; what the old CA issued is then no longer trusted")
    .addHelpText(
      "after",
      "\nExample:\n  aetherport cert generate-ca --name our-ca --duration 1825d",
    )
    .action((flags: Flags) => generateCa(flags, context));
}

function reSignCommand(context: Context): Command {
  return new Command("re-sign")
    .description("Renews a node's certificate; what is not given stays as it is in the old one.")
    .option("--name <name>", "another name; without --cert, also says which file")
    .option("--key <file>", "the node's key, where it is another than the certificate's")
    .option("--cert <file>", "the certificate to renew (default: <name>-cert.pem)")
    .option("--out <file>", "where to write the new one (default: over the old one)")
    .option("--cakey <file>", "the CA's key", "cakey.pem")
    .option("--cacert <file>", "the CA's certificate", "cacert.pem")
    .option(
      "--label <key=value>",
      "a label to add or change; key= removes it; repeatable",
      setLabel,
    )
    .option(
      "--duration <time>",
      "how long it is valid (default: as long as the old one)",
      parseDuration,
    )
    .option("--force", "replace the file where it is there already, as the old one is")
    .addHelpText(
      "after",
      "\nExample:\n  aetherport cert re-sign --cert node1-cert.pem --duration 365d --force",
    )
    .action((flags: Flags) => reSign(flags, context));
}

function showCommand(context: Context): Command {
  return new Command("show")
    .description("Prints what a certificate says; of a chain, one after another.")
    .argument("[file]", "the certificate")
    .option("--cert <file>", "the same as the argument")
    .option("--json", "print a JSON object, one a line")
    .addHelpText("after", "\nExample:\n  aetherport cert show --json node1-cert.pem")
    .action((file: string | undefined, flags: Flags) => show(file ?? flags.cert, flags, context));
}

async function generate(flags: Flags, context: Context): Promise<void> {
  const names = { name: requiredName(flags.name), labels: checkedLabels(flags.label) };
  const keyPath = flags.key ?? `${names.name}-key.pem`;
  const certPath = flags.cert ?? `${names.name}-cert.pem`;
  const overwrite = flags.force === true;
  if (!overwrite) await refuseExisting([keyPath, certPath]);
  const { authority, chain, files } = await findAuthority(flags, context);
  const { createPrivateKey, issueNodeCertificate } = await import("../identity/issue.ts");
  const key = createPrivateKey();
  const certificate = await issueNodeCertificate({
    ...{ authority, names },
    spki: publicKeyOf(key),
    validity: nodeValidity({ authority, context, duration: flags.duration ?? nodeLifetime }),
  });
  await write([
    ...files,
    keyFile({ path: keyPath, key, overwrite }),
    certificateFile({ path: certPath, chain: [certificate, ...chain], overwrite }),
  ], context);
}

async function generateCa(flags: Flags, context: Context): Promise<void> {
  const overwrite = flags.force === true;
  if (!overwrite) await refuseExisting([flags.cakey, flags.cacert]);
  const now = context.now();
  const { files } = await createAuthority({
    ...{ now, overwrite, paths: authorityPaths(flags) },
    name: flags.name === undefined ? undefined : requiredName(flags.name),
    labels: checkedLabels(flags.label),
    notAfter: now + (flags.duration ?? authorityLifetime),
  });
  await write(files, context);
}

async function reSign(flags: Flags, context: Context): Promise<void> {
  const certPath = flags.cert ?? (flags.name && `${requiredName(flags.name)}-cert.pem`);
  if (!certPath) throw new BadInput("cert re-sign needs --cert <file>: the certificate to renew");
  const outPath = flags.out ?? certPath;
  const overwrite = flags.force === true;
  if (!overwrite) await refuseExisting([outPath]);
  const [old] = await readCertificateFile(certPath);
  const names = renewedNames({ old, flags, certPath });
  const spki = flags.key === undefined ? old.spki : (await readPrivateKeyFile(flags.key)).spki;
  const { authority, chain } = await readAuthorityFiles(authorityPaths(flags), context.now());
  const duration = flags.duration ?? old.notAfter - old.notBefore - backdating;
  const { issueNodeCertificate } = await import("../identity/issue.ts");
  const certificate = await issueNodeCertificate({
    ...{ authority, names, spki },
    validity: nodeValidity({ authority, context, duration }),
  });
  const renewed = certificateFile({ path: outPath, chain: [certificate, ...chain], overwrite });
  await write([renewed], context);
}

async function show(path: string | undefined, flags: Flags, context: Context): Promise<void> {
  if (path === undefined) throw new BadInput("cert show needs a certificate: give its file");
  const summaries = (await readCertificateFile(path)).map((each) => summaryOf(each, context.now()));
  const lines = summaries.map((each) => JSON.stringify(each)).join("\n");
  context.printResult(flags.json ? lines : summaries.map(describeSummary).join("\n\n"));
}

/** The CA of the files; a new one where neither of the two is there. */
async function findAuthority(flags: Flags, context: Context): Promise<AuthorityInUse> {
  const paths = authorityPaths(flags);
  const now = context.now();
  if (await hasAuthorityFiles(paths)) return await readAuthorityFiles(paths, now);
  return await createAuthority({
    ...{ paths, now, name: undefined, labels: new Map<string, string>(), overwrite: false },
    notAfter: now + authorityLifetime,
  });
}

function authorityPaths({ cakey, cacert }: Flags): AuthorityPaths {
  return { keyPath: cakey, certPath: cacert };
}

/** A node's certificate ends with its CA's at the latest; where that cuts it short, it is said. */
function nodeValidity(
  { authority, duration, context }: {
    authority: AuthorityInUse["authority"];
    duration: number;
    context: Context;
  },
): Validity {
  const now = context.now();
  const end = authority.certificate.notAfter;
  if (now + duration > end) {
    context.printNote(
      `note: the certificate ends with its CA, on ${new Date(end).toISOString()}, ` +
        `before the time asked for`,
    );
  }
  return { now, notAfter: Math.min(now + duration, end) };
}

/** What the old certificate says, where the flags do not say otherwise. */
function renewedNames(
  { old, certPath, flags }: { old: Certificate; certPath: string; flags: Flags },
): NodeNames {
  const names = nodeNamesOf(old);
  if (!names.ok) throw new BadInput(`cannot renew "${certPath}": ${names.reason}`);
  const labels = new Map([...names.value.labels, ...flags.label ?? []]);
  for (const [key, value] of labels) if (value === "") labels.delete(key);
  return {
    name: flags.name === undefined ? names.value.name : requiredName(flags.name),
    labels: checkedLabels(labels),
  };
}

async function write(files: readonly NewFile[], context: Context): Promise<void> {
  await writeFiles(files);
  for (const { path, mode } of files) {
    context.printNote(`wrote ${path} (${mode.toString(8).padStart(4, "0")})`);
  }
}

/** Told before anything is made; that nothing is overwritten is seen to where files are written. */
async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (await exists(path)) {
      throw new BadInput(`"${path}" is there already: give --force to replace it`);
    }
  }
}

function requiredName(name: string | undefined): string {
  if (name === undefined) throw new BadInput("cert generate needs --name <name>: the node's name");
  if (!isNodeName(name)) {
    throw new BadInput(`cannot use the name ${JSON.stringify(name)}: give ${nodeNameRule}`);
  }
  return name;
}

function checkedLabels(
  labels: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  if (labels.size > maxLabelCount) {
    throw new BadInput(`${labels.size} labels were given: give ${maxLabelCount} at most`);
  }
  return labels;
}

/** For --label: adds "key=value" to those given before. */
function addLabel(text: string, before?: ReadonlyMap<string, string>): Map<string, string> {
  const labels = setLabel(text, before);
  if ([...labels.values()].includes("")) throw malformedLabel(text);
  return labels;
}

/** As {@link addLabel}, where "key=" is for removing a label. */
function setLabel(text: string, before?: ReadonlyMap<string, string>): Map<string, string> {
  const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!isNodeName(key) || (value !== "" && !isLabelValue(value))) throw malformedLabel(text);
  if (before?.has(key)) throw new BadInput(`the label "${key}" is given twice: give it once`);
  return new Map([...before ?? [], [key, value]]);
}

function malformedLabel(text: string): BadInput {
  return new BadInput(
    `cannot read the label ${JSON.stringify(text)}: give key=value, the key ${nodeNameRule}, the ` +
      `value 1 to ${maxLabelValueLength} bytes without control characters`,
  );
}
