// Command pion_dtls is one end of a DTLS 1.2 connection made by pion/dtls, as the other end for the
// project's tests. It connects or waits for one client, says on stdout what happens, and echoes
// every record it gets, up to one that says "bye".
//
// Both ends show a certificate, and each is compared with the one that was announced, as in WebRTC.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
)

// patience is how long a handshake may take.
const patience = 30 * time.Second

// bye is the record that asks to close.
const bye = "bye"

var suites = []dtls.CipherSuiteID{
	dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

var curves = map[string]elliptic.Curve{
	"X25519": elliptic.X25519,
	"P-256":  elliptic.P256,
}

// settings is what the arguments ask for.
type settings struct {
	connect     string
	certificate string
	key         string
	peer        string
	suite       string
	curve       string
	mtu         int
	interval    time.Duration
	skipCookie  bool
}

func main() {
	var given settings
	flag.StringVar(&given.connect, "connect", "", "the server's `address`; without it, be the server")
	flag.StringVar(&given.certificate, "certificate", "", "our certificate, a PEM `file`")
	flag.StringVar(&given.key, "key", "", "its private key, a PEM `file`")
	flag.StringVar(&given.peer, "peer", "", "the one certificate to accept, a PEM `file`")
	flag.StringVar(&given.suite, "suite", "", "the one cipher suite, by its IANA `name`; else all")
	flag.StringVar(&given.curve, "curve", "", "the one curve, X25519 or P-256; else both")
	flag.IntVar(&given.mtu, "mtu", 1200, "no handshake datagram is longer, in `bytes`")
	flag.DurationVar(&given.interval, "interval", time.Second, "after so long a flight is sent again")
	flag.BoolVar(&given.skipCookie, "skip-cookie", false, "as a server, send no HelloVerifyRequest")
	flag.Parse()

	// Whoever started us has ended, or wants us to.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(given); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func run(given settings) error {
	options, err := optionsOf(given)
	if err != nil {
		return err
	}
	conn, err := open(given, options)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()

	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := conn.HandshakeContext(limit); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("the connection has no state")
	}
	fmt.Println("connected with", dtls.CipherSuiteName(state.CipherSuiteID))
	return echo(conn)
}

// open makes the connection, the handshake of which is yet to come.
func open(given settings, options []dtls.Option) (*dtls.Conn, error) {
	if given.connect != "" {
		address, err := net.ResolveUDPAddr("udp4", given.connect)
		if err != nil {
			return nil, err
		}
		return dtls.DialWithOptions("udp4", address, sharedBy[dtls.ClientOption](options)...)
	}
	listener, err := dtls.ListenWithOptions("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
		append(sharedBy[dtls.ServerOption](options),
			dtls.WithClientAuth(dtls.RequireAnyClientCert),
			dtls.WithInsecureSkipVerifyHello(given.skipCookie))...)
	if err != nil {
		return nil, err
	}
	fmt.Println("listening on", listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	accepted, ok := conn.(*dtls.Conn)
	if !ok {
		return nil, fmt.Errorf("accepted a %T", conn)
	}
	return accepted, nil
}

// optionsOf gives what holds for both roles.
func optionsOf(given settings) ([]dtls.Option, error) {
	own, err := tls.LoadX509KeyPair(given.certificate, given.key)
	if err != nil {
		return nil, err
	}
	announced, err := readCertificate(given.peer)
	if err != nil {
		return nil, err
	}
	offered, err := suitesNamed(given.suite)
	if err != nil {
		return nil, err
	}
	options := []dtls.Option{
		dtls.WithCertificates(own),
		dtls.WithCipherSuites(offered...),
		// As pion/webrtc has them: without any it refuses those who offer some.
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithMTU(given.mtu),
		dtls.WithFlightInterval(given.interval),
		// There is no authority to ask: the certificate is known.
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(chain [][]byte, _ [][]*x509.Certificate) error {
			if len(chain) == 0 || !bytes.Equal(chain[0], announced) {
				return errors.New("the certificate is not the one that was announced")
			}
			return nil
		}),
	}
	if given.curve != "" {
		curve, ok := curves[given.curve]
		if !ok {
			return nil, fmt.Errorf("no curve %q", given.curve)
		}
		options = append(options, dtls.WithEllipticCurves(curve))
	}
	return options, nil
}

func suitesNamed(name string) ([]dtls.CipherSuiteID, error) {
	if name == "" {
		return suites, nil
	}
	for _, suite := range suites {
		if dtls.CipherSuiteName(suite) == name {
			return []dtls.CipherSuiteID{suite}, nil
		}
	}
	return nil, fmt.Errorf("no cipher suite %q", name)
}

func readCertificate(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("no PEM in %s", path)
	}
	return block.Bytes, nil
}

// sharedBy turns the options of both roles into those of one.
func sharedBy[To any](options []dtls.Option) []To {
	converted := make([]To, 0, len(options))
	for _, option := range options {
		converted = append(converted, option.(To))
	}
	return converted
}

// echo sends every record back, until one asks to close or the other end has closed.
func echo(conn *dtls.Conn) error {
	buffer := make([]byte, 16_384)
	for {
		length, err := conn.Read(buffer)
		if errors.Is(err, io.EOF) {
			fmt.Println("closed by the other end")
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if strings.TrimSpace(string(buffer[:length])) == bye {
			return nil
		}
		if _, err := conn.Write(buffer[:length]); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}
