package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/sign"
	"sysc/store/tree"
)

// Whichever byte of a stream changes, it is refused, and nothing wrong is valid
// afterwards.
func TestFlipped(t *testing.T) {
	src, data := smallStream(t)
	want := state(t, src)
	opts := ImportOptions{Trusted: trust(t, testKey(t, "a")), AllowUnsigned: true}
	dst := newStore(t)
	unread := blobBytes(data)
	for i := range data {
		for _, bit := range []byte{0x01, 0x20, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= bit
			// A blob that the store has is not read.
			if _, err := importBytes(dst, bad, opts); err == nil && !unread[i] {
				t.Errorf("byte %d ^ %#x was accepted", i, bit)
			}
			paths, err := dst.Objects(t.Context())
			must(t, err)
			if len(paths) == 0 {
				continue
			}
			for _, p := range paths {
				o, err := dst.Object(t.Context(), p)
				must(t, err)
				if !strings.Contains(want, fmt.Sprintf("%+v\n", o)) {
					t.Errorf("byte %d ^ %#x: %+v became valid", i, bit, o)
				}
			}
			verify(t, dst)
			must(t, dst.Close())
			dst = newStore(t)
		}
	}
	if _, err := importBytes(dst, data, opts); err != nil {
		t.Errorf("after all that: %v", err)
	}
	verify(t, dst)
}

// blobBytes returns the offsets of the contents of blobs.
func blobBytes(data []byte) map[int]bool {
	out := map[int]bool{}
	at := len(magic)
	for _, f := range split(data) {
		at += frameHead
		for i := sha256.Size; f.kind == kindBlob && i < len(f.payload); i++ {
			out[at+i] = true
		}
		at += len(f.payload)
	}
	return out
}

