// Command pion_webrtc is one end of a data channel made by pion/webrtc, as the other end for the
// project's tests. It reads commands and writes events, one JSON object a line, and echoes what comes
// on its one channel; webrtc_peer.ts says how.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/pion/webrtc/v4"
)

// pieceLength is how long the messages are in which it echoes, in bytes.
const pieceLength = 50_000

// command is a line of stdin.
type command struct {
	Command  string `json:"command"`
	Label    string `json:"label"`
	Protocol string `json:"protocol"`
	SDP      string `json:"sdp"`
}

// event is a line of stdout.
type event struct {
	Event    string `json:"event"`
	Label    string `json:"label,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	SDP      string `json:"sdp,omitempty"`
	State    string `json:"state,omitempty"`
}

func main() {
	isVersion := flag.Bool("version", false, "say that it is there")
	flag.Parse()
	if *isVersion {
		fmt.Println("pion_webrtc")
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return !ip.IsLinkLocalUnicast() })
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings))
	connection, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		tell(event{Event: "state", State: state.String()})
	})
	connection.OnDataChannel(echo)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var given command
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			return err
		}
		if err := obey(connection, given); err != nil {
			return err
		}
	}
	return lines.Err()
}

func obey(connection *webrtc.PeerConnection, given command) error {
	switch given.Command {
	case "offer":
		channel, err := connection.CreateDataChannel(
			given.Label, &webrtc.DataChannelInit{Protocol: &given.Protocol},
		)
		if err != nil {
			return err
		}
		echo(channel)
		offer, err := connection.CreateOffer(nil)
		if err != nil {
			return err
		}
		return describe(connection, offer)
	case "answer":
		offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: given.SDP}
		if err := connection.SetRemoteDescription(offer); err != nil {
			return err
		}
		answer, err := connection.CreateAnswer(nil)
		if err != nil {
			return err
		}
		return describe(connection, answer)
	case "accept":
		answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: given.SDP}
		return connection.SetRemoteDescription(answer)
	default:
		return fmt.Errorf("no such command: %s", given.Command)
	}
}

// describe tells the description, with all candidates.
func describe(connection *webrtc.PeerConnection, description webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(connection)
	if err := connection.SetLocalDescription(description); err != nil {
		return err
	}
	<-gathered
	tell(event{Event: "described", SDP: connection.LocalDescription().SDP})
	return nil
}

// echo sends back what comes, in pieces of another length.
func echo(channel *webrtc.DataChannel) {
	var held []byte
	channel.OnOpen(func() {
		tell(event{Event: "open", Label: channel.Label(), Protocol: channel.Protocol()})
	})
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		if message.IsString {
			check(channel.SendText(string(message.Data)))
			return
		}
		held = append(held, message.Data...)
		for len(held) >= pieceLength {
			check(channel.Send(held[:pieceLength]))
			held = held[pieceLength:]
		}
	})
}

var telling sync.Mutex

func tell(told event) {
	telling.Lock()
	defer telling.Unlock()
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
