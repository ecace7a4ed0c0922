package lzma2

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ulikunitz/xz/lzma"
)

// pack writes data as a raw LZMA2 stream.
func pack(t testing.TB, data []byte, c lzma.Writer2Config) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := c.NewWriter2(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpack(d *Decoder, stream []byte, dict int, size int64) ([]byte, error) {
	d.Reset(bufio.NewReader(bytes.NewReader(stream)), dict, size)
	var out bytes.Buffer
	_, err := io.Copy(&out, struct{ io.Reader }{d})
	return out.Bytes(), err
}

// mixed is text, noise, runs of one byte and copies from far behind.
func mixed(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	var out []byte
	for len(out) < n {
		switch k := 1 + r.IntN(5000); r.IntN(4) {
		case 0:
			for range k {
				out = append(out, byte(r.Uint32()))
			}
		case 1:
			out = append(out, bytes.Repeat([]byte{byte(k)}, k)...)
		case 2:
			for range k {
				out = append(out, "etaoin shrdlu\n"[r.IntN(14)])
			}
		case 3:
			if len(out) > k {
				from := r.IntN(len(out) - k)
				out = append(out, out[from:from+k]...)
			}
		}
	}
	return out[:n]
}

func TestDecoder(t *testing.T) {
	var d Decoder
	for name, c := range map[string]struct {
		size   int // negative: of 32 KiB over and over, which is packed quickly
		config lzma.Writer2Config
	}{
		"empty":               {0, lzma.Writer2Config{DictCap: 1 << 12}},
		"a byte":              {1, lzma.Writer2Config{DictCap: 1 << 12}},
		"several chunks":      {5 << 20, lzma.Writer2Config{DictCap: 1 << 20}},
		"the window moves on": {-(slack + 5<<20), lzma.Writer2Config{DictCap: 1 << 16}},
		"other contexts":      {1 << 20, lzma.Writer2Config{DictCap: 1 << 16, Properties: &lzma.Properties{LC: 0, LP: 2, PB: 0}}},
		"all contexts":        {1 << 20, lzma.Writer2Config{DictCap: 1 << 16, Properties: &lzma.Properties{LC: 2, LP: 2, PB: 4}}},
	} {
		data := mixed(max(c.size, 32<<10))
		if c.size < 0 {
			data = bytes.Repeat(data, -c.size/len(data))
		} else {
			data = data[:c.size]
		}
		stream := pack(t, data, c.config)
		got, err := unpack(&d, append(bytes.Clone(stream), "behind"...), c.config.DictCap, int64(len(data)))
		if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
			t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(data), err)
		}
		if d.Consumed() != int64(len(stream)) {
			t.Errorf("%s: %d bytes consumed, the stream has %d", name, d.Consumed(), len(stream))
		}
		for _, n := range []int{0, len(stream) / 2, len(stream) - 1} {
			if _, err := unpack(&d, stream[:n], c.config.DictCap, int64(len(data))); err != io.ErrUnexpectedEOF {
				t.Errorf("%s: cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestDecoderRefuses gives streams that no encoder writes.
func TestDecoderRefuses(t *testing.T) {
	stream := pack(t, mixed(100_000), lzma.Writer2Config{DictCap: 1 << 16})
	stored := []byte{1, 0, 0, 'a'}
	for name, c := range map[string]struct {
		stream []byte
		dict   int
		size   int64
	}{
		"longer than it may be":      {stream, 1 << 16, 99_999},
		"distances beyond the start": {append([]byte{1, 0, 0, 'a', stream[0]&0x1f | 0xe0}, damageDistance(stream[1:])...), 1 << 12, 200_000},
		"no dictionary yet":          {[]byte{2, 0, 0, 'a', 0}, 1 << 12, 100},
		"no properties yet":          {append(bytes.Clone(stored), 0x80, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0), 1 << 12, 100},
		"unknown control byte":       {append(bytes.Clone(stored), 3, 0, 0, 'a'), 1 << 12, 100},
		"properties out of range":    {[]byte{0xe0, 0, 0, 0, 5, 225, 0, 0, 0, 0, 0, 0}, 1 << 12, 100},
		"lc + lp over 4":             {[]byte{0xe0, 0, 0, 0, 5, 4*9 + 1, 0, 0, 0, 0, 0, 0}, 1 << 12, 100},
		"a chunk without a begin":    {[]byte{0xe0, 0, 0, 0, 3, 93, 0, 0, 0, 0, 0}, 1 << 12, 100},
		"a range that begins with 1": {[]byte{0xe0, 0, 0, 0, 5, 93, 1, 0, 0, 0, 0, 0}, 1 << 12, 100},
	} {
		if _, err := unpack(new(Decoder), c.stream, c.dict, c.size); err != ErrDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// damageDistance changes the first bits of a chunk, so that it begins with a match.
func damageDistance(chunk []byte) []byte {
	chunk = bytes.Clone(chunk)
	for i := range 4 {
		chunk[6+i] = 0xff
	}
	return chunk
}

func TestDictSize(t *testing.T) {
	for property, want := range map[byte]int{0: 4 << 10, 1: 6 << 10, 22: 8 << 20, 28: 64 << 20} {
		if got, err := DictSize(property); err != nil || got != want {
			t.Errorf("property %d: %d, %v", property, got, err)
		}
	}
	for _, property := range []byte{29, 40, 41, 255} {
		if got, err := DictSize(property); err == nil {
			t.Errorf("property %d: %d", property, got)
		}
	}
}

// FuzzDecoder checks that nothing but bytes or an error comes out, in bounds.
func FuzzDecoder(f *testing.F) {
	f.Add(pack(f, mixed(3000), lzma.Writer2Config{DictCap: 1 << 12}))
	f.Add([]byte{1, 0, 0, 'a', 2, 0, 0, 'b', 0})
	var d Decoder
	f.Fuzz(func(t *testing.T, stream []byte) {
		const most = 1 << 22
		out, err := unpack(&d, stream, 1<<12, most)
		if err == nil && (len(stream) == 0 || d.Consumed() > int64(len(stream))) {
			t.Fatalf("%d of %d bytes consumed", d.Consumed(), len(stream))
		}
		again, err2 := unpack(new(Decoder), stream, 1<<12, most)
		if !bytes.Equal(out, again) || (err == nil) != (err2 == nil) {
			t.Fatalf("a decoder that was used makes %d bytes, %v; a new one %d, %v", len(out), err, len(again), err2)
		}
	})
}