// Streams that are sealed well and wrong all the same.
func TestHostile(t *testing.T) {
	_, data := smallStream(t)
	good := split(data)
	find := func(frames []rawFrame, k kind, nth int) int {
		for i, f := range frames {
			if f.kind == k {
				if nth == 0 {
					return i
				}
				nth--
			}
		}
		t.Fatalf("no %s", k)
		return 0
	}
	insert := func(at int, f ...rawFrame) func([]rawFrame) []rawFrame {
		return func(frames []rawFrame) []rawFrame { return slices.Insert(frames, at, f...) }
	}
	drop := func(k kind, nth int) func([]rawFrame) []rawFrame {
		return func(frames []rawFrame) []rawFrame {
			i := find(frames, k, nth)
			return slices.Delete(frames, i, i+1)
		}
	}
	swap := func(k kind, a, b int) func([]rawFrame) []rawFrame {
		return func(frames []rawFrame) []rawFrame {
			i, j := find(frames, k, a), find(frames, k, b)
			frames[i], frames[j] = frames[j], frames[i]
			return frames
		}
	}
	set := func(k kind, nth int, payload []byte) func([]rawFrame) []rawFrame {
		return func(frames []rawFrame) []rawFrame {
			frames[find(frames, k, nth)].payload = payload
			return frames
		}
	}
	changeRecord := func(nth int, change func(o *store.Object)) func([]rawFrame) []rawFrame {
		return func(frames []rawFrame) []rawFrame {
			f := &frames[find(frames, kindRecord, nth)]
			o, err := store.DecodeRecord(f.payload)
			must(t, err)
			change(&o)
			f.payload = store.EncodeRecord(&o)
			return frames
		}
	}
	lastTree := func(change func(tr *tree.Tree)) func([]rawFrame) []rawFrame {
		return func(frames []rawFrame) []rawFrame {
			f := &frames[find(frames, kindTree, 2)]
			tr, err := tree.Decode(f.payload)
			must(t, err)
			change(tr)
			f.payload, err = tr.Encode()
			must(t, err)
			return frames
		}
	}
	contents := find(good, kindContents, 0)
	need := rawFrame{kindNeed, []byte(idOf("n") + "-need")}
	for name, tt := range map[string]struct {
		change func([]rawFrame) []rawFrame
		want   string
	}{
		"no header":       {drop(kindHeader, 0), "no header"},
		"two headers":     {insert(1, good[0]), "not in its place"},
		"short header":    {set(kindHeader, 0, make([]byte, 15)), "no header"},
		"unknown frame":   {insert(1, rawFrame{'x', nil}), "unknown type 'x'"},
		"unknown content": {insert(contents+1, rawFrame{'x', nil}), "unknown type 'x'"},
		"late need":       {insert(contents, need), "not in its place"},
		"need twice":      {insert(1, need, need), "not in its place"},
		"need no path":    {insert(1, rawFrame{kindNeed, []byte("x")}), "store path"},
		"need missing":    {insert(1, need), "builds on"},
		"signature first": {insert(1, good[find(good, kindSignature, 0)]), "not in its place"},
		"signature twice": {insert(3, good[find(good, kindSignature, 0)]), "not in its place"},
		"no signature":    {set(kindSignature, 0, []byte("a:b")), "signature"},
		"records swapped": {swap(kindRecord, 0, 1), "does not come before it"},
		"record twice":    {insert(2, good[1]), "there twice"},
		"record missing":  {drop(kindRecord, 0), "not in its place"},
		"reference missing": {func(frames []rawFrame) []rawFrame {
			i := find(frames, kindRecord, 0)
			return slices.Delete(frames, i, i+2) // and its signature
		}, "does not come before it"},
		"no record":               {set(kindRecord, 0, []byte("sysc record 9\n")), "decode record"},
		"bad deriver":             {changeRecord(1, func(o *store.Object) { o.Deriver = "\x1b[2J" }), "deriver"},
		"realisation of nothing":  {set(kindRealisation, 0, []byte(store.DerivationHash{}.String()+" out "+idOf("x")+"-x")), "does not have"},
		"realisation, bad output": {set(kindRealisation, 0, []byte(store.DerivationHash{}.String()+" ../x "+idOf("x")+"-x")), "realisation"},
		"realisation twice":       {insert(contents, good[find(good, kindRealisation, 0)]), "not in its place"},
		"record after them":       {insert(contents, good[find(good, kindRecord, 0)]), "not in its place"},
		"contents twice":          {insert(contents+1, rawFrame{kindContents, make([]byte, 32)}), "not in its place"},
		"short digest":            {set(kindContents, 0, make([]byte, 31)), "of 31 bytes"},
		"no contents":             {drop(kindContents, 0), "not in its place"},
		"blob missing":            {drop(kindBlob, 0), "neither the stream nor the store has the blob"},
		"blob without digest":     {set(kindBlob, 0, make([]byte, 31)), "of 31 bytes"},
		"other blob":              {set(kindBlob, 0, append(make([]byte, 32), "other"...)), "its contents have digest"},
		"tree missing":            {drop(kindTree, 1), "neither the stream nor the store has the tree"},
		"top tree missing":        {drop(kindTree, 2), "neither the stream nor the store has the tree"},
		"trees swapped":           {swap(kindTree, 1, 2), "neither the stream nor the store has the tree"},
		"no tree":                 {set(kindTree, 0, []byte("sysctree")), "decode tree"},
		"directory's size":        {lastTree(func(tr *tree.Tree) { tr.Entries[0].Size++ }), "the listing says"},
		"file's size": {func(frames []rawFrame) []rawFrame {
			f := &frames[find(frames, kindTree, 0)]
			tr, err := tree.Decode(f.payload)
			must(t, err)
			tr.Entries[0].Size++
			f.payload, err = tr.Encode()
			must(t, err)
			return frames
		}, "neither the stream nor the store has the blob"},
		"mark missing":     {drop(kindComplete, 0), "where"},
		"last one missing": {drop(kindComplete, 1), "is complete"},
		"marks swapped":    {swap(kindComplete, 0, 1), "where"},
		"mark too long":    {set(kindComplete, 0, make([]byte, maxText+1)), "at most"},
		"content too many": {insert(len(good)-1, rawFrame{kindBlob, make([]byte, 32)}), "no object is left"},
		"no end":           {drop(kindEnd, 0), "ends too early"},
		"two ends":         {insert(len(good), rawFrame{kindEnd, make([]byte, 32)}), "it has"},
		// What only the store can tell: the id is not what all that gives.
		"another name":       {changeRecord(1, func(o *store.Object) { o.Path = o.Path[:len(o.Path)-3] + "evi" }), "does not have"},
		"reference left out": {changeRecord(1, func(o *store.Object) { o.References = nil }), "give the id"},
		"another tree":       {lastTree(func(tr *tree.Tree) { tr.Entries[0].Name = "e" }), "neither the stream nor the store has the tree"},
		"another kind":       {changeRecord(0, func(o *store.Object) { o.Kind = store.KindRoot }), "give the id"},
		"a file":             {changeRecord(0, func(o *store.Object) { o.Kind = store.KindFile }), "must have one file"},
		"self reference":     {changeRecord(0, func(o *store.Object) { o.SelfReferences = []store.SelfReference{{File: "../a"}} }), "self reference"},
	} {
		t.Run(name, func(t *testing.T) {
			frames := tt.change(slices.Clone(good))
			dst := newStore(t)
			_, err := importBytes(dst, seal(frames), unsigned)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			verify(t, dst)
			if n := count(t, dst); n > 0 && !strings.Contains(fmt.Sprint(err), "breaks off") {
				t.Errorf("%d objects are valid", n)
			}
		})
	}
	trailing := append(slices.Clone(data), 0)
	for _, r := range []io.Reader{bytes.NewReader(trailing), onlyReader{bytes.NewReader(trailing)}} {
		dst := newStore(t)
		if _, err := Import(t.Context(), r, dst, unsigned); err == nil || !strings.Contains(err.Error(), "follows its end") || count(t, dst) > 0 {
			t.Errorf("trailing byte: %v", err)
		}
	}
}

