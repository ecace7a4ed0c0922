package modules

import (
	"context"

	"sysc/systems/distro/debian"
)

// universes are the packages of inputs, read once for each architecture.
type universes struct {
	fetcher func(debian.Settings) debian.Fetcher
	begin   func(input string) // is told of an input that is read
	read    map[string]*debian.Universe
}

func newUniverses(fetcher func(debian.Settings) debian.Fetcher, begin func(input string)) universes {
	return universes{fetcher: fetcher, begin: begin, read: map[string]*debian.Universe{}}
}

// of returns the packages that a revision of an input has for an architecture.
func (u *universes) of(ctx context.Context, in *input, revision debian.Revision, arch string) (*debian.Universe, error) {
	key := in.name + "/" + arch
	if known, ok := u.read[key]; ok {
		return known, nil
	}
	u.begin(in.name)
	var of debian.Revision
	for _, index := range revision.Indexes {
		if index.Architecture == arch || index.Architecture == "all" {
			of.Indexes = append(of.Indexes, index)
		}
	}
	read, err := debian.ReadUniverse(ctx, of, arch, u.fetcher(in.settings))
	if err != nil {
		return nil, err
	}
	u.read[key] = read
	return read, nil
}
