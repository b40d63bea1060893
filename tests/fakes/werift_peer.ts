/** The other end of a link, all of it werift's: a WebRTC stack that is not this project's. */
import { type RTCDataChannel, RTCPeerConnection } from "werift";
import { hostAddresses } from "../../src/link/host_addresses.ts";

/** One peer connection with one data channel, which the offering peer opens. */
export class WeriftPeer {
  readonly #connection = new RTCPeerConnection({
    iceServers: [],
    iceAdditionalHostAddresses: hostAddresses(),
  });

  /** Describes the connection, with a channel to open. */
  async offer({ label, protocol }: { readonly label: string; readonly protocol: string }): Promise<
    { readonly sdp: string; readonly channel: RTCDataChannel }
  > {
    // The offering end is DTLS's server. werift would choose the id too late where the other end is quick.
    const channel = this.#connection.createDataChannel(label, { protocol, id: 1 });
    this.#forgetServers();
    return { sdp: await this.#describe(await this.#connection.createOffer()), channel };
  }

  /** Answers an offer; the channel is the first that the other end opens. */
  async answer(sdp: string): Promise<
    { readonly sdp: string; readonly channel: Promise<RTCDataChannel> }
  > {
    const channel = this.#connection.onDataChannel.asPromise().then(([channel]) => channel);
    await this.#connection.setRemoteDescription({ type: "offer", sdp });
    this.#forgetServers();
    return { sdp: await this.#describe(await this.#connection.createAnswer()), channel };
  }

  /** Takes the answer to the offer. */
  async accept(sdp: string): Promise<void> {
    await this.#connection.setRemoteDescription({ type: "answer", sdp });
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #describe(description: Parameters<RTCPeerConnection["setLocalDescription"]>[0]) {
    await this.#connection.setLocalDescription(description);
    const sdp = this.#connection.localDescription?.sdp;
    if (sdp === undefined) throw new Error("werift has described nothing");
    return sdp;
  }

  /** werift asks Google's server where none is configured. */
  #forgetServers(): void {
    for (const { connection } of this.#connection.iceTransports) connection.stunServer = undefined;
  }
}
