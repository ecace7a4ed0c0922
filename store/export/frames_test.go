package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/sign"
)

// A rawFrame is a frame of a stream that a test makes or changes.
type rawFrame struct {
	kind    kind
	payload []byte
}

// split takes a stream apart as far as it can be.
func split(data []byte) (frames []rawFrame) {
	data = data[min(len(data), len(magic)):]
	for len(data) >= frameHead {
		n := binary.LittleEndian.Uint64(data[1:])
		n = min(n, uint64(len(data)-frameHead))
		frames = append(frames, rawFrame{kind(data[0]), bytes.Clone(data[frameHead : frameHead+n])})
		data = data[frameHead+n:]
	}
	return frames
}

// seal makes a stream of frames, with the right length, number of records and
// digests: what somebody would do who wants to be believed.
func seal(frames []rawFrame) []byte {
	total, records := len(magic), 0
	for _, f := range frames {
		total += frameHead + len(f.payload)
		if f.kind == kindRecord {
			records++
		}
	}
	h := sha256.New()
	out := []byte(magic)
	h.Write(out)
	for _, f := range frames {
		switch {
		case f.kind == kindHeader && len(f.payload) == headerLen:
			f.payload = binary.LittleEndian.AppendUint64(nil, uint64(total))
			f.payload = binary.LittleEndian.AppendUint64(f.payload, uint64(records))
		case (f.kind == kindContents || f.kind == kindEnd) && len(f.payload) == sha256.Size:
			f.payload = h.Sum(nil)
		}
		head := binary.LittleEndian.AppendUint64([]byte{byte(f.kind)}, uint64(len(f.payload)))
		hashed := f.payload
		if f.kind == kindBlob {
			hashed = hashed[:min(len(hashed), sha256.Size)]
		}
		h.Write(head)
		h.Write(hashed)
		out = append(append(out, head...), f.payload...)
	}
	return out
}

// A small store has two objects, one of which refers to the other.
func newSmall(t testing.TB) (s *localstore.Store, lib, app store.Object) {
	s = newStore(t)
	lib = addFiles(t, s, localstore.AddOptions{Name: "lib"}, "a=1")
	app = addFiles(t, s, localstore.AddOptions{Name: "app", Candidates: []store.Path{lib.Path}}, "d/f="+lib.Path.ID())
	app.Deriver = "drv"
	r := store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: app.Path}
	must(t, s.Register(t.Context(), []store.Object{lib, app}, []store.Realisation{r}))
	return s, lib, app
}

// smallStream is signed by "a".
func smallStream(t testing.TB) (src *localstore.Store, data []byte) {
	src, _, app := newSmall(t)
	return src, exportBytes(t, src, ExportOptions{Realisations: true, Sign: []sign.SecretKey{testKey(t, "a")}}, app.Path)
}

func count(t testing.TB, s *localstore.Store) int {
	t.Helper()
	paths, err := s.Objects(context.Background())
	must(t, err)
	return len(paths)
}

// The tests' own tools do nothing to a good stream.
func TestSeal(t *testing.T) {
	_, data := smallStream(t)
	if got := seal(split(data)); !bytes.Equal(got, data) {
		t.Errorf("got\n%q\nwant\n%q", got, data)
	}
}
