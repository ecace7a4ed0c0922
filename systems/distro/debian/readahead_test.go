package debian

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadAhead(t *testing.T) {
	for _, size := range []int{0, 1, aheadBlock - 1, aheadBlock, aheadBlock + 1, aheadBlock*(aheadBlocks+2) + 7} {
		want := bytes.Repeat([]byte("0123456789a"), size/11+1)[:size]
		for name, r := range map[string]io.Reader{
			"all": bytes.NewReader(want), "error with data": iotest.DataErrReader(bytes.NewReader(want)), "halves": iotest.HalfReader(bytes.NewReader(want)),
		} {
			a := newReadAhead(r)
			got, err := io.ReadAll(a)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %s: got %d bytes, error %v", size, name, len(got), err)
			}
			a.Close()
			a.Close()
		}
	}
}

func TestReadAheadError(t *testing.T) {
	broken := errors.New("broken")
	a := newReadAhead(io.MultiReader(bytes.NewReader(make([]byte, 100)), iotest.ErrReader(broken)))
	defer a.Close()
	got, err := io.ReadAll(a)
	if len(got) != 100 || !errors.Is(err, broken) {
		t.Errorf("got %d bytes, error %v", len(got), err)
	}
}

// TestReadAheadClose ends a reader in the middle of an endless stream.
func TestReadAheadClose(t *testing.T) {
	a := newReadAhead(endless{})
	if _, err := io.ReadFull(a, make([]byte, aheadBlock+1)); err != nil {
		t.Fatal(err)
	}
	a.Close()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
