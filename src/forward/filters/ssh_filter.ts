/** SSH: a client that begins as RFC 4253 has it. */
import type { Filter } from "./filter.ts";
import { prefaceFilter, type PrefaceVerdict } from "./preface_filter.ts";

/** RFC 4253 section 4.2; "1.99" is a server's. */
const begin = "SSH-2.0-";
/** The same section: with its end. */
const maxLength = 255;

/** Lets SSH pass and nothing else. */
export const sshFilter: Filter = prefaceFilter({ maxLength, judge });

function judge(bytes: Uint8Array): PrefaceVerdict {
  const known = Math.min(bytes.length, begin.length);
  for (let at = 0; at < known; at++) {
    if (bytes[at] === begin.charCodeAt(at)) continue;
    return { type: "refused", summary: "no SSH", reason: "only SSH passes here" };
  }
  return known < begin.length
    ? { type: "more" }
    : { type: "allowed", summary: "SSH", length: bytes.length };
}
