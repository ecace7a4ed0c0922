package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/sign"
)

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

// A stream with signatures that somebody made up takes no room from the right ones.
func TestJunkSignatures(t *testing.T) {
	ctx := t.Context()
	src, lib, app := newSmall(t)
	a := testKey(t, "a")
	good := exportBytes(t, src, ExportOptions{Realisations: true, Sign: []sign.SecretKey{a}}, app.Path)
	var junk []rawFrame
	for i := range maxSignatures {
		junk = append(junk, rawFrame{kindSignature, []byte(sign.Signature{Key: fmt.Sprintf("k%03d", i)}.String())})
	}
	var frames []rawFrame
	for _, f := range split(exportBytes(t, src, ExportOptions{Realisations: true}, app.Path)) {
		frames = append(frames, f)
		if f.kind == kindRecord || f.kind == kindRealisation {
			frames = append(frames, junk...)
		}
	}
	evil := seal(frames)
	for name, first := range map[string][]byte{"before": evil, "after": good} {
		dst := newStore(t)
		for _, data := range [][]byte{first, evil, good} {
			_, err := importBytes(dst, data, ImportOptions{Trusted: trust(t, a), AllowUnsigned: true})
			must(t, err)
		}
		sigs, err := dst.Signatures(ctx, lib.Path)
		must(t, err)
		if !slices.Contains(sigs, a.Sign(sign.Object(&lib))) || len(sigs) > 20 {
			t.Errorf("%s: of the object: %d signatures", name, len(sigs))
		}
		all, err := dst.RealisationsOf(ctx, []store.Path{app.Path})
		must(t, err)
		sigs, err = dst.RealisationSignatures(ctx, all[0])
		must(t, err)
		if !slices.Contains(sigs, a.Sign(sign.Realisation(all[0]))) || len(sigs) > 20 {
			t.Errorf("%s: of the realisation: %d signatures", name, len(sigs))
		}
		// It can still be passed on.
		verify(t, dst)
		exportBytes(t, dst, ExportOptions{Realisations: true, Sign: []sign.SecretKey{testKey(t, "b")}}, app.Path)
	}
}
