/**
 * Removes the checks of src/ice/ one at a time, and those of src/link/ that stand before them, in a
 * copy of the tree, and shows that at least one test goes red each time. Prints the table; ends with
 * 1 where a check is not missed.
 *
 *     deno run -A tests/ice/remove_checks.ts          all of them
 *     deno run -A tests/ice/remove_checks.ts I1 T2    those of some rows
 *
 * @module
 */
import { type RemovalGroup, removeChecks } from "../removal.ts";

/** Whose checks and answers count. */
const CHECKS: RemovalGroup = {
  tests: ["ice/forgery", "ice/gathering"],
  removals: [
    {
      row: "I1",
      file: "requests.ts",
      check: "if (username === undefined) return undefined;",
      without: "",
    },
    {
      row: "I1",
      file: "requests.ts",
      check: "username.startsWith(`${local.ufrag}:`)",
      without: "true",
    },
    {
      row: "I1",
      file: "requests.ts",
      check: "username === `${local.ufrag}:${peer.ufrag}`",
      without: "true",
    },
    {
      row: "I1",
      file: "requests.ts",
      check: "|| !verifyIntegrity(message, generation.localKey)) return undefined;",
      without: ") return undefined;",
    },
    {
      row: "I1",
      file: "requests.ts",
      check: "if (message.unknownRequired.length > 0) {",
      without: "if (false) {",
    },
    {
      row: "I1",
      file: "requests.ts",
      check: "priority: Math.min(Math.max(priority, lowestPriority), maxPriority),",
      without: "priority,",
    },
    {
      row: "I1",
      file: "ice_agent.ts",
      check: "return generation.checkList.find(baseId, source)?.isAuthenticated === true ||",
      without: "return generation.checkList.find(baseId, source) !== undefined ||",
    },
    {
      row: "I1",
      file: "ice_agent.ts",
      check: "previous?.checkList.find(baseId, source)?.isAuthenticated === true;",
      without: "previous?.checkList.find(baseId, source) !== undefined;",
    },
    {
      row: "I1",
      file: "nomination.ts",
      check: "if (pair.isDead(now)) return; // CHECK I1",
      without: "",
    },
    {
      row: "I1",
      file: "nomination.ts",
      check: "if (context.role.isControlling || pair.nominationKey === key) return;",
      without: "if (context.role.isControlling) return;",
    },
    {
      row: "I2",
      file: "checks.ts",
      check: "if (pair.base.baseId !== baseId || ",
      without: "if (",
    },
    {
      row: "I2",
      file: "checks.ts",
      check: "|| !isSameAddress(pair.remote.candidate, source)) return false;",
      without: ") return false;",
    },
    {
      row: "I2",
      file: "checks.ts",
      check: "|| !verifyIntegrity(message, peer.key)) return false;",
      without: ") return false;",
    },
    {
      row: "I2",
      file: "checks.ts",
      check: "context.transactions.remove(transaction);",
      without: "",
    },
    {
      row: "I2",
      file: "checks.ts",
      check: 'message.messageClass === "success" && xorMappedAddress !== undefined &&',
      without: "xorMappedAddress !== undefined &&",
    },
    {
      row: "I2",
      file: "checks.ts",
      check: "message.unknownRequired.length === 0;",
      without: "true;",
    },
    {
      row: "I2",
      file: "gathering.ts",
      check: 'find((one) => one.key === key && one.state === "asking");',
      without: "find((one) => one.key === key);",
    },
    {
      row: "I2",
      file: "gathering.ts",
      check: "if (query.base.baseId !== baseId || ",
      without: "if (",
    },
    {
      row: "I2",
      file: "gathering.ts",
      check: "|| !isSameAddress(query.server, source)) return undefined;",
      without: ") return undefined;",
    },
    {
      row: "I2",
      file: "gathering.ts",
      check: '= message.messageClass === "error" || message.unknownRequired.length > 0;',
      without: '= message.messageClass === "error";',
    },
    {
      row: "I2",
      file: "stun/integrity.ts",
      check: "if (signed === undefined) return false;",
      without: "if (signed === undefined) return true;",
    },
    {
      row: "I2",
      file: "stun/integrity.ts",
      check: "return value.length === expected.length && timingSafeEqual(value, expected);",
      without: "return value.length === expected.length;",
    },
    {
      row: "I8",
      file: "requests.ts",
      check: "const conflict = context.role.judge(message.attributes);",
      without: 'const conflict = "none" as ReturnType<typeof context.role.judge>;',
    },
    {
      row: "I8",
      file: "checks.ts",
      check: "if (role === context.role.name) {",
      without: "{",
    },
    {
      row: "I9",
      file: "ice_agent.ts",
      check: 'if (start >= end || classify(bytes[start]) !== "stun") return false;',
      without: "if (start >= end) return false;",
    },
    {
      row: "I9",
      file: "ice_agent.ts",
      check: "if (message !== undefined && message.method !== methods.binding) return false;",
      without: "",
    },
  ],
};

