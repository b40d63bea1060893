/** Opens the UDP associations of one listener's clients. */
import { chooseDatagramSockets } from "../../socket/choose_datagram_sockets.ts";
import { BindError, type DatagramSockets } from "../../socket/datagram.ts";
import { parseEndpoint, SpecError } from "../../socket/endpoint.ts";
import type { DatagramEgress } from "../datagram_flow.ts";
import { UdpAssociation } from "./udp_association.ts";

/** The relay of one listener. */
export class UdpRelay {
  readonly #egress: DatagramEgress;
  readonly #addresses: () => readonly string[];
  /** Chosen when the first client asks. */
  #sockets: Promise<DatagramSockets> | undefined;

  /** `addresses` says where the listener is bound, as `host:port`. */
  constructor(
    { egress, addresses }: {
      readonly egress: DatagramEgress;
      readonly addresses: () => readonly string[];
    },
  ) {
    this.#egress = egress;
    this.#addresses = addresses;
  }

  /** For the client at `remote`, which sends from `port` (0: not said). Rejects with a BindError. */
  async open(
    remote: string,
    { port, handleFailed }: { readonly port: number; readonly handleFailed: () => void },
  ): Promise<UdpAssociation> {
    const client = hostOf(remote);
    this.#sockets ??= chooseDatagramSockets().then(({ sockets }) => sockets);
    return await UdpAssociation.open({
      sockets: await this.#sockets,
      address: this.#addressFor(client),
      name: remote,
      client: { address: client, port },
      egress: this.#egress,
      handleFailed,
    });
  }

  /** The listener's address of the client's family; a listener on `::` may have clients of both. */
  #addressFor(client: string): string {
    const hosts = this.#addresses().map(hostOf);
    return hosts.find((host) => isIpv6(host) === isIpv6(client)) ??
      (isIpv6(client) ? "::" : "0.0.0.0");
  }
}

function isIpv6(address: string): boolean {
  return address.includes(":");
}

function hostOf(address: string): string {
  try {
    return parseEndpoint(address).host;
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    // An address with a zone.
    throw new BindError("address-unavailable", { address }, "no datagrams go there");
  }
}
