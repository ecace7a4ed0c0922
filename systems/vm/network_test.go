package vm

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"testing"
	"time"
)

func frameOf(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func join(t *testing.T, n *Network) *os.File {
	t.Helper()
	f, err := n.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return f
}

func expectFrame(t *testing.T, f *os.File, want string) {
	t.Helper()
	got, err := readFrame(f)
	if err != nil || !bytes.Equal(got, frameOf(want)) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestNetwork: what one machine sends all others get, and not itself; one that is gone
// disturbs nobody.
func TestNetwork(t *testing.T) {
	var n Network
	a, b, c := join(t, &n), join(t, &n), join(t, &n)
	send := func(f *os.File, text string) {
		t.Helper()
		if _, err := f.Write(frameOf(text)); err != nil {
			t.Fatal(err)
		}
	}
	send(a, "from a")
	expectFrame(t, b, "from a")
	expectFrame(t, c, "from a")
	send(b, "from b")
	expectFrame(t, a, "from b") // and not its own before
	expectFrame(t, c, "from b")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	send(c, "")
	send(c, "after b")
	expectFrame(t, a, "")
	expectFrame(t, a, "after b")
}

// TestNetworkFrameTooLarge: who does not keep to the form is cut off.
func TestNetworkFrameTooLarge(t *testing.T) {
	var n Network
	a, b := join(t, &n), join(t, &n)
	if _, err := a.Write(binary.BigEndian.AppendUint32(nil, maxFrame+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := readFrame(a); err != io.EOF {
		t.Errorf("reading as who was cut off: %v", err)
	}
	c := join(t, &n)
	if _, err := c.Write(frameOf("still there")); err != nil {
		t.Fatal(err)
	}
	expectFrame(t, b, "still there")
}

// TestNetworkSlow: a machine that takes nothing holds nobody up.
func TestNetworkSlow(t *testing.T) {
	var n Network
	a, b, _ := join(t, &n), join(t, &n), join(t, &n)
	text := string(make([]byte, 32<<10))
	for range 4 * maxQueued {
		if _, err := a.Write(frameOf(text)); err != nil {
			t.Fatal(err)
		}
		expectFrame(t, b, text)
	}
}
