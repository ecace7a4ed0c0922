package modules

import (
	"context"
	"fmt"
	"strings"

	"sysc/modules/lock"
	"sysc/store"
	"sysc/systems/distro/debian"
)

// universes are the packages of inputs, read once for each architecture.
type universes struct {
	// earlier is set where packages count that stayed as they were.
	earlier bool
	fetcher func(debian.Settings) debian.Fetcher
	begin   func(input string) // is told of an input that is read
	opener  OwnFileOpener
	// read are packages by input and architecture, own those of the definition's files,
	// made universes by their parts.
	read map[string]*debian.Packages
	own  map[store.Digest]*debian.OwnFile
	made map[string]*debian.Universe
}

func newUniverses(fetcher func(debian.Settings) debian.Fetcher, opener OwnFileOpener, begin func(input string)) universes {
	return universes{
		fetcher: fetcher, opener: opener, begin: begin,
		read: map[string]*debian.Packages{}, own: map[store.Digest]*debian.OwnFile{}, made: map[string]*debian.Universe{},
	}
}

// of returns the packages that the inputs of a request, as f has them, have for its
// architectures, and its own files.
func (u *universes) of(ctx context.Context, f *lock.File, inputs []*input, r *rootRequest, own []*debian.OwnFile) (*debian.Universe, error) {
	architectures := append([]string{r.arch}, r.foreign()...)
	key := strings.Join(architectures, ",")
	for _, in := range inputs {
		key += "/" + in.name
	}
	for _, name := range sortedKeys(r.versions) {
		key += "/" + name + "=" + r.versions[name].version
	}
	for _, file := range own {
		key += "/" + file.Only().SHA256.Hex()
	}
	if made, ok := u.made[key]; ok {
		return made, nil
	}
	parts, err := u.parts(ctx, f, inputs, r)
	if err != nil {
		return nil, err
	}
	made, err := debian.NewUniverse(r.arch, append(parts, ownParts(inputs, own)...)...)
	if err != nil {
		return nil, fmt.Errorf("read packages of %s: %w", r.address, err)
	}
	u.made[key] = made
	return made, nil
}

// versionPins are what makes the chosen versions of packages be taken, and no others.
func (r *rootRequest) versionPins() []debian.Pin {
	var pins []debian.Pin
	for _, name := range sortedKeys(r.versions) {
		pins = append(pins,
			debian.Pin{Packages: []string{name}, Version: r.versions[name].version, Priority: debian.PinChosen},
			debian.Pin{Packages: []string{name}, Priority: -1})
	}
	return pins
}

// ownParts make a request's own files packages of every input, whichever of them it is
// that somebody asks for.
func ownParts(inputs []*input, own []*debian.OwnFile) []debian.Part {
	if len(own) == 0 {
		return nil
	}
	var parts []debian.Part
	for _, in := range inputs {
		parts = append(parts, debian.Own(in.name, own))
	}
	return parts
}

// parts are what the inputs contribute, in their order.
func (u *universes) parts(ctx context.Context, f *lock.File, inputs []*input, r *rootRequest) ([]debian.Part, error) {
	architectures := append([]string{r.arch}, r.foreign()...)
	var parts []debian.Part
	for _, in := range inputs {
		part := in.part()
		part.Pins = append(r.versionPins(), part.Pins...)
		for _, arch := range architectures {
			revision := f.Inputs[in.name].Revision
			if u.earlier {
				revision = revision.All()
			}
			packages, err := u.packages(ctx, in, revision, arch)
			if err != nil {
				return nil, fmt.Errorf("read input %q (%s): %w", in.name, position(in.at), err)
			}
			part.Packages = append(part.Packages, packages)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// packages returns what a revision of an input has for an architecture.
func (u *universes) packages(ctx context.Context, in *input, revision debian.Revision, arch string) (*debian.Packages, error) {
	key := arch + "/" + in.name
	if known, ok := u.read[key]; ok {
		return known, nil
	}
	u.begin(in.name)
	packages, err := debian.ReadPackages(ctx, revision, arch, u.fetcher(in.settings))
	if err != nil {
		return nil, err
	}
	u.read[key] = packages
	return packages, nil
}
