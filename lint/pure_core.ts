/**
 * `aetherport/pure-core`: a protocol core is sans-IO. Time and randomness are arguments, bytes and
 * events are results; nothing waits, logs or touches the system, so that a core runs the same under
 * a virtual clock and a simulated network.
 *
 * @module
 */
import { importVisitor } from "./imports.ts";
import type { ImportSite } from "./imports.ts";
import { projectPath } from "./project_path.ts";
import { destructuredNames, dottedName, isReference } from "./references.ts";

const PURE = /^src\/(?:tunnel|ice|dtls|sctp|datachannel)\//;

const WAITING = "Return to the driver instead: it calls again when there is input or time.";
const CLOCK = "Take the time as an argument (now).";
const TIMER = "Tell the driver when to call again: nextTimeout().";
const RANDOMNESS = "Take the randomness as an argument.";
const LOGGING = "Emit an event or count it; the driver logs.";
const SYSTEM = "Have a layer above do it and hand in the result.";

/** Globals that a core does without, by the name they are reached by, and what to do instead. */
const IMPURE: ReadonlyMap<string, string> = new Map(Object.entries({
  "Date.now": CLOCK,
  "performance": CLOCK,
  "setTimeout": TIMER,
  "setInterval": TIMER,
  "setImmediate": TIMER,
  "queueMicrotask": WAITING,
  "Math.random": RANDOMNESS,
  "crypto.getRandomValues": RANDOMNESS,
  "crypto.randomUUID": RANDOMNESS,
  "console": LOGGING,
  "Deno": SYSTEM,
}));

const IMPURE_MODULES: ReadonlyMap<string, string> = new Map(Object.entries({
  "@logtape/logtape": LOGGING,
  "node:console": LOGGING,
  "node:timers": TIMER,
  "node:timers/promises": TIMER,
  "node:perf_hooks": CLOCK,
}));

const CRYPTO_MODULE = /^(?:node:)?crypto$/;

/** What of `node:crypto` draws random numbers. */
const RANDOM_FUNCTIONS = [
  "getRandomValues",
  "randomBytes",
  "randomFill",
  "randomFillSync",
  "randomInt",
  "randomUUID",
];

/** Refuses waiting, clocks, timers, randomness, logging and the system in the protocol cores. */
export const pureCore: Deno.lint.Rule = {
  create(context) {
    const path = projectPath(context.filename);
    if (!PURE.test(path)) return {};
    const report: Report = (node, what, hint) =>
      context.report({ node, message: `${path} is a sans-IO core: no ${what} in it`, hint });
    return { ...waitingVisitor(report), ...globalVisitor(report), ...moduleVisitor(report) };
  },
};

type Report = (node: Deno.lint.Node, what: string, hint: string) => void;

function waitingVisitor(report: Report): Deno.lint.LintVisitor {
  const refuseAsync = (
    node:
      | Deno.lint.FunctionDeclaration
      | Deno.lint.FunctionExpression
      | Deno.lint.ArrowFunctionExpression,
  ) => {
    if (node.async) report(node, "async function", WAITING);
  };
  return {
    AwaitExpression: (node) => report(node, "await", WAITING),
    ForOfStatement: (node) => {
      if (node.await) report(node, "for await", WAITING);
    },
    FunctionDeclaration: refuseAsync,
    FunctionExpression: refuseAsync,
    ArrowFunctionExpression: refuseAsync,
  };
}

function globalVisitor(report: Report): Deno.lint.LintVisitor {
  const refuse = (node: Deno.lint.Node, name: string | undefined) => {
    const hint = name === undefined ? undefined : IMPURE.get(name);
    if (name !== undefined && hint !== undefined) report(node, name, hint);
  };
  return {
    MemberExpression: (node) => refuse(node, dottedName(node)),
    Identifier: (node) => {
      if (isReference(node)) refuse(node, node.name);
    },
    VariableDeclarator: (node) => {
      const object = node.init === null ? undefined : dottedName(node.init);
      for (const name of destructuredNames(node)) {
        refuse(node, object === "globalThis" ? name : `${object}.${name}`);
      }
    },
    "NewExpression[callee.name='Date']": (node: Deno.lint.NewExpression) =>
      report(node, "new Date", CLOCK),
    "CallExpression[callee.name='Date']": (node: Deno.lint.CallExpression) =>
      report(node, "Date()", CLOCK),
  };
}

function moduleVisitor(report: Report): Deno.lint.LintVisitor {
  return importVisitor((site) => {
    const hint = IMPURE_MODULES.get(site.specifier);
    if (hint !== undefined) report(site.node, site.specifier, hint);
    if (CRYPTO_MODULE.test(site.specifier)) judgeCrypto(site, report);
  });
}

function judgeCrypto({ node }: ImportSite, report: Report): void {
  if (node.type !== "ImportDeclaration") return;
  for (const one of node.specifiers) {
    if (one.type !== "ImportSpecifier") {
      report(node, "node:crypto as a whole", "Import by name what is used of it.");
    } else if (one.imported.type === "Identifier" && isRandom(one.imported.name)) {
      report(node, `node:crypto ${one.imported.name}`, RANDOMNESS);
    }
  }
}

function isRandom(name: string): boolean {
  return RANDOM_FUNCTIONS.includes(name);
}
