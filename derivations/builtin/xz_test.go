package builtin

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	libxz "github.com/mikelolasagasti/xz"
	"github.com/ulikunitz/xz"
)

// multiBlock writes data as one .xz stream with a block for every size bytes, by
// joining the blocks of streams of their own.
func multiBlock(t testing.TB, data []byte, size int) []byte {
	t.Helper()
	var out, records []byte
	count := 0
	for len(data) > 0 || count == 0 {
		n := min(size, len(data))
		stream := singleStream(t, data[:n])
		data = data[n:]
		read, ok := readXZStream(io.NewSectionReader(bytes.NewReader(stream), 0, int64(len(stream))))
		if !ok || len(read.blocks) != 1 {
			t.Fatalf("the stream is not read as one block: %t", ok)
		}
		b := read.blocks[0]
		if count == 0 {
			out = append(out, stream[:xzHeaderSize]...)
		}
		out = append(out, stream[b.at:b.at+b.padded()]...)
		records = binary.AppendUvarint(records, uint64(b.unpadded))
		records = binary.AppendUvarint(records, uint64(b.size))
		count++
	}
	index := append([]byte{0}, binary.AppendUvarint(nil, uint64(count))...)
	index = append(index, records...)
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	tail := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	tail = append(tail, out[6:8]...)
	out = append(out, index...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(tail))
	out = append(out, tail...)
	return append(out, xzFooterEnd...)
}

func singleStream(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&out)
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

func randomText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"the ", "quick ", "brown ", "fox\n", "\x00\x01", "jumps "}
	var out []byte
	for len(out) < n {
		out = append(out, words[r.IntN(len(words))]...)
	}
	return out[:n]
}

func readXZ(t testing.TB, data []byte, workers int) ([]byte, bool, error) {
	t.Helper()
	r, err := newXZReader(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), workers)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	_, parallel := r.(*parallelXZ)
	out, err := io.ReadAll(r)
	return out, parallel, err
}

func TestXZParallelEqualsSequential(t *testing.T) {
	data := randomText(1<<20 + 17)
	stream := multiBlock(t, data, 100_000)
	for _, workers := range []int{1, 2, 5} {
		got, parallel, err := readXZ(t, stream, workers)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d workers: %d bytes, %v", workers, len(got), err)
		}
		if parallel != (workers > 1) {
			t.Errorf("%d workers: parallel is %t", workers, parallel)
		}
	}
}

// TestXZAgreesWithTool reads what the xz program writes, and what it joins.
func TestXZAgreesWithTool(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("xz is not installed: apt-get install xz-utils")
	}
	data := randomText(500_000)
	pack := func(args ...string) []byte {
		cmd := exec.Command("xz", append([]string{"-c"}, args...)...)
		cmd.Stdin = bytes.NewReader(data)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	blocks := pack("-T2", "--block-size=50000")
	for name, test := range map[string]struct {
		stream   []byte
		copies   int
		parallel bool
	}{
		"one block":   {pack("-T1"), 1, false},
		"many blocks": {blocks, 1, true},
		"BCJ filter":  {pack("--x86", "--lzma2=preset=6", "--block-size=60000"), 1, false},
		"CRC32":       {pack("--check=crc32", "--block-size=60000"), 1, true},
		"SHA-256":     {pack("--check=sha256", "--block-size=60000"), 1, true},
		"no check":    {pack("--check=none", "--block-size=60000"), 1, true},
		"contexts":    {pack("--lzma2=lc=1,lp=3,pb=4,dict=4KiB"), 1, false},
		"stored":      {pack("-0", "--lzma2=mode=fast,dict=4KiB,nice=2,mf=hc3,depth=1"), 1, false},
		"two streams": {append(bytes.Clone(blocks), blocks...), 2, false},
		"padding":     {append(bytes.Clone(blocks), 0, 0, 0, 0), 1, false},
	} {
		got, parallel, err := readXZ(t, test.stream, 2)
		if err != nil || !bytes.Equal(got, bytes.Repeat(data, test.copies)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if parallel != test.parallel {
			t.Errorf("%s: parallel is %t", name, parallel)
		}
	}
}

// TestXZDamage changes every byte of a stream: no change may go unnoticed, other
// than in what nothing depends on.
func TestXZDamage(t *testing.T) {
	data := randomText(300)
	stream := multiBlock(t, data, 100)
	for i := range stream {
		damaged := bytes.Clone(stream)
		damaged[i] ^= 0x10
		if got, _, err := readXZ(t, damaged, 2); err == nil && !bytes.Equal(got, data) {
			t.Errorf("byte %d: damage went unnoticed", i)
		}
	}
	for n := range len(stream) {
		if _, _, err := readXZ(t, stream[:n], 2); err == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
}

func TestXZRefusesHugeDictionary(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("xz is not installed: apt-get install xz-utils")
	}
	cmd := exec.Command("xz", "-c", "--lzma2=dict=256MiB")
	cmd.Stdin = bytes.NewReader(randomText(1000))
	stream, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := readXZ(t, stream, 2); err == nil {
		t.Error("a dictionary of 256 MiB was accepted")
	}
}

func TestXZCloseEarly(t *testing.T) {
	stream := multiBlock(t, randomText(1<<20), 10_000)
	r, err := newXZReader(io.NewSectionReader(bytes.NewReader(stream), 0, int64(len(stream))), 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 15_000)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a closed reader reads")
	}
}

// FuzzXZ compares with the decoder of all that .xz may be.
func FuzzXZ(f *testing.F) {
	f.Add(multiBlock(f, randomText(300), 100))
	f.Add(singleStream(f, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		sequential, _, err1 := readXZ(t, data, 1)
		parallel, _, err2 := readXZ(t, data, 2)
		if (err1 == nil) != (err2 == nil) || err1 == nil && !bytes.Equal(sequential, parallel) {
			t.Fatalf("sequential %d bytes, %v; parallel %d bytes, %v", len(sequential), err1, len(parallel), err2)
		}
		if err1 != nil {
			return
		}
		r, err := libxz.NewReader(bytes.NewReader(data), maxXZDict)
		if err != nil {
			t.Fatalf("accepted, the other decoder says %v", err)
		}
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(sequential, want) {
			t.Fatalf("%d bytes; the other decoder has %d bytes, %v", len(sequential), len(want), err)
		}
	})
}

// BenchmarkXZ decodes $SYSC_BENCH_XZ, an .xz file.
func BenchmarkXZ(b *testing.B) {
	name := os.Getenv("SYSC_BENCH_XZ")
	if name == "" {
		b.Skip("set SYSC_BENCH_XZ to an .xz file")
	}
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	for _, workers := range []int{1, 2} {
		b.Run(map[int]string{1: "sequential", 2: "parallel"}[workers], func(b *testing.B) {
			for b.Loop() {
				r, err := newXZReader(io.NewSectionReader(f, 0, info.Size()), workers)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(sha256.New(), r)
				if err != nil {
					b.Fatal(err)
				}
				r.Close()
				b.SetBytes(n)
			}
		})
	}
}
