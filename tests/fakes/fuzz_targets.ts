/** The parsers of what comes from users and other nodes, with valid samples of it. */
import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { parseAllowListenRule, parseAllowRule } from "../../src/access/allow_list.ts";
import { BadInput } from "../../src/bad_input.ts";
import { parseControlAnswer } from "../../src/control/control_answer.ts";
import { parseControlRequest } from "../../src/control/control_request.ts";
import { parseForwardName } from "../../src/control/forward_name.ts";
import { configExample } from "../../src/cli/config_example.ts";
import { parseConfig } from "../../src/cli/config_settings.ts";
import { proxyFlags } from "../../src/cli/proxy_command.ts";
import { ConfigError } from "../../src/config/config_error.ts";
import { parseClient, parseFlowLabel } from "../../src/forward/client_address.ts";
import { parseForwardSpecs } from "../../src/forward/forward_spec.ts";
import { parseProxyRule } from "../../src/forward/proxy_protocol.ts";
import {
  parseListenAnswer,
  parseListenLabel,
  parseListenRequest,
  parseReversedLabel,
  writeListening,
  writeListenRequest,
  writeReversedLabel,
} from "../../src/forward/reverse_protocol.ts";
import { parseReverseSpecs } from "../../src/forward/reverse_spec.ts";
import { formatEndpoint, SpecError } from "../../src/socket/endpoint.ts";
import { parseIceServer } from "../../src/link/ice_server.ts";
import {
  DescriptionError,
  parseSessionDescription,
  writeSessionDescription,
} from "../../src/link/session_description.ts";
import { PastedTextReader, writePastedText } from "../../src/signaling/pasted_text.ts";
import { parseControlMessage, writeControlMessage } from "../../src/tunnel/control_message.ts";
import { mutate, SeededRandom } from "./mutator.ts";
import { descriptionWithCandidates, sampleDescription } from "./sample_description.ts";
import { sampleStatus } from "./sample_status.ts";
import { socksFuzzTargets } from "./socks_fuzz_targets.ts";

/** One parser. */
export interface FuzzTarget {
  readonly name: string;
  readonly samples: readonly string[];
  /** Reads a text, and throws where what it returns breaks a promise. */
  read(text: string): void;
  /** What the parser may throw. */
  readonly mayThrow?: new (...args: never[]) => Error;
}

const answer = { ...sampleDescription, type: "answer", setup: "active", answers: "17" } as const;
const descriptions = [sampleDescription, answer, descriptionWithCandidates(5)];

/** Lines that a control socket is told. */
export const controlRequests: readonly string[] = [
  '{"version":1,"request":"status"}',
  '{"version":1,"request":"add-forward","spec":"8080:10.0.0.5:80"}',
  '{"version":1,"request":"add-forward","spec":"1:a:2","to":"https://light.example.org/ingresses/x"}',
  '{"version":1,"request":"remove-forward","forward":"127.0.0.1:8080"}',
];
/** Lines that it answers with. */
const controlAnswers: readonly string[] = [
  JSON.stringify({ version: 1, ok: true, status: sampleStatus() }),
  JSON.stringify({ version: 1, ok: true, forwards: sampleStatus().forwards }),
];

const keyId = "a".repeat(52);
const configSamples = [
  `allow = ["127.0.0.1:80",\n  "bench", # two\n]\nhold = 90\nverbose = true\nlog-format = "json"\n`,
  `ice-server = ['turn:me:secret@192.0.2.1', "stun:192.0.2.1"]\nrelay-only=false\n` +
  `key = """a-key.pem"""\ncert = '''\\d'''\nallow-peer = [ "${keyId}" ]\n` +
  `[[peer]]\n"url" = "https://a.example/ingresses/${keyId}"\nforward = ["8080:a:80"]\n` +
  `[[ peer ]]\nurl = "https://b.example/ingresses/${keyId}"\nforward = []\n`,
  `peer = [{ url = "http://a/ingresses/${keyId}", forward = ["1-3:a:4-6", "/x:/y"] }]\n`,
  `a.b.c = 1\n[peer.x]\ny = 1979-05-27T07:32:00Z\nz = [[1, 2], {a = {b = "\\u00e9"}}]\n`,
];

