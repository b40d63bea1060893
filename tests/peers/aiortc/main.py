"""One end of a data channel made by aiortc, as a process of its own.

webrtc_peer.ts says what it reads and writes.
"""

import asyncio
import json
import sys

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

PIECE_LENGTH = 50_000


def tell(event: str, **fields: str) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def echo(channel: RTCDataChannel) -> None:
    """Sends back what comes, in pieces of another length."""
    held = bytearray()

    def handle_open() -> None:
        tell("open", label=channel.label, protocol=channel.protocol)

    def handle_message(message: str | bytes) -> None:
        if isinstance(message, str):
            channel.send(message)
            return
        held.extend(message)
        while len(held) >= PIECE_LENGTH:
            channel.send(bytes(held[:PIECE_LENGTH]))
            del held[:PIECE_LENGTH]

    channel.on("message", handle_message)
    if channel.readyState == "open":
        handle_open()
    else:
        channel.on("open", handle_open)


async def obey(connection: RTCPeerConnection, given: dict[str, str]) -> None:
    command = given["command"]
    if command == "offer":
        echo(connection.createDataChannel(given["label"], protocol=given["protocol"]))
        await connection.setLocalDescription(await connection.createOffer())
        tell("described", sdp=connection.localDescription.sdp)
    elif command == "answer":
        await connection.setRemoteDescription(RTCSessionDescription(given["sdp"], "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        tell("described", sdp=connection.localDescription.sdp)
    elif command == "accept":
        await connection.setRemoteDescription(RTCSessionDescription(given["sdp"], "answer"))
    else:
        raise ValueError(f"no such command: {command}")


async def main() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.on("connectionstatechange", lambda: tell("state", state=connection.connectionState))
    connection.on("datachannel", echo)
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    async for line in lines:
        await obey(connection, json.loads(line))


if sys.argv[1:] != ["--version"]:
    asyncio.run(main())
