/**
 * `aetherport/no-bare-catch`: an error that is swallowed is swallowed for a reason, and the reason
 * is written down.
 *
 * @module
 */

/** Refuses an empty `catch` block without a comment. */
export const noBareCatch: Deno.lint.Rule = {
  create(context) {
    return {
      CatchClause(node) {
        // With neither statement nor comment, nothing but blanks is between the braces.
        if (!/^\{\s*\}$/.test(context.sourceCode.getText(node.body))) return;
        context.report({
          node,
          message: "This catch swallows every error in silence",
          hint: "Handle the error, or say in a comment in the block why it may be ignored.",
        });
      },
    };
  },
};