/** What a datagram is, and from whom it is taken. */
const DATAGRAMS: RemovalGroup = {
  tests: ["ice/classify", "ice/ice_path"],
  removals: [
    {
      row: "I1",
      file: "../link/ice_path.ts",
      check: "if (isFromPeer) this.handler?.handleDatagrams(bytes, at, runEnd, segmentLength);",
      without: "this.handler?.handleDatagrams(bytes, at, runEnd, segmentLength);",
    },
    {
      row: "I9",
      file: "classify.ts",
      check: 'if (firstByte <= 3) return "stun";',
      without: 'if (firstByte <= 19) return "stun";',
    },
    {
      row: "I9",
      file: "classify.ts",
      check: 'if (firstByte >= 20 && firstByte <= 63) return "dtls";',
      without: 'if (firstByte <= 63) return "dtls";',
    },
    {
      row: "I9",
      file: "classify.ts",
      check: 'if (firstByte >= 64 && firstByte <= 79) return "channelData";',
      without: 'if (firstByte >= 64) return "channelData";',
    },
  ],
};

/** Who may know the password, and for how long. */
const CREDENTIALS: RemovalGroup = {
  tests: ["ice/restart"],
  removals: [
    {
      row: "I3",
      file: "credentials.ts",
      check: "const ufragLength = 8;",
      without: "const ufragLength = 3;",
    },
    {
      row: "I3",
      file: "credentials.ts",
      check: "const pwdLength = 24;",
      without: "const pwdLength = 21;",
    },
    {
      row: "I3",
      file: "credentials.ts",
      check: "{4,256}",
      without: "{0,256}",
    },
    {
      row: "I3",
      file: "credentials.ts",
      check: "{22,256}",
      without: "{0,256}",
    },
    {
      row: "I3",
      file: "ice_agent.ts",
      check: "if (!isWellFormed(credentials)) {",
      without: "if (false) {",
    },
    {
      row: "I3",
      file: "ice_agent.ts",
      check: "if (isSameCredentials(generation.credentials, credentials)) return;\n      throw",
      without: "return;\n      throw",
    },
    {
      row: "I3",
      file: "context.ts",
      check: "this.generation = new Generation(number, createCredentials(this.random));",
      without: "this.generation = new Generation(number, this.generation.local);",
    },
    {
      row: "I6",
      file: "context.ts",
      check: "this.previousRetiresAt = Math.min(this.previousRetiresAt, now + retirementDelay);",
      without: "",
    },
  ],
};

