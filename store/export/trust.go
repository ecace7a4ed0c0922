package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/sign"
)

// An UntrustedError says that no trusted key vouches for something in a stream.
type UntrustedError struct {
	// Object is the object, or the one that a realisation leads to.
	Object store.Path
	// Realisation is nil when it is about the object itself.
	Realisation *store.Realisation
	// Unknown are the names of keys that did sign it and are not trusted, Wrong
	// those of trusted keys whose signature is wrong. Both are sorted.
	Unknown, Wrong []string
}

func (e *UntrustedError) Error() string {
	what := "object " + string(e.Object)
	if e.Realisation != nil {
		what = fmt.Sprintf("realisation of %s, output %q, as %s", e.Realisation.Derivation, e.Realisation.Output, e.Object)
	}
	var why []string
	if len(e.Unknown) == 1 {
		why = append(why, fmt.Sprintf("signed by %q, which is not trusted", e.Unknown[0]))
	} else if len(e.Unknown) > 1 {
		why = append(why, fmt.Sprintf("signed by %s, none of which is trusted", quoted(e.Unknown)))
	}
	if len(e.Wrong) > 0 {
		why = append(why, fmt.Sprintf("the signature of %s is wrong", quoted(e.Wrong)))
	}
	if len(why) == 0 {
		why = []string{"not signed"}
	}
	return what + ": " + strings.Join(why, "; ")
}

// quoted lists names, not all of them if there are many.
func quoted(names []string) string {
	const most = 5
	var list []string
	for _, name := range names[:min(len(names), most)] {
		list = append(list, fmt.Sprintf("%q", name))
	}
	if len(names) > most {
		list = append(list, fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(list, ", ")
}

// admit looks whether a stream can be taken as a whole, before anything of it is
// written.
func (m *importer) admit(ctx context.Context, t *table) error {
	paths := slices.Clone(t.needs)
	for i := range t.objects {
		paths = append(paths, t.objects[i].object.Path)
	}
	valid, err := m.dst.Valid(ctx, paths)
	if err != nil {
		return err
	}
	for _, need := range t.needs {
		if !valid[need] {
			return fmt.Errorf("the stream builds on %s, which has to be imported first: %w", need, store.ErrNotExist)
		}
	}
	for i := range t.objects {
		one := &t.objects[i]
		one.signatures = sign.Merge(one.signatures, m.opts.Beside[one.object.Path])
		if valid[one.object.Path] {
			err = m.compare(ctx, &one.object)
		} else if !m.opts.Known[one.object.Path] {
			err = m.vouched(sign.Object(&one.object), one.signatures, UntrustedError{Object: one.object.Path})
		}
		if err != nil {
			return err
		}
	}
	for _, one := range t.realisations {
		standing, err := m.takes(ctx, one.realisation)
		if err != nil {
			return err
		}
		if standing != missing {
			continue
		}
		if err := m.vouchedResult(&one); err != nil {
			return err
		}
	}
	m.table, m.valid, m.realisations = t, valid, t.realisations
	return nil
}

func (m *importer) vouchedResult(one *signedRealisation) error {
	refusal := UntrustedError{Object: one.realisation.Path, Realisation: &one.realisation}
	return m.vouched(sign.Realisation(one.realisation), one.signatures, refusal)
}

// vouched returns the refusal, completed, unless somebody vouches for a statement.
func (m *importer) vouched(s sign.Statement, sigs []sign.Signature, refusal UntrustedError) error {
	if m.opts.AllowUnsigned || len(m.opts.Trusted.Verify(s, sigs)) > 0 {
		return nil
	}
	for _, sig := range sigs {
		if m.opts.Trusted.Has(sig.Key) {
			refusal.Wrong = append(refusal.Wrong, sig.Key)
		} else {
			refusal.Unknown = append(refusal.Unknown, sig.Key)
		}
	}
	refusal.Unknown, refusal.Wrong = slices.Compact(refusal.Unknown), slices.Compact(refusal.Wrong)
	return &refusal
}

// compare looks whether an object that the store has is that of the stream.
func (m *importer) compare(ctx context.Context, o *store.Object) error {
	have, err := m.dst.Object(ctx, o.Path)
	if err != nil {
		return err
	}
	if !bytes.Equal(sign.Object(&have), sign.Object(o)) {
		return fmt.Errorf("object %s: %w", o.Path, errOther)
	}
	return nil
}

var errOther = errors.New("the store has another object of that path")