// What a frame claims is not believed: a short stream allocates little.
func TestClaims(t *testing.T) {
	_, data := smallStream(t)
	frames := split(data)
	for _, tt := range []struct {
		at     int // offset of a length
		length uint64
		want   string
	}{
		{len(magic) + frameHead, 1 << 63, "says that it has"},                        // of the whole stream
		{len(magic) + frameHead, 1 << 40, "digest"},                                  // only believed
		{len(magic) + frameHead + headerLen + 1, 1 << 40, "beyond the stream's end"}, // a record
		{len(magic) + frameHead + headerLen + 1, 1<<64 - 1, "beyond the stream's end"},
	} {
		bad := bytes.Clone(data)
		binary.LittleEndian.PutUint64(bad[tt.at:], tt.length)
		if _, err := importBytes(newStore(t), bad, unsigned); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("length %d at %d: %v", tt.length, tt.at, err)
		}
	}
	// A stream of a terabyte, as it says, with a record and a tree of many
	// megabytes, as they say.
	for k, length := range map[kind]uint64{kindRecord: maxTable - 1<<20, kindTree: tree.MaxEncoding} {
		short := []byte(magic)
		h := sha256.New()
		for _, f := range frames {
			head := binary.LittleEndian.AppendUint64([]byte{byte(f.kind)}, uint64(len(f.payload)))
			if f.kind == kindHeader {
				binary.LittleEndian.PutUint64(f.payload, 1<<40)
			}
			if f.kind == kindContents {
				h.Write(short)
				f.payload = h.Sum(nil)
			}
			if f.kind == k {
				binary.LittleEndian.PutUint64(head[1:], length)
			}
			short = append(append(short, head...), f.payload...)
			if f.kind == k {
				break
			}
		}
		dst := newStore(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := importBytes(dst, short, unsigned)
		runtime.ReadMemStats(&after)
		var cut *TruncatedError
		if !errors.As(err, &cut) {
			t.Errorf("%s: %v", k, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%s: %d bytes allocated for a stream of %d", k, got, len(short))
		}
	}
}

// FuzzImport: whatever comes in, what is valid afterwards is sound. With fix, a
// changed stream gets the right lengths and digests, so that it comes further.
func FuzzImport(f *testing.F) {
	src, lib, app := newSmall(f)
	x := newSample(f, false)
	for _, opts := range []ExportOptions{
		{Realisations: true, Sign: []sign.SecretKey{testKey(f, "a")}},
		{Have: []store.Path{lib.Path}},
	} {
		f.Add(exportBytes(f, src, opts, app.Path), true)
	}
	f.Add(x.all(f, ExportOptions{}), true)
	f.Add(x.all(f, ExportOptions{}), false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, fix bool) {
		if fix {
			data = seal(split(data))
		}
		m := newMemory()
		_, err := importBytes(m, data, unsigned)
		if errors.Is(err, errMemory) {
			t.Fatal(err)
		}
		if len(m.objects) == 0 && len(m.realisations) == 0 {
			return
		}
		s, err := localstore.Open(context.Background(), dir+"/store", nil)
		must(t, err)
		defer func() {
			must(t, s.Close())
			makeRemovable(dir + "/store")
			must(t, os.RemoveAll(dir+"/store"))
		}()
		if _, err := importBytes(s, data, unsigned); err == nil {
			if _, err := importBytes(s, data, ImportOptions{}); err != nil {
				t.Errorf("taken, and then refused: %v", err)
			}
		}
		verify(t, s)
	})
}