/** How much there may be of all. */
const LIMITS: RemovalGroup = {
  tests: ["ice/flood", "ice/gathering"],
  removals: [
    {
      row: "I4",
      file: "remote_candidates.ts",
      check: 'if (this.#signalledCount >= maxSignalledCount) return { name: "too-many" };',
      without: "",
    },
    {
      row: "I4",
      file: "remote_candidates.ts",
      check: "if (learned.length >= maxLearnedCount) {",
      without: "if (false) {",
    },
    {
      row: "I4",
      file: "remote_candidates.ts",
      check: "learned.find((remote) => !isNeeded(remote));",
      without: "learned[0];",
    },
    {
      row: "I4",
      file: "check_list.ts",
      check: "if (this.#pairs.length >= maxPairCount && !this.#makeRoom(pair)) return false;",
      without: "",
    },
    {
      row: "I4",
      file: "scheduler.ts",
      check: "if (now < this.#nextSlotAt) return undefined;",
      without: "",
    },
    {
      row: "I4",
      file: "context.ts",
      check: "if (this.responses.length < maxResponseCount) ",
      without: "",
    },
    {
      row: "I4",
      file: "local_candidates.ts",
      check: "if (known === undefined && base.reflexiveCount++ >= maxReflexiveCount) return;",
      without: "",
    },
  ],
};

/** How long data may be sent. */
const CONSENT: RemovalGroup = {
  tests: ["ice/consent"],
  removals: [
    {
      row: "I5",
      file: "consent.ts",
      check: "if (context.selected === pair) context.deselect(now);",
      without: "",
    },
    {
      row: "I5",
      file: "path_monitor.ts",
      check: "return now < this.consentExpiresAt;",
      without: "return true;",
    },
    {
      row: "I5",
      file: "path_monitor.ts",
      check: "Math.max(this.#consentedAt, now - (roundTrip ?? 0));",
      without: "now;",
    },
  ],
};

/** Where nothing is sent to. */
const ADDRESSES: RemovalGroup = {
  tests: ["ice/address_policy", "ice/gathering", "ice/stun_codec"],
  removals: [
    {
      row: "I10",
      file: "ice_agent.ts",
      check: "if (defect !== undefined) return defect;",
      without: "",
    },
    {
      row: "I10",
      file: "ice_agent.ts",
      check: "const address = canonicalAddress(candidate.address) ?? candidate.address;",
      without: "const { address } = candidate;",
    },
    {
      row: "I10",
      file: "ice_agent.ts",
      check: "if (base.isLoopback && !isLoopbackUsed) continue;",
      without: "",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check:
        'return isPriority ? addressDefect(candidate, policy) : "its priority is not 1 to 2^31 - 1";',
      without: "return addressDefect(candidate, policy);",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check:
        'if (!Number.isInteger(port) || port < 1 || port > 65_535) return "its port is not 1 to 65535";',
      without: "",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: 'return "it is not an IP address";',
      without: "return undefined;",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: "return `its address is ${scope}`;",
      without: "return undefined;",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: 'return policy.isLinkLocalAllowed ? undefined : "its address is link-local";',
      without: "return undefined;",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: 'return policy.isLoopbackAllowed ? undefined : "its address is loopback";',
      without: "return undefined;",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: 'if (first === 0) return "unspecified";',
      without: "",
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: 'if (first >= 224) return "multicast";',
      without: 'if (first >= 224 && first < 240) return "multicast";',
    },
    {
      row: "I10",
      file: "address_policy.ts",
      check: "const isLoopback = bytes[15] === 1 &&",
      without: 'if (bytes[12] !== 0) return "unicast";\n  const isLoopback = bytes[15] === 1 &&',
    },
    {
      row: "I10",
      file: "context.ts",
      check: "if (isLoopback && !isProven && !this.isLoopbackUsed(generation)) return undefined;",
      without: "",
    },
    {
      row: "I10",
      file: "context.ts",
      check: "if (this.local.hasBaseAt(candidate)) return undefined;",
      without: "",
    },
    {
      row: "I10",
      file: "candidate_pair.ts",
      check: "(isProven || base.isLoopback === isRemoteLoopback);",
      without: "true;",
    },
    {
      row: "I10",
      file: "local_candidates.ts",
      check: "if (addressDefect(mapped, this.#policy) !== undefined) return;",
      without: "",
    },
    {
      row: "I10",
      file: "stun/address.ts",
      check: "return isMapped ? bytes.subarray(12) : bytes;",
      without: "return bytes;",
    },
    {
      row: "I10",
      file: "stun/address.ts",
      check: "return isMapped ? formatIpv4(bytes, start + 12) : formatGroups(groups);",
      without: "return formatGroups(groups);",
    },
    {
      row: "I10",
      file: "stun/address.ts",
      check: "/^(?:0|[1-9]\\d{0,2})$/;",
      without: "/^\\d{1,4}$/;",
    },
    {
      row: "I10",
      file: "stun/address.ts",
      check:
        "return numbers.every((number) => number < 256) ? Uint8Array.from(numbers) : undefined;",
      without: "return Uint8Array.from(numbers);",
    },
  ],
};

