/**
 * Name constraints of an authority (RFC 5280 section 4.2.1.10), as far as they can bear on a node:
 * its name is held to the dNSName constraints. A constraint of any other form is refused, since
 * "applications ... MUST either process an instance of that name constraint or reject the
 * certificate".
 */
import {
  type GeneralName,
  generalNameTag,
  type NameConstraints,
} from "./certificate_extensions.ts";

/** Why these DNS names are not allowed by the constraints, or undefined where all are. */
export function nameConstraintDefect(
  constraints: NameConstraints,
  names: readonly string[],
): string | undefined {
  const all = [...constraints.permitted, ...constraints.excluded];
  if (all.some(({ tag }) => tag !== generalNameTag.dnsName)) {
    return "its issuer has name constraints of a form that is not supported";
  }
  const isAllowed = names.every((name) =>
    (constraints.permitted.length === 0 || isWithinAny(name, constraints.permitted)) &&
    !isWithinAny(name, constraints.excluded)
  );
  return isAllowed ? undefined : "its name is outside of its issuer's name constraints";
}

function isWithinAny(name: string, bases: readonly GeneralName[]): boolean {
  return bases.some(({ content }) => isWithin(name, String.fromCharCode(...content)));
}

/**
 * "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side
 * of the name satisfies the name constraint." A leading dot, which some authorities write, asks for
 * one label at least. An empty base is every name.
 */
function isWithin(name: string, base: string): boolean {
  const [lowName, lowBase] = [name.toLowerCase(), base.toLowerCase()];
  if (lowBase === "") return true;
  if (lowBase.startsWith(".")) return lowName.endsWith(lowBase);
  return lowName === lowBase || lowName.endsWith(`.${lowBase}`);
}
