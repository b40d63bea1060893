// One end of a data channel made by the browser; webrtc_peer.ts says what it is told and tells.
// `tellPeer` is what the test has bound to itself.
const pieceLength = 50_000;
const connection = new RTCPeerConnection();

function tell(event, fields) {
  globalThis.tellPeer(JSON.stringify({ event, ...fields }));
}

connection.onconnectionstatechange = () => tell("state", { state: connection.connectionState });
connection.ondatachannel = ({ channel }) => echo(channel);

async function describe(description) {
  const gathered = new Promise((resolve) => {
    connection.onicegatheringstatechange = () => {
      if (connection.iceGatheringState === "complete") resolve();
    };
  });
  await connection.setLocalDescription(description);
  await gathered;
  tell("described", { sdp: connection.localDescription.sdp });
}

/** Sends back what comes, in pieces of another length. */
function echo(channel) {
  const held = new Uint8Array(pieceLength);
  let heldLength = 0;
  channel.binaryType = "arraybuffer";
  channel.onopen = () => tell("open", { label: channel.label, protocol: channel.protocol });
  channel.onmessage = ({ data }) => {
    if (typeof data === "string") return channel.send(data);
    const bytes = new Uint8Array(data);
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + pieceLength - heldLength);
      held.set(piece, heldLength);
      heldLength += piece.length;
      at += piece.length;
      if (heldLength < pieceLength) return;
      channel.send(held);
      heldLength = 0;
    }
  };
}

globalThis.obey = async ({ command, label, protocol, sdp }) => {
  switch (command) {
    case "offer":
      echo(connection.createDataChannel(label, { protocol }));
      return await describe(await connection.createOffer());
    case "answer":
      await connection.setRemoteDescription({ type: "offer", sdp });
      return await describe(await connection.createAnswer());
    case "accept":
      return await connection.setRemoteDescription({ type: "answer", sdp });
    default:
      throw new Error(`no such command: ${command}`);
  }
};
