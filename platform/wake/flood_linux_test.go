package wake

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/ipv4"
)

// floodRate, floodTime: how much and for how long. Nothing sends more.
const (
	floodRate = 100_000 // packets a second
	floodTime = time.Second
)

// flood sends packets of one kind to 10.77.9.1, and prints how many.
func flood(kind, size string) error {
	n, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	payload, port := make([]byte, n), 4000
	for i := range payload {
		payload[i] = byte(i % 251)
	}
	switch kind {
	case "port":
		port = 9
	case "forged":
		port = 9
		copy(payload, Packet(net.HardwareAddr{2, 9, 9, 9, 9, 9}, nil))
	case "frames":
		return together(func() (int, error) { return floodFrames(payload) })
	}
	return together(func() (int, error) { return floodPort(port, payload) })
}

// together runs a sender twice, each at half the rate: one processor can't send that much.
func together(send func() (int, error)) error {
	type result struct {
		sent int
		err  error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			sent, err := send()
			results <- result{sent, err}
		}()
	}
	a, b := <-results, <-results
	fmt.Println(a.sent + b.sent)
	return errors.Join(a.err, b.err)
}

func floodPort(port int, payload []byte) (int, error) {
	conn, err := net.Dial("udp4", net.JoinHostPort("10.77.9.1", strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	batch := make([]ipv4.Message, 50)
	for i := range batch {
		batch[i].Buffers = [][]byte{payload}
	}
	sender := ipv4.NewPacketConn(conn.(*net.UDPConn))
	return pace(len(batch), func() (int, error) {
		n, err := sender.WriteBatch(batch, 0)
		if err != nil { // as after an ICMP message that the port is closed
			return 0, nil
		}
		return n, nil
	})
}

func floodFrames(payload []byte) (int, error) {
	i, err := net.InterfaceByName("eth0")
	if err != nil {
		return 0, err
	}
	conn, err := packet.Listen(i, packet.Datagram, 0x0842, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return pace(1, func() (int, error) {
		_, err := conn.WriteTo(payload, &packet.Addr{HardwareAddr: net.HardwareAddr(syncBytes)})
		return 1, err
	})
}

// pace calls send for floodTime, for half of floodRate packets a second, and gives how many were sent.
func pace(batch int, send func() (int, error)) (sent int, err error) {
	for began := time.Now(); ; {
		elapsed := time.Since(began)
		if elapsed >= floodTime {
			return sent, nil
		}
		if due := int(elapsed.Seconds() * floodRate / 2); sent+batch > due {
			continue // too short for a timer
		}
		n, err := send()
		if err != nil {
			return sent, err
		}
		sent += n
	}
}

// A network full of other packets costs this process next to nothing: they end in the kernel. Forged magic packets do get through, and are taken
// no faster than readRate. Afterwards a wake is heard as before.
func TestFloodCostsNothing(t *testing.T) {
	c := newCable(t)
	h := c.listen()
	for _, f := range [][2]string{{"other", "64"}, {"other", "1400"}, {"port", "1400"}, {"frames", "120"}, {"forged", "102"}} {
		before := h.used()
		out, err := c.self(2, "flood", f[0], f[1]).Output()
		if err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		share := float64(h.used()-before) / float64(floodTime)
		sent, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s of %s bytes: %d packets in %v, %.2f %% of a processor", f[0], f[1], sent, floodTime, 100*share)
		asked := floodRate * floodTime.Seconds()
		if float64(sent) < asked/10 {
			t.Fatalf("%v: of %.0f packets only %d were sent, of which no flood is made", f, asked, sent)
		}
		// Under the race detector, and beside other tests, everything takes several times as long. A machine that can't send as much must show less,
		// but for what is taken no faster than readRate.
		limit := 0.1
		if f[0] != "forged" {
			limit *= min(1, float64(sent)/asked)
		}
		if share > limit {
			t.Errorf("%v takes %.1f %% of a processor, more than %.1f", f, 100*share, 100*limit)
		}
	}
}