/** All of them. */
export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: "forward specs",
    samples: ["8080:10.0.0.5:80", "[::1]:0:[2001:db8::5]:80", "127.0.0.1:1:nas.local:65535"],
    read: (text) => void parseForwardSpecs(text),
    mayThrow: BadInput,
  },
  {
    name: "allow specs",
    samples: ["10.0.0.5:80", "[::ffff:10.0.0.5]:*", "*:443", "*:*", "nas.local:80"],
    read: (text) => void parseAllowRule(text),
    mayThrow: BadInput,
  },
  {
    name: "reverse specs",
    samples: ["8080:10.0.0.5:80", "[::]:0:[2001:db8::5]:80", "80-90:nas:80-90", "0:/run/a.sock"],
    read: (text) => void parseReverseSpecs(text),
    mayThrow: BadInput,
  },
  {
    name: "allow-listen specs",
    samples: ["8080", "0", "*:*", "[::]:80", "0.0.0.0:*"],
    read: (text) => void parseAllowListenRule(text),
    mayThrow: BadInput,
  },
  {
    name: "proxy-protocol specs",
    samples: ["v1=127.0.0.1:80", "v2=[::1]:443", "v2=/run/web.sock", "v2=exec:shell"],
    read: (text) => void parseProxyRule(text),
    mayThrow: BadInput,
  },
  {
    name: "labels of flows",
    samples: ["10.0.0.53:53", "10.0.0.53:53 192.0.2.7:40000", "[::1]:53 [2001:db8::1]:1"],
    read: (text) => void parseFlowLabel(text),
    mayThrow: SpecError,
  },
  {
    name: "labels of requests to listen",
    samples: ["localhost:0", "[::1]:8080", "0.0.0.0:65535", "nas.local:22"],
    read: (text) => {
      const endpoint = parseListenLabel(text);
      const again = parseListenLabel(formatEndpoint(endpoint));
      if (again.host !== endpoint.host) throw new Error("another host when read again");
    },
    mayThrow: SpecError,
  },
  {
    name: "requests to listen",
    samples: [writeListenRequest("0123456789abcdef".repeat(2)), '{"type":"listen"}'],
    read: (text) => {
      const id = parseListenRequest(text);
      if (id !== undefined && parseReversedLabel(writeReversedLabel(id)) !== id) {
        throw new Error("an id that no label can have");
      }
    },
  },
  {
    name: "answers of who listens",
    samples: [
      writeListening(["127.0.0.1:8080", "[::1]:8080"]),
      writeControlMessage({ type: "refused", code: "denied", reason: "no" }),
    ],
    read: (text) => {
      const answer = parseListenAnswer(text);
      if (answer?.type !== "listening") return;
      if (!answer.addresses.every((one) => /^[\w.:[\]-]{1,262}$/.test(one))) {
        throw new Error("an address that no log should have");
      }
    },
  },
  {
    name: "labels of connections that come back",
    samples: [writeReversedLabel("0123456789abcdef".repeat(2)), "reverse:80"],
    read: (text) => {
      const id = parseReversedLabel(text);
      if (id !== undefined && writeReversedLabel(id) !== text) throw new Error("another label");
    },
  },
  {
    name: "addresses of clients",
    samples: ["192.0.2.1:1000", "[2001:db8::1]:65535", "[::ffff:192.0.2.1]:1"],
    read: (text) => {
      const client = parseClient(text);
      if (client !== undefined && !/^[\d.]+$|:/.test(client.host)) throw new Error("a name");
    },
  },
  {
    name: "ice servers",
    samples: [
      "stun:stun.example.org:3478",
      "turns:me:s%40cret@[2001:db8::1]:443?transport=tcp",
      "turn:me:secret@192.0.2.1",
    ],
    read: (text) => void parseIceServer(text),
    mayThrow: BadInput,
  },
  {
    name: "config files",
    samples: [configExample, ...configSamples],
    read: (text) => void parseConfig({ path: "config.toml", text }, proxyFlags()),
    mayThrow: ConfigError,
  },
  {
    name: "session descriptions",
    samples: descriptions.map(writeSessionDescription),
    read: (text) => {
      const { candidates } = parseSessionDescription(text.length % 2 ? "offer" : "answer", text);
      if (candidates.length > 32) throw new Error(`${candidates.length} candidates`);
    },
    mayThrow: DescriptionError,
  },
  {
    name: "control messages",
    samples: [
      writeControlMessage({ type: "opened" }),
      writeControlMessage({ type: "refused", code: "denied", reason: "no" }),
      writeControlMessage({ type: "credit", bytes: 65_536 }),
      writeControlMessage({ type: "credit", bytes: 1, client: "[2001:db8::1]:65535" }),
      writeControlMessage({ type: "end" }),
      writeControlMessage({ type: "reset", reason: "x\ny" }),
    ],
    read: (text) => {
      const message = parseControlMessage(text);
      // deno-lint-ignore no-control-regex
      if (message !== undefined && "reason" in message && /[\u0000-\u001f]/.test(message.reason)) {
        throw new Error("a control character in a reason");
      }
    },
  },
  {
    name: "control requests",
    samples: controlRequests,
    read: (text) => {
      const request = parseControlRequest(text);
      const texts = Object.values(request).filter((value) => typeof value === "string");
      if (texts.some(({ length }) => length > 1_024)) throw new Error("a text without bound");
    },
  },
  {
    name: "control answers",
    samples: [
      ...controlAnswers,
      '{"version":1,"ok":false,"code":"failed","reason":"no"}',
    ],
    read: (text) => void parseControlAnswer(text),
  },
  {
    name: "names of forwards",
    samples: ["8080", "127.0.0.1:8080/udp", "[::1]:80", "/run/a.sock", "8080:10.0.0.5:80"],
    read: (text) => void parseForwardName(text),
    mayThrow: BadInput,
  },
  {
    name: "pasted texts",
    samples: descriptions.map((description) => `${writePastedText(description)}\n`),
    read: (text) => {
      const reader = new PastedTextReader();
      const middle = text.length >> 1;
      reader.push(text.slice(0, middle));
      reader.push(text.slice(middle));
      reader.incomplete();
      reader.end();
      const items = reader.push(`${goodText}\n`);
      if (items.at(-1)?.kind !== "description") throw new Error("a good text was not read");
    },
  },
  {
    name: "bodies of whole pasted texts",
    samples: descriptions.map((description) => writePastedText(description).split(":")[4] ?? ""),
    read: (body) => void new PastedTextReader().push(frame(body)),
  },
  {
    name: "descriptions in whole pasted texts",
    samples: descriptions.map(writeSessionDescription),
    read: (sdp) => {
      const body = deflateRawSync(sdp).toString("base64").replace(/=+$/, "");
      const items = new PastedTextReader().push(frame(body));
      if (items.length !== 1) throw new Error(`${items.length} items`);
    },
  },
  ...socksFuzzTargets,
];
const goodText = writePastedText(sampleDescription);

/** A text with the right length and check. */
function frame(body: string): string {
  const check = createHash("sha256").update(body).digest("hex").slice(0, 8);
  return `aetherport-offer:1:${body.length}:${check}:${body}:aetherport-end\n`;
}

/** Reads so many changed samples; throws with the seed and the text that did harm. */
export function fuzz(target: FuzzTarget, { seed, count }: { seed: number; count: number }): void {
  const random = new SeededRandom(seed);
  for (let turn = 0; turn < count; turn++) {
    const text = mutate(target.samples, random);
    try {
      target.read(text);
    } catch (cause) {
      if (target.mayThrow !== undefined && cause instanceof target.mayThrow) continue;
      const message = `${target.name}, seed ${seed}, turn ${turn}: ${JSON.stringify(text)}`;
      throw new Error(message, { cause });
    }
  }
}
