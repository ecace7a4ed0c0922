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

// Wherever a stream breaks off, what is in the store is sound, and more of the
// stream completes it.
func TestTruncated(t *testing.T) {
	_, data := smallStream(t)
	opts := ImportOptions{Trusted: trust(t, testKey(t, "a"))}
	whole := newStore(t)
	_, err := importBytes(whole, data, opts)
	must(t, err)
	for name, reader := range map[string]func([]byte) io.Reader{
		"reader": func(b []byte) io.Reader { return onlyReader{bytes.NewReader(b)} },
		"seeker": func(b []byte) io.Reader { return bytes.NewReader(b) },
	} {
		t.Run(name, func(t *testing.T) {
			dst := newStore(t)
			had := 0
			for n := range data {
				_, err := Import(t.Context(), reader(data[:n]), dst, opts)
				var cut *TruncatedError
				if !errors.As(err, &cut) {
					t.Fatalf("%d bytes: %v", n, err)
				}
				got := count(t, dst)
				if got < had || cut.Arrived != got {
					t.Fatalf("%d bytes: %d objects, %d before, the error says %d: %v", n, got, had, cut.Arrived, err)
				}
				if got > had || n%100 == 0 {
					verify(t, dst)
				}
				had = got
			}
			if had != 2 {
				t.Errorf("%d objects arrived without the last byte", had)
			}
			_, err := Import(t.Context(), reader(data), dst, opts)
			must(t, err)
			if got, want := state(t, dst), state(t, whole); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			verify(t, dst)
		})
	}
	// The same, each time into a new store: at the borders of frames.
	at := len(magic)
	for _, f := range split(data) {
		for _, n := range []int{at, at + frameHead, at + frameHead + len(f.payload)/2} {
			dst := newStore(t)
			_, err := importBytes(dst, data[:n], opts)
			var cut *TruncatedError
			if !errors.As(err, &cut) || cut.Arrived != count(t, dst) || !strings.Contains(err.Error(), "breaks off") {
				t.Errorf("%d bytes: %v", n, err)
			}
			verify(t, dst)
			if _, err := importBytes(dst, data, opts); err != nil {
				t.Errorf("%d bytes, then all: %v", n, err)
			}
			if got, want := state(t, dst), state(t, whole); got != want {
				t.Errorf("%d bytes, then all: got\n%s\nwant\n%s", n, got, want)
			}
			must(t, dst.Close())
		}
		at += frameHead + len(f.payload)
	}
}

