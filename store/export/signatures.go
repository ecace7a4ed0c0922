package export

import (
	"context"

	"sysc/store"
	"sysc/store/sign"
)

// signatures collects those of many things.
type signatures struct {
	objects      map[store.Path][]sign.Signature
	realisations map[store.Realisation][]sign.Signature
}

func newSignatures() signatures {
	return signatures{map[store.Path][]sign.Signature{}, map[store.Realisation][]sign.Signature{}}
}

func (g *signatures) addObject(p store.Path, sigs []sign.Signature) {
	if len(sigs) > 0 {
		g.objects[p] = sigs
	}
}

func (g *signatures) addRealisation(r store.Realisation, sigs []sign.Signature) {
	if len(sigs) > 0 {
		g.realisations[r] = sigs
	}
}

// keep hands them to a method of a [Destination], if there are any.
func (g *signatures) keep(ctx context.Context, add func(context.Context, map[store.Path][]sign.Signature, map[store.Realisation][]sign.Signature) error) error {
	if len(g.objects) == 0 && len(g.realisations) == 0 {
		return nil
	}
	return add(ctx, g.objects, g.realisations)
}
