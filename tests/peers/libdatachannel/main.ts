/**
 * One end of a data channel made by libdatachannel, through node-datachannel, as a process of its own;
 * webrtc_peer.ts says what it reads and writes.
 */
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";

/** What is used of node-datachannel. */
interface NodeDataChannel {
  readonly PeerConnection: new (name: string, config: unknown) => PeerConnection;
  initLogger(level: "Warning", log: (level: string, message: string) => void): void;
}

interface PeerConnection {
  localDescription(): { readonly type: string; readonly sdp: string } | null;
  setRemoteDescription(sdp: string, type: "offer" | "answer"): void;
  createDataChannel(label: string, options: { readonly protocol: string }): DataChannel;
  onStateChange(handle: (state: string) => void): void;
  onGatheringStateChange(handle: (state: string) => void): void;
  onDataChannel(handle: (channel: DataChannel) => void): void;
}

interface DataChannel {
  getLabel(): string;
  getProtocol(): string;
  sendMessage(text: string): boolean;
  sendMessageBinary(bytes: Uint8Array): boolean;
  onOpen(handle: () => void): void;
  onMessage(handle: (message: string | Uint8Array) => void): void;
}

const pieceLength = 50_000;

const library: NodeDataChannel = createRequire(import.meta.url)(
  "../bin/libdatachannel/node_modules/node-datachannel",
);
if (Deno.args[0] === "--version") Deno.exit(0);

library.initLogger("Warning", (level, message) => console.error(level, message));
const connection = new library.PeerConnection("peer", {
  iceServers: [],
  maxMessageSize: 262_144,
});
connection.onStateChange((state) => tell("state", { state }));
connection.onDataChannel(echo);
connection.onGatheringStateChange((state) => {
  const description = connection.localDescription();
  if (state === "complete" && description !== null) tell("described", { sdp: description.sdp });
});

for await (const line of createInterface({ input: process.stdin })) {
  const { command, label = "", protocol = "", sdp = "" }: Readonly<Record<string, string>> = JSON
    .parse(line);
  if (command === "offer") echo(connection.createDataChannel(label, { protocol }));
  else if (command === "answer") connection.setRemoteDescription(sdp, "offer");
  else if (command === "accept") connection.setRemoteDescription(sdp, "answer");
  else throw new Error(`no such command: ${command}`);
}

/** Sends back what comes, in pieces of another length. */
function echo(channel: DataChannel): void {
  const held = new Uint8Array(pieceLength);
  let heldLength = 0;
  channel.onOpen(() =>
    tell("open", { label: channel.getLabel(), protocol: channel.getProtocol() })
  );
  channel.onMessage((message) => {
    if (typeof message === "string") {
      channel.sendMessage(message);
      return;
    }
    for (let at = 0; at < message.length;) {
      const piece = message.subarray(at, at + pieceLength - heldLength);
      held.set(piece, heldLength);
      heldLength += piece.length;
      at += piece.length;
      if (heldLength < pieceLength) return;
      channel.sendMessageBinary(held);
      heldLength = 0;
    }
  });
}

function tell(event: string, fields: Readonly<Record<string, string>>): void {
  console.log(JSON.stringify({ event, ...fields }));
}