/** What is no STUN message, and what of one counts. */
const MESSAGES: RemovalGroup = {
  tests: ["ice/stun_codec", "ice/turn/hostile"],
  removals: [
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (this.#isCovered()) return true;\n    const entry",
      without: "const entry",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (this.#isCovered()) return true;\n    this.#integrityOffset",
      without: "this.#integrityOffset",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (this.#hasFingerprint) return false;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "return length === fingerprintLength &&\n",
      without: "return length === fingerprintLength ||\n",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (length !== integrityLength) return false;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "return length >= min && length <= max && length % 4 === 0;",
      without: "return true;",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (end - start > maxMessageLength) return undefined;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (count === maxAttributeCount || ",
      without: "if (",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (valueStart + padded(length) > this.#end) return undefined;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/message.ts",
      check: "if (type < firstOptionalType) this.#unknownRequired.push(type);",
      without: "",
    },
    {
      row: "I1",
      file: "stun/message_header.ts",
      check: "if (type >= 0x4000 || ",
      without: "if (",
    },
    {
      row: "I1",
      file: "stun/message_header.ts",
      check: "|| readUint32(bytes, start + 4) !== magicCookie) return undefined;",
      without: ") return undefined;",
    },
    {
      row: "I1",
      file: "stun/message_header.ts",
      check: "|| length !== end - start - headerLength) return undefined;",
      without: ") return undefined;",
    },
    {
      row: "I1",
      file: "stun/attribute_table.ts",
      check: "if (into[name] !== undefined) return true;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "end - start > maxLength ? undefined : parseUtf8(bytes.subarray(start, end)),",
      without: "parseUtf8(bytes.subarray(start, end)),",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "if (error instanceof TypeError) return undefined;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "end - start === 4 ? readUint32(bytes, start) : undefined,",
      without: "readUint32(bytes, start),",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "end - start === 8 ? readUint64(bytes, start) : undefined,",
      without: "readUint64(bytes, start),",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "end === start ? true : undefined,",
      without: "true,",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check:
        "length === undefined || end - start === length ? bytes.subarray(start, end) : undefined,",
      without: "bytes.subarray(start, end),",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "if ((end - start) % 2 !== 0) return undefined;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "end - start === 4 ? readUint16(bytes, start) : undefined,",
      without: "readUint16(bytes, start),",
    },
    {
      row: "I1",
      file: "stun/attribute_codec.ts",
      check: "end - start === 4 ? familyNumbered(bytes[start]) : undefined,",
      without: "familyNumbered(bytes[start]),",
    },
    {
      row: "I1",
      file: "stun/address_attribute.ts",
      check: "if (family === undefined) return undefined;",
      without: 'if (family === undefined) return { address: "0.0.0.0", port: 0 };',
    },
    {
      row: "I1",
      file: "stun/address_attribute.ts",
      check: "if (end - start !== addressOffset + length) return undefined;",
      without: "",
    },
    {
      row: "I1",
      file: "stun/error_code.ts",
      check: "if (end - start < reasonOffset || ",
      without: "if (",
    },
    {
      row: "I1",
      file: "stun/error_code.ts",
      check: "|| end - start > reasonOffset + maxReasonLength) {",
      without: ") {",
    },
    {
      row: "I1",
      file: "stun/error_code.ts",
      check: "if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;",
      without: "",
    },
  ],
};

/** What a TURN server, or who speaks in its name, may say. */
const TURN: RemovalGroup = {
  tests: ["ice/turn/channel_data", "ice/turn/hostile", "ice/turn/allocation", "ice/turn/peers"],
  removals: [
    {
      row: "T1",
      file: "turn/requests.ts",
      check: "return signature === undefined || verifyIntegrity(message, signature.key);",
      without: "return true;",
    },
    {
      row: "T1",
      file: "turn/requests.ts",
      check: "|| transaction.request.method !== message.method) return;",
      without: ") return;",
    },
    {
      row: "T1",
      file: "turn/requests.ts",
      check: "return this.#transactions.size >= maxRequestCount;",
      without: "return false;",
    },
    {
      row: "T1",
      file: "turn/requests.ts",
      check: "if (isRefused || attempt + 1 >= maxAttemptCount) {",
      without: "if (attempt + 1 >= maxAttemptCount) {",
    },
    {
      row: "T1",
      file: "turn/requests.ts",
      check: "if (isRefused || attempt + 1 >= maxAttemptCount) {",
      without: "if (isRefused || attempt > 1_000) {",
    },
    {
      row: "T1",
      file: "turn/requests.ts",
      check: 'if (this.#options.isStream) this.#fail(transaction, "unauthentic", now);',
      without: "",
    },
    {
      row: "T1",
      file: "turn/requests.ts",
      check: "if (unknownRequired.length > 0) {",
      without: "if (false) {",
    },
    {
      row: "T1",
      file: "turn/long_term_credentials.ts",
      check: "if (realm === undefined || nonce === undefined) return false;",
      without:
        'if (realm === undefined || nonce === undefined) return this.handleChallenge({ realm: "", nonce: "" });',
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: 'if (message.messageClass === "request") return;',
      without: "",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check:
        "if (!this.#allocation.isAllocated || !this.#permissions.isPermitted(peer.address)) return;",
      without: "if (!this.#allocation.isAllocated) return;",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check:
        "if (!this.#allocation.isAllocated || !this.#permissions.isPermitted(peer.address)) return;",
      without: "if (!this.#permissions.isPermitted(peer.address)) return;",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: "const isData = method === methods.data && unknownRequired.length === 0;",
      without: "const isData = method === methods.data;",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: "const isData = method === methods.data && unknownRequired.length === 0;",
      without: "const isData = unknownRequired.length === 0;",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: "if (!isData || peer === undefined || data === undefined) return;",
      without: "if (!isData) return;",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: "if (dataEnd === undefined || !this.#allocation.isAllocated) return;",
      without: "if (dataEnd === undefined) return;",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: "if (peer === undefined) return;\n    this.#permissions.handleData",
      without: "this.#permissions.handleData",
    },
    {
      row: "T1",
      file: "turn/turn_client.ts",
      check: "if (!this.#permissions.isPermitted(peer.address)) {",
      without: "if (false) {",
    },
    {
      row: "T1",
      file: "turn/channel_data.ts",
      check: "if (!isChannelNumber(readUint16(bytes, start))) return undefined;",
      without: "",
    },
    {
      row: "T1",
      file: "turn/channel_data.ts",
      check: "return dataEnd > end ? undefined : dataEnd;",
      without: "return dataEnd;",
    },
    {
      row: "T1",
      file: "turn/channels.ts",
      check: "if (this.#byNumber.size >= maxPeerCount || ",
      without: "if (",
    },
    {
      row: "T1",
      file: "turn/channels.ts",
      check: "if (!this.#byNumber.has(number)) return number;",
      without: "return number;",
    },
    {
      row: "T1",
      file: "turn/channels.ts",
      check: "requestedAt + lifetime + quarantine;",
      without: "requestedAt + lifetime;",
    },
    {
      row: "T1",
      file: "turn/permissions.ts",
      check: "if (this.#byAddress.size >= maxPeerCount) this.#forgetOne();",
      without: "",
    },
    {
      row: "T1",
      file: "turn/permissions.ts",
      check: 'return state === "wanted" || state === "installed";',
      without: "return state !== undefined;",
    },
    {
      row: "T1",
      file: "turn/allocation.ts",
      check: "if (!isUsable(relayed) || !isUsable(mapped)) return",
      without: "if (relayed === undefined || !isUsable(mapped)) return",
    },
    {
      row: "T1",
      file: "turn/allocation.ts",
      check: "if (!isUsable(relayed) || !isUsable(mapped)) return",
      without: "if (!isUsable(relayed) || mapped === undefined) return",
    },
    {
      row: "T1",
      file: "turn/allocation.ts",
      check: "if (code === turnErrorCodes.tryAlternate && isUsable(alternateServer)) {",
      without: "if (code === turnErrorCodes.tryAlternate && alternateServer !== undefined) {",
    },
    {
      row: "T1",
      file: "turn/allocation.ts",
      check: "if (lifetimeSeconds === 0) {",
      without: "if (false) {",
    },
    {
      row: "T1",
      file: "turn/allocation.ts",
      check: "Math.min(lifetimeSeconds, maxLifetimeSeconds);",
      without: "lifetimeSeconds;",
    },
    {
      row: "T1",
      file: "turn/turn_failure.ts",
      check: '.replace(/[\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]/g, " ")',
      without: "",
    },
    {
      row: "T1",
      file: "turn/turn_failure.ts",
      check: "clean.slice(0, maxPhraseLength)",
      without: "clean",
    },
  ],
};

/** What a stream may carry. */
const STREAMS: RemovalGroup = {
  tests: ["ice/turn/stream_framing", "ice/turn/peers"],
  removals: [
    {
      row: "T2",
      file: "turn/turn_client.ts",
      check: "this.#options.isStream ? padded(length) : length",
      without: "length",
    },
    {
      row: "T2",
      file: "turn/stream_framing.ts",
      check: "return channelDataHeaderLength + padded(readUint16(bytes, start + 2));",
      without: "return channelDataHeaderLength + readUint16(bytes, start + 2);",
    },
    {
      row: "T2",
      file: "turn/stream_framing.ts",
      check: 'if (kind !== "stun") return "broken";',
      without: "",
    },
    {
      row: "T2",
      file: "turn/stream_framing.ts",
      check: 'return isStun ? headerLength + length : "broken";',
      without: "return headerLength + length;",
    },
  ],
};

/** Which server is listened to, and how many are asked. */
const RELAYS: RemovalGroup = {
  tests: ["link/relay"],
  removals: [
    {
      row: "T1",
      file: "../link/relay_transport.ts",
      check: "if (source.port !== server.port || source.address !== server.address) return;",
      without: "",
    },
    {
      row: "T1",
      file: "../link/relay.ts",
      check: "if (hopCount === maxHopCount) return undefined;",
      without: "",
    },
    {
      row: "T1",
      file: "../link/relay.ts",
      check: "if (end.code !== 437 || portCount === maxPortCount) return undefined;",
      without: "if (end.code !== 437) return undefined;",
    },
    {
      row: "T2",
      file: "../link/relay_write_queue.ts",
      check: "if (this.#length + end - start > room) return false;",
      without: "if (this.#length + end - start > bufferLength) return false;",
    },
    {
      row: "T2",
      file: "../link/relay_stream.ts",
      check: 'if (!isTurn) return this.#fail("what the server sends is not TURN");',
      without: "",
    },
    {
      row: "T2",
      file: "../link/relay_stream.ts",
      check: "Deno.startTls(plain, { hostname, caCerts: [...caCerts] });",
      without:
        "Deno.startTls(plain, { hostname, caCerts: [...caCerts], unsafelyDisableHostnameVerification: true });",
    },
  ],
};

if (import.meta.main) {
  const groups = [
    CHECKS,
    DATAGRAMS,
    CREDENTIALS,
    LIMITS,
    CONSENT,
    ADDRESSES,
    MESSAGES,
    TURN,
    STREAMS,
    RELAYS,
  ];
  Deno.exit(await removeChecks({ folder: "src/ice", groups, rows: Deno.args }) ? 0 : 1);
}
