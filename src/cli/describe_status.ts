/** How it stands with a node, as text for a terminal of 80 columns. */
import type {
  CertificateStatus,
  ForwardStatus,
  IngressStatus,
  LinkStatus,
  ListenerStatus,
  NodeStatus,
  ReverseStatus,
} from "../control/control_answer.ts";
import { asCell, formatTable } from "./text_table.ts";

/** A certificate that ends sooner is warned of, in days. */
const warningDays = 30;
/** What of a name stands in a table, in characters. */
const maxNameLength = 28;
const maxCellLength = 28;
/** The same, beside two long cells. */
const maxLastLength = 20;
const units = ["B", "kB", "MB", "GB", "TB"] as const;

/** As some tables; `now` is in ms since 1970. */
export function describeStatus(status: NodeStatus, now: number): string {
  const { program, pid, uptimeMs, links, ingresses, certificates } = status;
  return [
    [`${asCell(program)}, pid ${pid}, up for ${describeDuration(uptimeMs)}`],
    links.length === 0 ? ["no links"] : describeLinks(links, now),
    links.length === 0 ? [] : describeTraffic(links),
    describeForwards(status.forwards),
    describeReverses(status.reverses),
    describeListeners(status.listeners),
    ingresses.flatMap(describeIngress),
    certificates.map(describeCertificate),
  ].filter((lines) => lines.length > 0).map((lines) => lines.join("\n")).join("\n\n");
}

/** The forwards as a table; no line where there are none. */
export function describeForwards(forwards: readonly ForwardStatus[]): string[] {
  const rows = forwards.map((forward) => {
    const { target, route, connections: { open, total } } = forward;
    const cells = [asCell(target, maxCellLength), `${open}`, `${total}`];
    return { addresses: addressesOf(forward), cells, notes: routeNotes(route) };
  });
  return addressTable(["FORWARD", "TARGET", "OPEN", "TOTAL"], rows);
}

/** A row for each link that it is asked on, or one where there is none. */
function describeReverses(reverses: readonly ReverseStatus[]): string[] {
  const rows = reverses.flatMap(({ listen, target, route, asked }) => {
    const nobody = { peer: "-", addresses: [], reason: null };
    const answers = asked.length === 0 ? [nobody] : asked;
    return answers.map(({ peer, addresses, reason }) => ({
      addresses: (addresses.length === 0 ? [listen] : addresses).map((one) => asCell(one)),
      cells: [asCell(target, maxCellLength), asCell(peer, maxLastLength)],
      notes: [...addresses.length === 0 ? [refusalNote(reason)] : [], ...routeNotes(route)],
    }));
  });
  return addressTable(["REVERSE", "TARGET", "PEER"], rows);
}

function describeListeners(listeners: readonly ListenerStatus[]): string[] {
  const rows = listeners.map(({ addresses, peer, rule }) => ({
    addresses: addresses.map((one) => asCell(one)),
    cells: [asCell(peer, maxCellLength), asCell(rule ?? "--allow-listen", maxLastLength)],
    notes: [],
  }));
  return addressTable(["LISTENS ON", "FOR", "RULE"], rows);
}

/** A row of a table that begins with addresses, and the lines behind it. */
interface AddressRow {
  readonly addresses: readonly string[];
  readonly cells: readonly string[];
  readonly notes: readonly string[];
}

/** Addresses are never cut, so that they can be copied: one too long for the table has its own line. */
function addressTable(titles: readonly string[], rows: readonly AddressRow[]): string[] {
  if (rows.length === 0) return [];
  const fits = (address: string) => address.length <= maxCellLength;
  const cells = rows.map((
    { addresses: [first = ""], cells },
  ) => [fits(first) ? first : "", ...cells]);
  const [head = "", ...lines] = formatTable([titles, ...cells], ["OPEN", "TOTAL"]);
  return [
    head,
    ...rows.flatMap(({ addresses: [first = "", ...others], notes }, at) => [
      ...fits(first) ? [] : [first],
      ...[lines[at] ?? "", ...others, ...notes],
    ]),
  ];
}

function routeNotes(route: string | null): string[] {
  return route === null ? [] : [`  by ${asCell(route)}`];
}

function refusalNote(reason: string | null): string {
  return reason === null ? "  not listening yet" : `  not listening: ${asCell(reason)}`;
}

function addressesOf({ addresses, kind }: ForwardStatus): string[] {
  return addresses.map((address) => asCell(kind === "udp" ? `${address}/udp` : address));
}

function describeLinks(links: readonly LinkStatus[], now: number): string[] {
  const titles = ["LINK", "PEER", "STATE", "PATH", "RTT", "UP FOR"];
  const rows = links.map(({ id, peer, state, path, roundTripMs, since }) => [
    `${id}`,
    asCell(peer, maxNameLength),
    state,
    path?.kind ?? "none",
    roundTripMs === null ? "-" : describeRoundTrip(roundTripMs),
    since === null ? "-" : describeDuration(now - Date.parse(since)),
  ]);
  const [head = "", ...lines] = formatTable([titles, ...rows], ["LINK", "RTT"]);
  return [
    head,
    ...lines.flatMap((line, at) => {
      const reason = links[at]?.path?.reason ?? null;
      return reason === null ? [line] : [line, `  relayed: ${asCell(reason)}`];
    }),
  ];
}

function describeTraffic(links: readonly LinkStatus[]): string[] {
  const titles = ["LINK", "SENT", "RECEIVED", "SENDING", "RECEIVING", "SERVED"];
  const rows = links.map((link) => [
    `${link.id}`,
    describeBytes(link.sentBytes),
    describeBytes(link.receivedBytes),
    `${describeBytes(link.sentBytesPerSecond)}/s`,
    `${describeBytes(link.receivedBytesPerSecond)}/s`,
    `${link.served.open} of ${link.served.total}`,
  ]);
  return formatTable([titles, ...rows], titles);
}

function describeIngress({ url, state, reason }: IngressStatus): string[] {
  const why = reason === null ? "" : `: ${asCell(reason)}`;
  const what = state === "waiting" ? "waits at" : `${state} (not waiting${why}) at`;
  return [`${what} ${asCell(url)}`];
}

function describeCertificate({ name, notAfter, daysLeft }: CertificateStatus): string {
  const date = notAfter.slice(0, 10);
  const when = daysLeft < 0
    ? `ended on ${date}`
    : `ends in ${daysLeft} ${daysLeft === 1 ? "day" : "days"}, on ${date}`;
  const warning = daysLeft < warningDays ? "warning: " : "";
  return `${warning}certificate of ${asCell(name)} ${when}`;
}

function describeRoundTrip(milliseconds: number): string {
  if (milliseconds >= 1_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 2 : 1)} ms`;
}

/** With three digits and a unit. */
function describeBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3);
  const unit = Math.min(power, units.length - 1);
  const value = bytes / 1_000 ** unit;
  return `${unit === 0 ? Math.round(value) : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

function describeDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const [minutes, hours, days] = [60, 3_600, 86_400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${(hours ?? 0) % 24} h`;
  if (hours) return `${hours} h ${(minutes ?? 0) % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
