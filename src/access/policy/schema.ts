/** What a policy file may hold: its keys and the types of their values. */
import * as v from "valibot";

/** Rules in a policy, at most. */
export const maxRuleCount = 10_000;
const maxListLength = 1_000;

const text = v.pipe(
  v.string("a text"),
  v.minLength(1, "a text that is not empty"),
  v.maxLength(4_096, "a text of 4096 characters at most"),
);
const texts = listOf(text, "a text, or a list of texts");
const count = v.pipe(
  v.number("a whole number from 1 on"),
  v.integer("a whole number from 1 on"),
  v.minValue(1, "a whole number from 1 on"),
);
const size = v.union([v.number(), v.string()], 'a number of bytes, or a text such as "10 MB"');
const duration = v.union([v.number(), v.string()], 'a number of seconds, or a text such as "15m"');
const instant = v.date("a date or a date and time, without quotes");
const flag = v.boolean("true or false");

const peer = v.strictObject({
  name: v.optional(texts),
  label: v.optional(v.record(v.string(), texts, "a table of labels")),
  ca: v.optional(texts),
  key: v.optional(texts),
  pasted: v.optional(flag),
}, tableOf("name, label, ca, key, pasted"));

const port = v.union([v.number(), v.string()], 'a port, or a range such as "8000-8010"');

const target = v.strictObject({
  host: v.optional(texts),
  port: v.optional(listOf(port, 'a port, a range such as "8000-8010", or a list of them')),
  unix: v.optional(texts),
  exec: v.optional(texts),
  listen: v.optional(texts),
  bench: v.optional(flag),
}, tableOf("host, port, unix, exec, listen, bench"));

const time = v.strictObject({
  days: v.optional(texts),
  hours: v.optional(texts),
  zone: v.optional(text),
  from: v.optional(instant),
  until: v.optional(instant),
}, tableOf("days, hours, zone, from, until"));

const rate = v.strictObject({ up: v.optional(size), down: v.optional(size) }, tableOf("up, down"));

const limit = v.strictObject(
  {
    connections: v.optional(count),
    "opens-per-second": v.optional(count),
    "bytes-per-second": v.optional(
      v.union(
        [size, rate],
        'a number of bytes, a text such as "1 MB", or a table of up and down',
      ),
    ),
    bytes: v.optional(size),
    idle: v.optional(duration),
    duration: v.optional(duration),
  },
  tableOf("connections, opens-per-second, bytes-per-second, bytes, idle, duration"),
);

const http = v.strictObject({
  methods: v.optional(texts),
  hosts: v.optional(texts),
  paths: v.optional(texts),
  headers: v.optional(v.record(v.string(), texts, "a table of headers")),
  "max-body": v.optional(size),
  "set-headers": v.optional(v.record(v.string(), v.string("a text"), "a table of headers")),
  "remove-headers": v.optional(texts),
}, tableOf("methods, hosts, paths, headers, max-body, set-headers, remove-headers"));

const tls = v.strictObject(
  { sni: v.optional(texts), alpn: v.optional(texts) },
  tableOf("sni, alpn"),
);

const rule = v.strictObject({
  name: v.optional(text),
  action: v.picklist(["allow", "deny", "limit"], '"allow", "deny" or "limit"'),
  peer: v.optional(peer),
  target: v.optional(target),
  network: v.optional(
    listOf(v.picklist(["tcp", "udp"], '"tcp" or "udp"'), '"tcp", "udp" or a list of them'),
  ),
  time: v.optional(time),
  if: v.optional(text),
  limit: v.optional(limit),
  protocol: v.optional(v.picklist(["http", "tls", "ssh"], '"http", "tls" or "ssh"')),
  http: v.optional(http),
  tls: v.optional(tls),
}, tableOf("name, action, peer, target, network, time, if, limit, protocol, http, tls"));

const revoked = v.strictObject({
  serial: v.optional(texts),
  name: v.optional(texts),
  key: v.optional(texts),
}, tableOf("serial, name, key"));

/** A whole policy. */
export const policySchema = v.strictObject({
  revoked: v.optional(revoked),
  rule: v.optional(
    v.pipe(
      v.array(rule, "tables that begin with [[rule]]"),
      v.maxLength(maxRuleCount, `${maxRuleCount} rules at most`),
    ),
    [],
  ),
}, tableOf("revoked, rule"));

/** A policy as its file has it. */
export type PolicyDocument = v.InferOutput<typeof policySchema>;
/** A rule as its file has it. */
export type RuleDocument = v.InferOutput<typeof rule>;

/** One value stands for a list of one. */
function listOf<Item extends string | number, Output extends string | number>(
  item: v.GenericSchema<Item, Output>,
  what: string,
): v.GenericSchema<Item | Item[], readonly Output[]> {
  const list = v.pipe(
    v.array(item),
    v.minLength(1, "a list that is not empty"),
    v.maxLength(maxListLength, `a list of ${maxListLength} at most`),
  );
  return v.pipe(
    v.union([item, list], what),
    v.transform((value): readonly Output[] => Array.isArray(value) ? value : [value as Output]),
  );
}

/** Names the keys there are, where one is not among them. */
function tableOf(keys: string): (issue: v.StrictObjectIssue) => string {
  return ({ expected, received }) => {
    if (expected === "never") return `one of the keys ${keys}`;
    return received === "undefined" ? `the key ${expected}` : `a table with ${keys}`;
  };
}
