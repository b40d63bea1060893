/**
 * Removes the security checks of src/dtls/, and those of src/crypto/ that it relies on, one at a
 * time, in a copy of the tree, and shows that at least one test goes red each time. Prints the
 * table; ends with 1 where a check is not missed.
 *
 *     deno run -A tests/dtls/remove_checks.ts          all of them
 *     deno run -A tests/dtls/remove_checks.ts D7 D13   those of some rows
 *
 * @module
 */
import { type Removal, removeChecks } from "../removal.ts";

/** Fast, and together they know all the checks. */
const TESTS: readonly string[] = [
  "dtls/record_layer",
  "dtls/transcript",
  "dtls/record_size_limit",
  "dtls/forgery",
  "dtls/stranger",
  "dtls/records",
  "dtls/fragments",
  "dtls/automaton",
  "dtls/messages",
  "dtls/loss",
  "crypto/handshake_crypto",
];

const REMOVALS: readonly Removal[] = [
  {
    row: "D1",
    file: "dtls_client.ts",
    check: "if (!this.#context.crypto.verify(leaf, signed, exchange.signature)) {",
    without: "if (false) {",
  },
  {
    row: "D1",
    file: "dtls_client.ts",
    check: "if (exchange.signatureScheme !== ecdsaSecp256r1Sha256) return",
    without: "if (false) return",
  },
  {
    row: "D2",
    file: "dtls_server.ts",
    check: "if (!crypto.verify(leaf, transcript.bytesBeforeLast(), verify.signature)) {",
    without: "if (false) {",
  },
  {
    row: "D2",
    file: "peer_expectation.ts",
    check: 'if (leaf === undefined) return "the peer shows no certificate";',
    without: "if (leaf === undefined) return undefined;",
  },
  {
    row: "D3",
    file: "dtls_client.ts",
    check: "if (!crypto.equal(received, expected)) {",
    without: "if (false) {",
  },
  {
    row: "D3",
    file: "dtls_server.ts",
    check: "if (!crypto.equal(received, expected)) {",
    without: "if (false) {",
  },
  {
    row: "D3",
    file: "dtls_endpoint.ts",
    check: 'if ((fragment.type === "Finished") !== (epoch === 1)) return',
    without: "if (false) return",
  },
  {
    row: "D4",
    file: "dtls_client.ts",
    check: "this.#context.transcript.clear();",
    without: "",
  },
  {
    row: "D4",
    file: "reassembly.ts",
    check: "|| body[fragment.offset + index] === byte",
    without: "|| true",
  },
  {
    row: "D5",
    file: "dtls_client.ts",
    check: 'if (this.#state.name !== "wait-change-cipher-spec") return false;',
    without: 'if (this.#state.name !== "wait-change-cipher-spec") return true;',
  },
  {
    row: "D5",
    file: "dtls_server.ts",
    check: 'if (this.#state.name !== "wait-change-cipher-spec") return false;',
    without: 'if (this.#state.name !== "wait-change-cipher-spec") return true;',
  },
  ...(["dtls_client.ts", "dtls_server.ts"] as const).map((file) => ({
    row: "D6",
    file,
    check: "if (extensions.get(extensionTypes.extendedMasterSecret)?.length !== 0) {",
    without: "if (false) {",
  })),
  {
    row: "D7",
    file: "dtls_client.ts",
    check: "if (defect !== undefined) return",
    without: "if (false) return",
  },
  {
    row: "D7",
    file: "dtls_server.ts",
    check: "if (defect !== undefined) {",
    without: "if (false) {",
  },
  {
    row: "D7",
    file: "peer_expectation.ts",
    check: "if (fingerprints !== undefined && !matches(crypto, fingerprints, leaf)) {",
    without: "if (false) {",
  },
  {
    row: "D7",
    file: "peer_expectation.ts",
    check: "return judge?.(chain);",
    without: "return undefined;",
  },
  {
    row: "D7",
    file: "dtls_endpoint.ts",
    check: 'if (this.#state.name !== "connected") return this.#drop("unexpected");\n',
    without: "",
  },
  {
    row: "D9",
    file: "dtls_client.ts",
    check: "if (hello.version !== dtls12) {",
    without: "if (false) {",
  },
  {
    row: "D9",
    file: "dtls_server.ts",
    check: "if (!offersDtls12(hello.version)) {",
    without: "if (false) {",
  },
  {
    row: "D9",
    file: "dtls_client.ts",
    check: "find(({ code }) => code === hello.cipherSuite)",
    without: "find(() => true)",
  },
  {
    row: "D9",
    file: "dtls_client.ts",
    check: "if (hello.compressionMethod !== 0) return",
    without: "if (false) return",
  },
  {
    row: "D9",
    file: "dtls_client.ts",
    check: "if (!offer.extensions.has(extension)) {",
    without: "if (false) {",
  },
  {
    row: "D10",
    file: "dtls_client.ts",
    check: "if (!isShareWellFormed(group, exchange.publicKey)) return badKeyShare();",
    without: "",
  },
  {
    row: "D10",
    file: "dtls_server.ts",
    check: "if (!isShareWellFormed(group, exchange.publicKey)) return badKeyShare();",
    without: "",
  },
  ...(["dtls_client.ts", "dtls_server.ts"] as const).map((file) => ({
    row: "D10",
    file,
    check: "if (preMasterSecret === undefined) return badKeyShare();",
    without: 'if (preMasterSecret === undefined) throw new Error("no secret");',
  })),
  {
    row: "D10",
    file: "../crypto/key_share.ts",
    check: "if (!isUncompressed(peerPublicKey)) return undefined;",
    without: "",
  },
  {
    row: "D10",
    file: "../crypto/key_share.ts",
    check: "|| isZero(secret)) return",
    without: ") return",
  },
  {
    row: "D11",
    file: "record_layer.ts",
    check: "this.#nextSequence[epoch] = sequence + 1;",
    without: "this.#nextSequence[epoch] = (sequence + 1) % 50;",
  },
  {
    row: "D12",
    file: "record_layer.ts",
    check: "if (sequence > this.#limits.lastSequenceNumber) return false;",
    without: "",
  },
  {
    row: "D12",
    file: "record_layer.ts",
    check: "return !this.isExhausted() &&",
    without: "return true &&",
  },
  {
    row: "D12",
    file: "record_layer.ts",
    check: "return this.#nextSequence[0] > lastSequenceNumber ||",
    without: "return",
  },
  {
    row: "D12",
    file: "dtls_endpoint.ts",
    check: "if (!this.#hasEnded() && this.#records.isExhausted()) this.#exhaust();",
    without: "",
  },
  {
    row: "D13",
    file: "record_layer.ts",
    check: 'if (!this.#window.check(sequence)) return "replayed";',
    without: "",
  },
  {
    row: "D13",
    file: "record_layer.ts",
    check: "    if (!opening.open(bytes",
    without: "    this.#window.update(sequence);\n    if (!opening.open(bytes",
  },
  {
    row: "D14",
    file: "record_layer.ts",
    check: "this.#next = at + recordHeaderLength + length;\n",
    without: "this.#next = end;\n",
  },
  {
    row: "D15",
    file: "record_layer.ts",
    check: 'if (epoch !== this.#readEpoch) return "epoch";',
    without: 'if (epoch > this.#readEpoch) return "epoch";',
  },
  {
    row: "D15",
    file: "dtls_endpoint.ts",
    check: "if (isFatal) this.#doubt(",
    without: 'if (isFatal) this.#end("peer-alert", "");\n      if (isFatal) this.#doubt(',
  },
  {
    row: "D16",
    file: "dtls_endpoint.ts",
    check: "if (!attempts.isSettled() && !attempts.isSpent()) {",
    without: "if (false) {",
  },
  {
    row: "D16",
    file: "dtls_endpoint.ts",
    check: 'if (isInTheClear && attempts.isSettled()) this.#drop("unexpected");\n      else',
    without: "",
  },
  {
    row: "D16",
    file: "handshake_attempts.ts",
    check: "return this.#tries >= maxTries;",
    without: "return false;",
  },
  {
    row: "D16",
    file: "handshake_attempts.ts",
    check: "|| alternatives.length >= maxAlternatives) return false;",
    without: ") return false;",
  },
  {
    row: "D16",
    file: "handshake_attempts.ts",
    check: "return branchesOf(this.#root).length < maxAttempts;",
    without: "return true;",
  },
  {
    row: "D17",
    file: "reassembly.ts",
    check: 'if (sequence - this.#nextSequence >= maxMessagesAhead) return "refused";',
    without: "",
  },
  {
    row: "D17",
    file: "reassembly.ts",
    check: "if (!isSame) return false;",
    without: "",
  },
  {
    row: "D17",
    file: "reassembly.ts",
    check: "if (length > maxMessageLength) return undefined;",
    without: "",
  },
  {
    row: "D17",
    file: "reassembly.ts",
    check: "if (rivals.length >= maxCandidates) this",
    without: "if (false) this",
  },
  {
    row: "D17",
    file: "reassembly.ts",
    check: "while (this.#heldLength + length > maxHeldLength) this",
    without: "while (false) this",
  },
  {
    row: "D17",
    file: "handshake_header.ts",
    check: "|| offset + body.length > length",
    without: "",
  },
  {
    row: "D19",
    file: "flights.ts",
    check: "|| now - this.#sentAt < this.#initialTimeout / 2) return;",
    without: ") return;",
  },
  {
    row: "D21",
    file: "dtls_client.ts",
    check: "if (renegotiation === undefined || !isInitialRenegotiationInfo(renegotiation)) {",
    without: "if (false) {",
  },
  {
    row: "D21",
    file: "dtls_server.ts",
    check: "if (!isInitial) ",
    without: "if (false) ",
  },
  {
    row: "D21",
    file: "dtls_endpoint.ts",
    check: "this.#hasRefusedRenegotiation) return;",
    without: "false) return;",
  },
  {
    row: "D22",
    file: "dtls_client.ts",
    check: "if (!isOurs) return",
    without: "if (false) return",
  },
  {
    row: "D22",
    file: "dtls_server.ts",
    check: "if (!schemes.includes(ecdsaSecp256r1Sha256)) {",
    without: "if (false) {",
  },
  {
    row: "D23",
    file: "extension.ts",
    check: "if (extensions.has(type)) return undefined;",
    without: "",
  },
  {
    row: "D24",
    file: "record_layer.ts",
    check: "|| payloadLength > maxPlaintextLength",
    without: "",
  },
  {
    row: "D24",
    file: "dtls_endpoint.ts",
    check: 'if (start === end) return this.#drop("empty");',
    without: "",
  },
  {
    row: "D24",
    file: "dtls_endpoint.ts",
    check: "if (payloadLength > maxPayloadLength) return count;",
    without: "",
  },
  {
    row: "D24",
    file: "flights.ts",
    check: "Math.min(room - records.overhead(epoch), records.maxPayloadLength(epoch))",
    without: "room - records.overhead(epoch)",
  },
  {
    row: "D24",
    file: "record_size_limit.ts",
    check: "if (limit < smallestLimit) {",
    without: "if (false) {",
  },
  {
    row: "D25",
    file: "dtls_endpoint.ts",
    check: "if (this.#hasEnded()) return; // CHECK D25",
    without: "",
  },
  {
    row: "D28",
    file: "record_protection.ts",
    check: "key.fill(0);",
    without: "",
  },
  {
    row: "D28",
    file: "key_schedule.ts",
    check: "preMasterSecret.fill(0);",
    without: "",
  },
  {
    row: "D28",
    file: "handshake_attempts.ts",
    check: "for (const { attempt } of branchesOf(this.#root)) attempt.masterSecret()?.fill(0);",
    without: "",
  },
  {
    row: "D28",
    file: "handshake_attempts.ts",
    check: "if (attempt.masterSecret() !== secret) attempt.masterSecret()?.fill(0);",
    without: "",
  },
  {
    row: "D30",
    file: "record_layer.ts",
    check: "if (!opening.open(bytes, this.#view, at, payloadLength)) {",
    without: "if (!opening.open(bytes, this.#view, at, payloadLength) && false) {",
  },
];

if (import.meta.main) {
  const groups = [{ tests: TESTS, removals: REMOVALS }];
  Deno.exit(await removeChecks({ folder: "src/dtls", groups, rows: Deno.args }) ? 0 : 1);
}