// A source that fails is not one that ends.
func TestBrokenReader(t *testing.T) {
	_, data := smallStream(t)
	failure := errors.New("connection reset")
	dst := newStore(t)
	r := io.MultiReader(bytes.NewReader(data[:len(data)-20]), errorReader{failure})
	_, err := Import(t.Context(), r, dst, unsigned)
	var cut *TruncatedError
	if !errors.As(err, &cut) || !errors.Is(err, failure) || cut.Arrived != 2 || cut.Total != 2 || count(t, dst) != 2 {
		t.Errorf("%v", err)
	}
	verify(t, dst)
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

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

func TestTrust(t *testing.T) {
	ctx := t.Context()
	src, lib, app := newSmall(t)
	a, b, ci := testKey(t, "a"), testKey(t, "b"), testKey(t, "ci-1")
	impostor, err := sign.Generate("a")
	must(t, err)
	export := func(keys ...sign.SecretKey) []byte {
		return exportBytes(t, src, ExportOptions{Realisations: true, Sign: keys}, app.Path)
	}
	// One of the objects only.
	half := newStore(t)
	_, err = importBytes(half, export(), unsigned)
	must(t, err)
	must(t, half.AddSignatures(ctx, map[store.Path][]sign.Signature{lib.Path: {a.Sign(sign.Object(&lib))}}, nil))
	first := exportBytes(t, half, ExportOptions{}, app.Path)
	// Objects, but not their realisation.
	must(t, half.AddSignatures(ctx, map[store.Path][]sign.Signature{app.Path: {a.Sign(sign.Object(&app))}}, nil))
	noRealisation := exportBytes(t, half, ExportOptions{Realisations: true}, app.Path)
	for _, tt := range []struct {
		name    string
		data    []byte
		trusted []sign.SecretKey
		want    string // of the error; "" when it is taken
	}{
		{"trusted", export(a), []sign.SecretKey{a}, ""},
		{"one of two", export(a, b), []sign.SecretKey{b, ci}, ""},
		{"nobody trusted", export(a), nil, `object ` + string(lib.Path) + `: signed by "a", which is not trusted`},
		{"somebody else", export(ci), []sign.SecretKey{a}, `signed by "ci-1", which is not trusted`},
		{"others", export(ci, b), []sign.SecretKey{a}, `signed by "b", "ci-1", none of which is trusted`},
		{"unsigned", export(), []sign.SecretKey{a}, `object ` + string(lib.Path) + `: not signed`},
		{"impostor", export(impostor), []sign.SecretKey{a}, `the signature of "a" is wrong`},
		{"impostor and the right one", export(impostor, a), []sign.SecretKey{a}, ""},
		{"not all", first, []sign.SecretKey{a}, `object ` + string(app.Path) + `: not signed`},
		{"realisation", noRealisation, []sign.SecretKey{a}, `output "out", as ` + string(app.Path) + `: not signed`},
	} {
		dst := newStore(t)
		opts := ImportOptions{Trusted: trust(t, tt.trusted...)}
		_, err := importBytes(dst, tt.data, opts)
		if tt.want == "" {
			if err != nil || count(t, dst) != 2 {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var untrusted *UntrustedError
		if !errors.As(err, &untrusted) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		// Nothing at all was written.
		if found, err := dst.HasBlob(ctx, store.DigestOf([]byte("1")), 1); count(t, dst) > 0 || found || err != nil {
			t.Errorf("%s: %d objects, blob %v, %v", tt.name, count(t, dst), found, err)
		}
		opts.AllowUnsigned = true
		if _, err := importBytes(dst, tt.data, opts); err != nil || count(t, dst) != 2 {
			t.Errorf("%s: unsigned ones allowed: %v", tt.name, err)
		}
		sigs, err := dst.Signatures(ctx, lib.Path)
		must(t, err)
		for _, s := range sigs {
			if opts.Trusted.Has(s.Key) && len(opts.Trusted.Verify(sign.Object(&lib), []sign.Signature{s})) == 0 {
				t.Errorf("%s: a wrong signature was kept: %s", tt.name, s)
			}
		}
		// What is there needs nobody's word.
		if _, err := importBytes(dst, tt.data, ImportOptions{}); err != nil {
			t.Errorf("%s: again: %v", tt.name, err)
		}
		must(t, dst.Close())
	}
	// Signatures come to what is there already.
	dst := newStore(t)
	_, err = importBytes(dst, export(), unsigned)
	must(t, err)
	_, err = importBytes(dst, export(ci), ImportOptions{})
	must(t, err)
	if sigs, err := dst.Signatures(ctx, lib.Path); err != nil || len(sigs) != 1 || sigs[0].Key != "ci-1" {
		t.Errorf("%v, %v", sigs, err)
	}
}

// A signature is worth nothing for another object.
func TestSignatureMoved(t *testing.T) {
	_, data := smallStream(t)
	frames := split(data)
	var signatures []int
	for i, f := range frames {
		if f.kind == kindSignature {
			signatures = append(signatures, i)
		}
	}
	i, j := signatures[0], signatures[1]
	frames[i].payload, frames[j].payload = frames[j].payload, frames[i].payload
	_, err := importBytes(newStore(t), seal(frames), ImportOptions{Trusted: trust(t, testKey(t, "a"))})
	if err == nil || !strings.Contains(err.Error(), `the signature of "a" is wrong`) {
		t.Errorf("%v", err)
	}
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

// countingSeeker counts what is read.
type countingSeeker struct {
	*bytes.Reader
	read int
}

func (r *countingSeeker) Read(buf []byte) (int, error) {
	n, err := r.Reader.Read(buf)
	r.read += n
	return n, err
}

func (r *countingSeeker) WriteTo(io.Writer) (int64, error) { return 0, errors.New("not counted") }

// What the store has is not read again.
func TestSkip(t *testing.T) {
	src := newStore(t)
	o := addFiles(t, src, localstore.AddOptions{Name: "o"}, "a="+strings.Repeat("a", 8<<20), "b=small", "c="+strings.Repeat("c", 8<<20))
	must(t, src.Register(t.Context(), []store.Object{o}, nil))
	data := exportBytes(t, src, ExportOptions{}, o.Path)
	dst := newStore(t)
	// Somewhere in the last file; the beginning of the file is no stream.
	prefix := []byte("something else")
	r := &countingSeeker{Reader: bytes.NewReader(append(prefix, data[:12<<20]...))}
	_, err := r.Seek(int64(len(prefix)), io.SeekStart)
	must(t, err)
	var cut *TruncatedError
	if _, err := Import(t.Context(), r, dst, unsigned); !errors.As(err, &cut) {
		t.Fatalf("%v", err)
	}
	for _, most := range []int{9 << 20, 1 << 20} { // the second time all is there
		r := &countingSeeker{Reader: bytes.NewReader(append(prefix, data...))}
		_, err := r.Seek(int64(len(prefix)), io.SeekStart)
		must(t, err)
		if _, err := Import(t.Context(), r, dst, unsigned); err != nil {
			t.Fatal(err)
		}
		if r.read > most {
			t.Errorf("%d bytes were read, at most %d", r.read, most)
		}
	}
	verify(t, dst)
	// A pipe is a file that cannot seek.
	in, out, err := os.Pipe()
	must(t, err)
	defer in.Close()
	go func() {
		out.Write(data)
		out.Close()
	}()
	if result, err := Import(t.Context(), in, dst, unsigned); err != nil || result.Present != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

// Many objects are registered in batches: what is complete stays even if the
// importing process never gets to know that the stream broke off.
func TestBatches(t *testing.T) {
	src := newStore(t)
	var objects []store.Object
	var paths []store.Path
	for i := range maxBatch + 10 {
		o := addFileTree(t, src, fmt.Sprint("o", i))
		objects, paths = append(objects, o), append(paths, o.Path)
	}
	must(t, src.Register(t.Context(), objects, nil))
	data := exportBytes(t, src, ExportOptions{}, paths...)
	dst := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancelLate := func(done, total int64) {
		if done > total-200 {
			cancel()
		}
	}
	if _, err := Import(ctx, bytes.NewReader(data), dst, ImportOptions{AllowUnsigned: true, Progress: cancelLate}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := count(t, dst); n != maxBatch {
		t.Errorf("%d objects, want %d", n, maxBatch)
	}
	result, err := importBytes(dst, data, unsigned)
	if err != nil || result.Present != maxBatch || len(result.Objects) != len(objects) {
		t.Errorf("%d of %d, %v", result.Present, len(result.Objects), err)
	}
	verify(t, dst)
}

func addFileTree(t testing.TB, s *localstore.Store, name string) store.Object {
	t.Helper()
	o, err := s.MakeObject(t.Context(), name, store.KindTree, addTree(t, s, "", addBlob(t, s, name)).Digest, nil)
	must(t, err)
	return o
}

// What a refused stream has left is garbage, and what was imported is safe from
// a collection in another process meanwhile.
func TestGarbage(t *testing.T) {
	ctx := t.Context()
	_, data := smallStream(t)
	frames := split(data)
	dst := newStore(t)
	bad := slices.Clone(frames)
	bad[len(bad)-2].payload = []byte("wrong") // the mark of the last object
	if _, err := importBytes(dst, seal(bad), unsigned); err == nil || count(t, dst) > 0 {
		t.Fatalf("%v", err)
	}
	beside := openStore(t, dst.Dir())
	if _, err := beside.GC(ctx, localstore.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range frames {
		if f.kind == kindBlob {
			all = append(all, string(f.payload[32:]))
		}
	}
	for _, content := range all {
		if there, err := dst.HasBlob(ctx, store.DigestOf([]byte(content)), int64(len(content))); !there || err != nil {
			t.Errorf("%q was collected while the importer had it: %v", content, err)
		}
	}
	must(t, dst.Close())
	result, err := beside.GC(ctx, localstore.GCOptions{})
	if err != nil || result.Blobs != len(all) || result.Trees == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	verify(t, beside)
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
